"""Room: the swap points. Typed specs, the manager, and the built-ins, one small file each."""

from selfbalance.plugins.manager import Plugins
from selfbalance.plugins.spec import hook
from selfbalance.plugins.things import (
    Component,
    ForwardingMethod,
    Problem,
    Scheduler,
    SnapshotStore,
    StandbyMode,
    Tunnel,
    Verdict,
)

__all__ = [
    "Component",
    "ForwardingMethod",
    "Plugins",
    "Problem",
    "Scheduler",
    "SnapshotStore",
    "StandbyMode",
    "Tunnel",
    "Verdict",
    "hook",
]
