"""Components `packages` and `reboot`: the upkeep of a node, whatever is installed there."""

from __future__ import annotations

from selfbalance.plugins.spec import Register, hook
from selfbalance.plugins.things import Component, Upgrade

PACKAGES = Component(
    description="any packages, named by --data packages=NAME[=VERSION],...",
    packages=(),
    units=(),
    upgrade=Upgrade(named=True),
)
REBOOT = Component(
    description="the node itself: it reboots, for instance into a new kernel",
    packages=(),
    units=(),
    upgrade=Upgrade(reboots=True),
)


@hook
def register_components(register: Register[Component]) -> None:
    """Register `packages` and `reboot`."""
    register("packages", PACKAGES)
    register("reboot", REBOOT)
