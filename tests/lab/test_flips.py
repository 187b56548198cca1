"""Ten changes of role within two seconds leave VIP, table and sync daemon right, in every mode."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

from deployed import VIP, Site

FLIPS, WITHIN_S = 10, 2.0


def test_ten_flips_within_two_seconds_end_right(in_every_mode: Site) -> None:
    lab, node = in_every_mode.lab, in_every_mode.master()
    interval = "0.3"  # of `calm`
    script = str(Path(__file__).with_name("flips.py"))
    target = str(lab.node(node).address)
    since = lab.run(node, "date +%s").stdout.strip()
    lab.client([sys.executable, script, target, VIP, "51", interval, "9"], timeout=30)
    flips = _flips(in_every_mode, node, since)
    print(f"\n{in_every_mode.described}: {len(flips)} changes in {flips[-1] - flips[0]:.2f} s")
    quickest = min(
        (last - first for first, last in zip(flips, flips[FLIPS - 1 :], strict=False)),
        default=float("inf"),
    )
    assert quickest <= WITHIN_S, "ten changes took longer: the test did not test"
    # One owner, tables, the sync daemon of each node: what the gates of status look at.
    in_every_mode.wait_until_healthy(30)
    answered = Counter(probe.ok for probe in lab.requests(f"http://{VIP}/", count=60))
    assert answered == {True: 60}


def _flips(site: Site, node: str, since: str) -> list[float]:
    """When keepalived changed its role, in its own words."""
    said = site.lab.run(node, f"journalctl -u keepalived -o short-unix --since @{since}").stdout
    lines = re.findall(r"^([\d.]+) .*Entering (?:MASTER|BACKUP) STATE$", said, re.MULTILINE)
    return [float(at) for at in lines]
