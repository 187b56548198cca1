"""Forwarding `dr`: direct routing. The realserver answers the client itself."""

from __future__ import annotations

from selfbalance.model import Cluster
from selfbalance.plugins.spec import Register, hook
from selfbalance.plugins.things import ForwardingMethod


def _one_network(cluster: Cluster) -> str | None:
    away = [node.name for node in cluster.nodes if not node.director]
    if not away:
        return None
    return (
        f"it reaches only nodes on the network of the VIPs, and {away[0]} has director = false; "
        "write forwarding = 'tun', or leave director out"
    )


DR = ForwardingMethod(
    lvs_method="DR",
    vip_interface="lo",
    description="direct routing: one network, no address rewritten",
    objection=_one_network,
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
