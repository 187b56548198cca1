"""What the built-in standby modes ask of IPVS's table of connections; no plugin by itself.

Sources: Documentation/networking/ipvs-sysctl.rst; net/netfilter/ipvs/ip_vs_core.c,
`is_new_conn_expected`, and ip_vs_sync.c, `ip_vs_sync_conn_needed`. Decision 19 says what nodes
showed.
"""

from __future__ import annotations

from collections.abc import Mapping

KEPT: Mapping[str, str] = {
    # With direct routing the last thing that a director sees is the client's FIN. Who uses
    # the source port again within 2 min meets its entry. With 1, the default, the new session goes
    # on under it: where the old one went, and without a word to the BACKUPs.
    "net.ipv4.vs.conn_reuse_mode": "3",
    # A realserver with weight 0 is dead or drained: its entries get no new connection.
    "net.ipv4.vs.expire_nodest_conn": "1",
    "net.ipv4.vs.expire_quiescent_template": "1",
}
"""Sysctls for directors of every mode."""

SYNCHRONISED: Mapping[str, str] = {
    # By time, not by packets: a session is told of with its second packet, then with the first one
    # after 10 s, and twice more in between, because a message may be lost. A BACKUP forgets after
    # 15 min; "3 50", the default, may take longer than that for 50 packets.
    "net.ipv4.vs.sync_threshold": "3 0",
    "net.ipv4.vs.sync_refresh_period": "10",
    "net.ipv4.vs.sync_retries": "2",
}
"""Sysctls of modes with a sync daemon."""
