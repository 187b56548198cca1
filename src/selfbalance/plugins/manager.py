"""The manager: loads plugins once, collects what they register, one typed registry a hook."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from selfbalance.errors import DescriptionError, PluginError
from selfbalance.model import Cluster, Service
from selfbalance.plugins import spec
from selfbalance.plugins.builtin import (
    backup_only,
    dr,
    folders,
    glusterfs,
    keepalived,
    kernel_schedulers,
    on_volume,
    snapshot,
    source_mac,
    tun,
    upkeep,
)
from selfbalance.plugins.registry import Registry
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

BUILT_IN: tuple[ModuleType, ...] = (
    kernel_schedulers,
    dr,
    tun,
    backup_only,
    snapshot,
    source_mac,
    folders,
    on_volume,
    keepalived,
    glusterfs,
    upkeep,
)


class Plugins:
    """Everything that is registered, by kind and name.

    `modules` come before the built-in ones and need no other door than these: a hook is a hook.
    Raises `PluginError` on a hook that does not exist and on what `Registry.enter` refuses.
    """

    def __init__(self, modules: Iterable[ModuleType] = ()) -> None:
        self.schedulers: Registry[Scheduler] = Registry("scheduler", Scheduler)
        self.forwarding_methods: Registry[ForwardingMethod] = Registry(
            "forwarding method", ForwardingMethod
        )
        self.standby_modes: Registry[StandbyMode] = Registry("standby mode", StandbyMode)
        self.snapshot_stores: Registry[SnapshotStore | ControllerStore] = Registry(
            "snapshot store", SnapshotStore, ControllerStore
        )
        self.components: Registry[Component] = Registry("component", Component)
        self.gates: Registry[Gate] = Registry("gate")
        self._manager = pluggy.PluginManager("selfbalance")
        self._manager.add_hookspecs(spec)
        for module in (*modules, *BUILT_IN):
            self._add(module)
        self._refuse_unknown_hooks()

    def _add(self, module: ModuleType) -> None:
        """Register one module and let it call back, so that an error names the right plugin."""
        plugin = module.__name__
        if self._manager.has_plugin(plugin):
            raise PluginError(f"plugin {plugin}: a plugin of this name is loaded; rename the file")
        try:
            self._manager.register(module)
        except pluggy.PluginValidationError as error:
            raise PluginError(f"plugin {plugin}: {_in_one_line(error)}") from None
        for hook_name, registry in self._doors().items():
            register = self._callback(registry, module)
            for implementation in self._implementations(module, hook_name):
                # A hook may leave its argument out (pluggy, "Opt-in arguments").
                implementation.function(*(register for _ in implementation.argnames))

    def _implementations(self, module: ModuleType, hook_name: str) -> Iterator[pluggy.HookImpl]:
        """Yield a plugin's implementations of a hook. Refuse one that only has the hook's name."""
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook_name)
        found = [each for each in caller.get_hookimpls() if each.plugin is module]
        if not found and hasattr(module, hook_name):
            raise PluginError(
                f"plugin {module.__name__}: {hook_name} is not marked; write @hook"
                f"{_hook_place(module, hook_name)}"
            )
        yield from found

    def _doors(self) -> dict[str, Registry[Any]]:
        return {
            "register_schedulers": self.schedulers,
            "register_forwarding_methods": self.forwarding_methods,
            "register_standby_modes": self.standby_modes,
            "register_snapshot_stores": self.snapshot_stores,
            "register_components": self.components,
            "register_gates": self.gates,
        }

    @property
    def registries(self) -> tuple[Registry[Any], ...]:
        """Every registry, in the order of the hooks."""
        return tuple(self._doors().values())

    @staticmethod
    def _callback(registry: Registry[Any], module: ModuleType) -> Callable[[str, object], None]:
        def register(name: str, thing: object) -> None:
            caller = sys._getframe(1)
            registry.enter(module.__name__, name, thing, _place(module, caller.f_lineno))

        return register

    def _refuse_unknown_hooks(self) -> None:
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            known, module = ", ".join(self._doors()), error.plugin
            assert isinstance(module, ModuleType)  # noqa: S101 - only modules are registered
            unknown = next(name for name in _marked(module) if name not in self._doors())
            raise PluginError(
                f"plugin {module.__name__}: unknown hook '{unknown}'; known are: {known}"
                f"{_hook_place(module, unknown)}"
            ) from None

    def check(self, cluster: Cluster, place: str) -> None:
        """Refuse a description that names what is not registered, or what its parts cannot do.

        Raises `DescriptionError`; `place` is the description's file for the message.
        """
        for index, service in enumerate(cluster.services):
            self._check_service(service, f"{place}: services[{index}].scheduler")
        forwarding = self.forwarding_methods.named(cluster.forwarding, f"{place}: forwarding")
        store = self.snapshot_stores.named(cluster.snapshots, f"{place}: snapshots")
        standby = self.standby_modes.named(cluster.standby, f"{place}: standby")
        kept = store.objection(cluster) if isinstance(store, SnapshotStore) else None
        for objection, what in (
            (kept, f"snapshots '{cluster.snapshots}'"),
            (forwarding.objection(cluster), f"forwarding '{cluster.forwarding}'"),
            (standby.objection(cluster), f"standby '{cluster.standby}'"),
        ):
            if objection:
                raise DescriptionError(f"{place}: {what}: {objection}")
        if standby.apart and not store.on_node:
            raise DescriptionError(
                f"{place}: snapshots: '{cluster.snapshots}' is out of a node's own reach, but in "
                f"standby '{cluster.standby}' it restores by itself; choose local"
            )

    def _check_service(self, service: Service, place: str) -> None:
        scheduler = self.schedulers.named(service.scheduler, place)
        for flag in service.scheduler_flags or ():
            if flag not in scheduler.flags:
                known = ", ".join(scheduler.flags) or "none"
                raise DescriptionError(
                    f"{place}_flags: '{flag}' is no flag of scheduler '{service.scheduler}'; "
                    f"it has: {known}"
                )


def _marked(module: ModuleType) -> Iterator[str]:
    """Yield the names of all that is marked as a hook."""
    for name, thing in vars(module).items():
        marks = getattr(thing, f"{spec.hook.project_name}_impl", None)
        if marks:
            yield marks.get("specname") or name


def _hook_place(module: ModuleType, hook_name: str) -> str:
    code = getattr(getattr(module, hook_name, None), "__code__", None)
    return _place(module, code.co_firstlineno) if code else ""


def _place(module: ModuleType, line: int) -> str:
    """Return " (FILE:LINE)" of a plugin that a person has written; the built-ins are ours."""
    file = getattr(module, "__file__", None)
    return f" ({file}:{line})" if file and module not in BUILT_IN else ""


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
