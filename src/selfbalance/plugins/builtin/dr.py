"""Forwarding `dr`: direct routing. The realserver answers the client itself."""

from __future__ import annotations

from selfbalance.plugins.spec import Register, hook
from selfbalance.plugins.things import ForwardingMethod

DR = ForwardingMethod(
    lvs_method="DR",
    vip_interface="lo",
    description="direct routing: one network, no address rewritten",
    sysctls={
        # Every node holds the VIP on lo; only the MASTER holds it on the interface that is asked
        # (Documentation/networking/ip-sysctl.rst, arp_ignore 1 and arp_announce 2).
        "net.ipv4.conf.all.arp_ignore": "1",
        "net.ipv4.conf.all.arp_announce": "2",
    },
)


@hook
def register_forwarding_methods(register: Register[ForwardingMethod]) -> None:
    """Register `dr`."""
    register("dr", DR)
