"""The lab: nodes with kernels of their own as ordinary processes, and a client that counts."""

from selfbalance.lab.errors import LabError
from selfbalance.lab.lab import Lab
from selfbalance.lab.model import LabNode

__all__ = ["Lab", "LabError", "LabNode"]
