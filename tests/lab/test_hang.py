"""A VRRP process that waits for the kernel for ever is ended and starts again (decision 8)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployed import VIP, Site

ADVERTS, AT_ONCE = 200, 10


def test_a_vrrp_process_that_hangs_is_ended_and_nothing_else(cluster: Site) -> None:
    node = cluster.master()
    for backup in cluster.backups():
        cluster.lab.run(backup, "systemctl stop keepalived")
    target = str(cluster.lab.node(node).address)
    main = cluster.lab.run(node, "cat /run/keepalived.pid /run/checkers.pid").stdout
    script = str(Path(__file__).with_name("adverts.py"))
    # Hung for good, it would stay so: whether it hung is what its journal says.
    with _busy(cluster, node):
        for first in range(0, ADVERTS, AT_ONCE):
            words = (target, VIP, "51", "0.1", str(first), str(AT_ONCE))
            cluster.lab.client([sys.executable, script, *words], timeout=120)
            said = cluster.lab.run(node, "sleep 2; journalctl -u selfbalance-watch --no-pager")
            if "ending it" in said.stdout:
                break
        else:
            raise AssertionError(f"{ADVERTS} adverts in the wrong moment, and it never hung")
    assert cluster.lab.run(node, "cat /run/keepalived.pid /run/checkers.pid").stdout == main
    cluster.deploy()


@contextmanager
def _busy(site: Site, node: str) -> Iterator[None]:
    """Keep its only CPU busy: the sync daemon's thread has no turn before it is to stop."""
    loops = "for n in 1 2 3; do while :; do :; done & done; wait"
    site.lab.run(node, f"systemd-run --quiet --unit busy sh -c '{loops}'")
    try:
        yield
    finally:
        site.lab.run(node, "systemctl stop busy")
