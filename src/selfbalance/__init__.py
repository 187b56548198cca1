"""Self-balancing clusters: web servers that share one virtual IP, each of them able to direct."""

from selfbalance.errors import SelfbalanceError
from selfbalance.model import Check, Cluster, Node, Secret, Service, Vip, Volume, VrrpOptions

__all__ = [
    "Check",
    "Cluster",
    "Node",
    "Secret",
    "SelfbalanceError",
    "Service",
    "Vip",
    "Volume",
    "VrrpOptions",
]
