"""A realserver dies while a node is BACKUP, then that node becomes MASTER; in every mode.

What the scripts of 2013 do there: the new MASTER restores the table that it saved when it became
BACKUP, with the dead realserver in it. keepalived has found it dead and told the kernel to remove
it, from a table that had been cleared; it never does so again. Replayed on three nodes, every
second request failed, for good.
"""

from __future__ import annotations

import time
from collections import Counter

from deployed import VIP, Site, weights

from selfbalance.model.detection import PROFILES

CALM = PROFILES["calm"]
CHECK_TIME_S = CALM.check_interval_s + CALM.check_retries * 1 + 1
"""A refused connection is found at the next check and after its retries, one second apart."""
REQUESTS = 90


def test_a_realserver_that_died_before_a_change_of_master_gets_no_request(
    in_every_mode: Site,
) -> None:
    lab, first = in_every_mode.lab, in_every_mode.master()
    heir, dead = in_every_mode.backups()
    address = str(lab.node(dead).address)

    lab.run(dead, "systemctl stop nginx")
    time.sleep(CHECK_TIME_S)
    lab.run(first, "systemctl restart keepalived")
    assert in_every_mode.master() == heir
    time.sleep(CHECK_TIME_S)
    assert _served(in_every_mode).keys() == {first, heir}
    assert weights(in_every_mode, heir)[address] == 0

    # What comes back gets its weight back: keepalived's word still arrives.
    lab.run(dead, "systemctl start nginx")
    _wait_for_weight(in_every_mode, heir, address)
    assert dead in _served(in_every_mode)

    # It came back while the first one was BACKUP: that one knows it as well.
    in_every_mode.wait_until_healthy()
    lab.run(heir, "systemctl restart keepalived")
    assert in_every_mode.master() == first
    assert dead in _served(in_every_mode)


def _served(site: Site) -> Counter[str | None]:
    """Who answered; insists that each request was answered."""
    probes = site.lab.requests(f"http://{VIP}/", count=REQUESTS)
    assert [probe.error for probe in probes if not probe.ok] == []
    return Counter(probe.node for probe in probes)


def _wait_for_weight(site: Site, node: str, address: str) -> None:
    deadline = time.monotonic() + 2 * CHECK_TIME_S
    while weights(site, node)[address] == 0:
        assert time.monotonic() < deadline, f"{address} has no weight on {node}"
        time.sleep(0.5)
