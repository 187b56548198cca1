"""The hooks: one for each swap point. A plugin is handed `register` and calls it.

from selfbalance.plugins import Scheduler, hook

@hook
def register_schedulers(register):
    register("twos", Scheduler(kernel="wrr", description="two each", weigh=lambda node: 2))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

import pluggy

from selfbalance.plugins.things import (
    Component,
    ControllerStore,
    ForwardingMethod,
    Scheduler,
    SnapshotStore,
    StandbyMode,
)

if TYPE_CHECKING:
    from selfbalance.gates import Gate

hook = pluggy.HookimplMarker("selfbalance")
_spec = pluggy.HookspecMarker("selfbalance")

T_contra = TypeVar("T_contra", contravariant=True)


class Register(Protocol[T_contra]):
    """Enter a thing under a name. Raises `PluginError` on a wrong type or a name that is taken."""

    def __call__(self, name: str, thing: T_contra) -> None:
        """Enter `thing` as `name`."""


@_spec
def register_schedulers(register: Register[Scheduler]) -> None:
    """Register IPVS schedulers: flags, module, sysctls and each realserver's weight."""


@_spec
def register_forwarding_methods(register: Register[ForwardingMethod]) -> None:
    """Register forwarding methods: where the VIP lives on a realserver, and its sysctls."""


@_spec
def register_standby_modes(register: Register[StandbyMode]) -> None:
    """Register standby modes: how a BACKUP is kept from balancing again."""


@_spec
def register_snapshot_stores(register: Register[SnapshotStore | ControllerStore]) -> None:
    """Register snapshot stores: where a snapshot lives, how it is written and read back."""


@_spec
def register_components(register: Register[Component]) -> None:
    """Register components: packages and units that every node has."""


@_spec
def register_gates(register: Register[Gate]) -> None:
    """Register gates: what must hold before the next node is touched, and what status shows."""
