"""Standby snapshot on real nodes: a table that is filled while clients ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from deployed import Site
from measured import measure

SLOW = "/usr/local/sbin/ipvsadm"
LINE_BY_LINE = f"""\
cat >{SLOW} <<'END' && chmod 755 {SLOW}
#!/bin/sh
[ "$1" = --restore ] || exec /sbin/ipvsadm "$@"
while read -r line; do echo "$line"; sleep 0.05; done | /sbin/ipvsadm --restore
END"""


@pytest.fixture
def slow(site: Site) -> Iterator[Site]:
    """Nodes whose ipvsadm takes 0.05 s for each line of a table that it restores."""
    with site.well("detection='calm', standby='snapshot'"):
        for node in site.powered():
            site.lab.run(node, LINE_BY_LINE)
        yield site
        for node in site.powered():
            site.lab.run(node, f"rm {SLOW}")


def test_half_a_table_sends_no_session_to_another_node(slow: Site) -> None:
    master = slow.master()
    measured = measure(
        slow,
        lambda: slow.lab.run(master, "systemctl stop keepalived"),
        "snapshot, a table that is filled for 0.2 s: systemctl stop keepalived",
    )
    # What it served itself may ask again only when its keepalived has ended, and it has no weight.
    lost = [each for each in measured.report.lost_sessions if each.node != master]
    assert lost == []
    assert slow.master() != master
    slow.lab.run(master, "systemctl start keepalived")
