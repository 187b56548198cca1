"""Standby `backup-only`: IPVS stays loaded on a BACKUP and leaves packets alone."""

from __future__ import annotations

from selfbalance.model import Cluster
from selfbalance.plugins.builtin.connections import KEPT, SYNCHRONISED
from selfbalance.plugins.spec import Register, hook
from selfbalance.plugins.things import StandbyMode


def one_instance(cluster: Cluster) -> str | None:
    """Object to VIPs that move apart: IPVS has one role on a node."""
    if len(cluster.instances) == 1:
        return None
    return (
        "a node is director for all VIPs or for none, so all VIPs move together; "
        "leave vrid out of vips and set vrrp.vrid"
    )


BACKUP_ONLY = StandbyMode(
    description="the kernel's backup_only and the IPVS sync daemon (Linux 3.10)",
    sync_daemon=True,
    objection=one_instance,
    sysctls={
        **KEPT,
        **SYNCHRONISED,
        # Documentation/networking/ipvs-sysctl.rst. It acts only while the sync daemon runs in state
        # backup.
        "net.ipv4.vs.backup_only": "1",
    },
)


@hook
def register_standby_modes(register: Register[StandbyMode]) -> None:
    """Register `backup-only`."""
    register("backup-only", BACKUP_ONLY)
