"""Component `keepalived`: VRRP, the checks, and ipvsadm to look at the kernel's table."""

from __future__ import annotations

from selfbalance.plugins.spec import Register, hook
from selfbalance.plugins.things import Component, Upgrade

KEEPALIVED = Component(
    description="VRRP, health checks and the IPVS table",
    packages=("keepalived", "ipvsadm"),
    units=("keepalived.service",),
    # The web server goes on; the directors only send it no new clients meanwhile.
    upgrade=Upgrade(packages=("keepalived",), interrupts=False),
)


@hook
def register_components(register: Register[Component]) -> None:
    """Register `keepalived`."""
    register("keepalived", KEEPALIVED)
