"""A change under a steady load: what clients met is told, and nothing may be lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from deployed import VIP, Site

from selfbalance.testing.stalls import noted_stalls

SESSIONS = 60
MOST_S = 900


def nothing_is_lost(site: Site, act: Callable[[], object], what: str) -> None:
    """Do it under a steady load, and count what clients met."""
    with (
        noted_stalls() as stalls,
        site.lab.steady_load(
            f"http://{VIP}",
            sessions=SESSIONS,
            probe_interval=0.04,
            session_seconds=10,
            most_s=MOST_S,
        ) as load,
    ):
        time.sleep(2)
        began = time.monotonic()
        act()
        took = time.monotonic() - began
        report = load.report()
    failed = [probe for probe in report.failed_probes if not stalls.excuse(probe)]
    outcomes = Counter(session.outcome for session in report.sessions)
    print(
        f"\n{what}: {took:.0f} s, sessions {dict(outcomes)}, "
        f"{len(failed)} of {len(report.probes)} probes failed"
    )
    assert set(outcomes) == {"alive"}, outcomes
    assert outcomes["alive"] >= SESSIONS
    assert failed == []


def until_nothing_fails(site: Site, within_s: float = 30) -> None:
    """Wait until the nodes that are left serve everybody: what a crash costs is asked elsewhere."""
    deadline = time.monotonic() + within_s
    while not all(probe.ok for probe in site.lab.requests(f"http://{VIP}/", 60)):
        assert time.monotonic() < deadline, f"requests still fail after {within_s:.0f} s"
