"""Room: pyinfra's operations and facts. Looks at nodes, acts on them, decides nothing itself."""

from selfbalance.operations.cluster import activated, proven
from selfbalance.operations.draining import drained, undrained
from selfbalance.operations.going_back import go_back
from selfbalance.operations.handing_over import handed_over
from selfbalance.operations.looking import is_controller
from selfbalance.operations.node import prepared, tested
from selfbalance.operations.turning import Options
from selfbalance.operations.upgrading import upgraded
from selfbalance.operations.volumes import shared

__all__ = [
    "Options",
    "activated",
    "drained",
    "go_back",
    "handed_over",
    "is_controller",
    "prepared",
    "proven",
    "shared",
    "tested",
    "undrained",
    "upgraded",
]
