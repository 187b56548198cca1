"""Standby `source-mac`: every node balances, but never what another node has balanced and sent."""

from __future__ import annotations

from selfbalance.model import Cluster
from selfbalance.plugins.builtin.connections import KEPT, SYNCHRONISED
from selfbalance.plugins.spec import Register, hook
from selfbalance.plugins.things import StandbyMode


def _on_one_network(cluster: Cluster) -> str | None:
    if cluster.forwarding == "dr":
        return None
    return (
        f"it knows the nodes by their MACs, which '{cluster.forwarding}' does not carry; "
        "write forwarding = 'dr', or standby = 'backup-only'"
    )


SOURCE_MAC = StandbyMode(
    description="a firewall mark for what comes from no peer's MAC; VIPs may have several MASTERs",
    sync_daemon=True,
    marks_clients=True,
    objection=_on_one_network,
    sysctls={
        **KEPT,
        **SYNCHRONISED,
        # Documentation/networking/ipvs-sysctl.rst. Table and both sync daemons are active on every
        # node: backup_only would switch a MASTER off too.
        "net.ipv4.vs.backup_only": "0",
    },
)


@hook
def register_standby_modes(register: Register[StandbyMode]) -> None:
    """Register `source-mac`."""
    register("source-mac", SOURCE_MAC)
