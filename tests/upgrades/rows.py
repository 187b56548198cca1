"""What a client meets during an upgrade, whoever does it: one row for each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from selfbalance.lab import Lab
from selfbalance.lab.load import PROBE_TIMEOUT_S, Report
from selfbalance.testing.stalls import noted_stalls

VIP = "192.0.2.10"
SESSIONS = 200
"""So many downloads at any time; each is followed by another."""
SESSION_S = 20
PROBE_INTERVAL_S = 0.04
BEFORE_S = 3.0
AFTER_S = 10.0
"""The load goes on for so long when all is said to be done: some losses come late."""
MOST_S = 900.0


@dataclass(frozen=True)
class Row:
    """What was upgraded, by whom, how long it took, and what a client met from begin to end.

    Probes that timed out while this machine itself stood still are not among the `failed`.
    """

    side: str
    what: str
    probes: int
    failed: int
    sessions: int
    lost: int
    seconds: float
    report: Report = field(repr=False, compare=False)
    excused: int = 0

    @property
    def slow(self) -> int:
        """How many probes were answered, but took longer than a person waits without a word."""
        return sum(
            probe.ok and probe.ended - probe.began > PROBE_TIMEOUT_S for probe in self.report.probes
        )

    def __str__(self) -> str:
        return (
            f"| {self.side} | {self.what} | {self.probes} | {self.failed} | {self.sessions} "
            f"| {self.lost} | {self.seconds:.0f} |"
        )

    @property
    def reasons(self) -> str:
        """In what ways sessions and probes ended badly, how often."""
        probes = Counter(probe.error for probe in self.report.failed_probes)
        sessions = Counter(session.outcome for session in self.report.lost_sessions)
        return (
            f"{self.side}, {self.what}: probes {dict(probes)}, {self.excused} of them excused, "
            f"{self.slow} answered after more than {PROBE_TIMEOUT_S:.0f} s, "
            f"sessions {dict(sessions)}, the client was late by {self.report.client_lag:.2f} s"
        )


def measure_upgrade(
    lab: Lab,
    act: Callable[[], object],
    side: str,
    what: str,
    *,
    session_s: int = SESSION_S,
    sessions: int = SESSIONS,
    probe_interval_s: float = PROBE_INTERVAL_S,
    probe_timeout_s: float = PROBE_TIMEOUT_S,
    most_s: float = MOST_S,
) -> Row:
    """Keep downloads and probes going at the VIP while `act` upgrades; count all."""
    load = lab.steady_load(
        f"http://{VIP}",
        sessions=sessions,
        probe_interval=probe_interval_s,
        session_seconds=session_s,
        most_s=most_s,
        probe_timeout=probe_timeout_s,
    )
    with noted_stalls() as stalls, load:
        time.sleep(BEFORE_S)
        began = time.monotonic()
        act()
        seconds = time.monotonic() - began
        time.sleep(AFTER_S)
        assert time.monotonic() - began < most_s - BEFORE_S, "the load ended before the upgrade"
        report = load.report()
    excused = sum(map(stalls.excuse, report.failed_probes))
    return Row(
        side,
        what,
        probes=len(report.probes),
        failed=len(report.failed_probes) - excused,
        sessions=len(report.sessions),
        lost=len(report.lost_sessions),
        seconds=seconds,
        report=report,
        excused=excused,
    )


def table(rows: Iterable[Row]) -> str:
    """A Markdown table of rows, as it stands in docs/measurements.md."""
    head = (
        "| by | what | probes | failed | sessions | lost | seconds |\n|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *map(str, rows)])
