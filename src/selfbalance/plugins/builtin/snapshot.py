"""Standby `snapshot`: a BACKUP's IPVS table is empty, and restored when it becomes MASTER."""

from __future__ import annotations

from selfbalance.plugins.builtin.backup_only import one_instance
from selfbalance.plugins.builtin.connections import KEPT
from selfbalance.plugins.spec import Register, hook
from selfbalance.plugins.things import StandbyMode

# A table fills line by line. Who asks in between would be sent on by a scheduler that knows half of
# the realservers. With sloppy_tcp 0, a session goes to this node's own TCP, whose reset is held
# back (decision 10), and comes again when the table is whole.
_FILL = """\
    knob=/proc/sys/net/ipv4/vs/sloppy_tcp
    sloppy=$(cat $knob)
    [ -n "$(ipvsadm --save --numeric)" ] || echo 0 >$knob
    ipvsadm --restore
    echo "$sloppy" >$knob"""

SNAPSHOT = StandbyMode(
    description="an empty table on a BACKUP, no sync daemon; only mh and sh carry sessions over",
    sync_daemon=False,
    apart=True,
    to_master=_FILL,
    objection=one_instance,
    # Who was MASTER still has entries of connections. Without `expire_nodest_conn` it would drop
    # their packets for ever, with its table empty (Documentation/networking/ipvs-sysctl.rst).
    sysctls=KEPT,
)


@hook
def register_standby_modes(register: Register[StandbyMode]) -> None:
    """Register `snapshot`."""
    register("snapshot", SNAPSHOT)
