"""A VRRP process that waits for the kernel for ever is ended and starts again (decision 8)."""

from __future__ import annotations

import sys
from pathlib import Path

from deployed import VIP, Site


def test_a_vrrp_process_that_hangs_is_ended_and_nothing_else(cluster: Site) -> None:
    node = cluster.master()
    for backup in cluster.backups():
        cluster.lab.run(backup, "systemctl stop keepalived")
    target = str(cluster.lab.node(node).address)
    main = cluster.lab.run(node, "cat /run/keepalived.pid /run/checkers.pid").stdout
    script = str(Path(__file__).with_name("adverts.py"))
    # Hung for good, it would stay so: whether it hung is what its journal says.
    for _ in range(4):
        cluster.lab.client([sys.executable, script, target, VIP, "51", "0.1", "50"], timeout=120)
        said = cluster.lab.run(node, "sleep 5; journalctl -u selfbalance-watch --no-pager").stdout
        if "ending it" in said:
            break
    else:
        raise AssertionError("200 adverts in the wrong moment, and keepalived never hung")
    assert cluster.lab.run(node, "cat /run/keepalived.pid /run/checkers.pid").stdout == main
    cluster.deploy()
