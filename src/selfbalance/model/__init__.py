"""Room: the cluster as described. Pure; promises that a `Cluster` that exists could work."""

from selfbalance.model.cluster import (
    Check,
    Cluster,
    Node,
    Service,
    Vip,
    VrrpInstance,
    VrrpOptions,
)
from selfbalance.model.detection import Detection
from selfbalance.model.secret import Secret
from selfbalance.model.texts import from_json, from_toml
from selfbalance.model.volume import Volume

__all__ = [
    "Check",
    "Cluster",
    "Detection",
    "Node",
    "Secret",
    "Service",
    "Vip",
    "Volume",
    "VrrpInstance",
    "VrrpOptions",
    "from_json",
    "from_toml",
]
