"""Room: the swap points. Typed specs, the manager, and the built-ins, one small file each."""

from selfbalance.plugins.manager import Plugins
from selfbalance.plugins.spec import hook
from selfbalance.plugins.things import (
    Agreement,
    Component,
    ControllerStore,
    Facts,
    ForwardingMethod,
    Problem,
    Scheduler,
    SnapshotOf,
    SnapshotStore,
    StandbyMode,
    Tunnel,
    Upgrade,
    Verdict,
)

__all__ = [
    "Agreement",
    "Component",
    "ControllerStore",
    "Facts",
    "ForwardingMethod",
    "Plugins",
    "Problem",
    "Scheduler",
    "SnapshotOf",
    "SnapshotStore",
    "StandbyMode",
    "Tunnel",
    "Upgrade",
    "Verdict",
    "hook",
]
