"""Room: the swap points. Typed specs, the manager, and the built-ins, one small file each."""

from selfbalance.plugins.manager import Plugins
from selfbalance.plugins.spec import hook
from selfbalance.plugins.things import (
    Component,
    Facts,
    ForwardingMethod,
    Problem,
    Scheduler,
    SnapshotStore,
    StandbyMode,
    Verdict,
)

__all__ = [
    "Component",
    "Facts",
    "ForwardingMethod",
    "Plugins",
    "Problem",
    "Scheduler",
    "SnapshotStore",
    "StandbyMode",
    "Verdict",
    "hook",
]
