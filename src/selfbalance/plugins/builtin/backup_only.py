"""Standby `backup-only`: IPVS stays loaded on a BACKUP and leaves packets alone."""

from __future__ import annotations

from selfbalance.model import Cluster
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
        # Documentation/networking/ipvs-sysctl.rst. backup_only acts only while the sync daemon runs
        # in state backup. sync_threshold: the kernel's default; a first value below 3 synchronises
        # nothing for 50 packets, because packet 1 is a SYN.
        "net.ipv4.vs.backup_only": "1",
        "net.ipv4.vs.sync_threshold": "3 50",
        "net.ipv4.vs.expire_nodest_conn": "1",
        "net.ipv4.vs.expire_quiescent_template": "1",
    },
)


@hook
def register_standby_modes(register: Register[StandbyMode]) -> None:
    """Register `backup-only`."""
    register("backup-only", BACKUP_ONLY)
