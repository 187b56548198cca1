"""Standby `snapshot`: a BACKUP's IPVS table is empty, and restored when it becomes MASTER."""

from __future__ import annotations

from selfbalance.plugins.builtin.backup_only import one_instance
from selfbalance.plugins.spec import Register, hook
from selfbalance.plugins.things import StandbyMode

SNAPSHOT = StandbyMode(
    description="an empty table on a BACKUP, no sync daemon; only mh and sh carry sessions over",
    sync_daemon=False,
    apart=True,
    objection=one_instance,
    sysctls={
        # Documentation/networking/ipvs-sysctl.rst. Who was MASTER still has entries of connections;
        # without expire_nodest_conn it would drop their packets for ever, with its table empty.
        "net.ipv4.vs.expire_nodest_conn": "1",
        "net.ipv4.vs.expire_quiescent_template": "1",
    },
)


@hook
def register_standby_modes(register: Register[StandbyMode]) -> None:
    """Register `snapshot`."""
    register("snapshot", SNAPSHOT)
