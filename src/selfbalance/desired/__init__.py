"""Room: what each node must have. Pure: a description and plugins in, plain data out."""

from selfbalance.desired.desire import HEAVIEST, depends_on_facts, desire
from selfbalance.desired.node import DesiredNode, DesiredService, DesiredVolume, File, masked

__all__ = [
    "HEAVIEST",
    "DesiredNode",
    "DesiredService",
    "DesiredVolume",
    "File",
    "depends_on_facts",
    "desire",
    "masked",
]
