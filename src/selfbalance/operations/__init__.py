"""Room: pyinfra's operations and facts. Looks at nodes, acts on them, decides nothing itself."""

from selfbalance.operations.cluster import activated, proven
from selfbalance.operations.looking import is_controller
from selfbalance.operations.node import prepared

__all__ = ["activated", "is_controller", "prepared", "proven"]
