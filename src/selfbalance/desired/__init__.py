"""Room: what each node must have. Pure: a description and plugins in, plain data out."""

from selfbalance.desired.desire import HEAVIEST, depends_on_facts, desire
from selfbalance.desired.node import DesiredNode, DesiredService, DesiredVolume, File, masked
from selfbalance.desired.taking_over import WRITTEN_BY, taken_over

__all__ = [
    "HEAVIEST",
    "WRITTEN_BY",
    "DesiredNode",
    "DesiredService",
    "DesiredVolume",
    "File",
    "depends_on_facts",
    "desire",
    "masked",
    "taken_over",
]
