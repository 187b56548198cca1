"""What a client meets during an upgrade, whoever does it: one row for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from steady import Met, meet

from selfbalance.lab import Lab
from selfbalance.lab.load import PROBE_TIMEOUT_S

VIP = "192.0.2.10"
SESSIONS = 200
"""So many downloads at any time; each is followed by another."""
SESSION_S = 20
PROBE_INTERVAL_S = 0.04
AFTER_S = 10.0
"""The load goes on for so long when all is said to be done: some losses come late."""
MOST_S = 900.0


@dataclass(frozen=True)
class Row:
    """What was upgraded, by whom, and what a client met from begin to end."""

    side: str
    what: str
    met: Met

    @property
    def failed(self) -> int:
        """How many probes failed."""
        return len(self.met.failed)

    @property
    def lost(self) -> int:
        """How many sessions were lost."""
        return len(self.met.lost)

    def __str__(self) -> str:
        report = self.met.report
        return (
            f"| {self.side} | {self.what} | {len(report.probes)} | {self.failed} "
            f"| {len(report.sessions)} | {self.lost} | {self.met.ended - self.met.began:.0f} |"
        )

    @property
    def reasons(self) -> str:
        """In what ways sessions and probes ended badly, how often."""
        return f"{self.side}, {self.what}: {self.met.reasons}"


def measure_upgrade(
    lab: Lab,
    act: Callable[[], object],
    side: str,
    what: str,
    *,
    session_s: int = SESSION_S,
    sessions: int = SESSIONS,
    probe_interval_s: float = PROBE_INTERVAL_S,
    most_s: float = MOST_S,
    answer_s: float = PROBE_TIMEOUT_S,
) -> Row:
    """Keep downloads and probes going at the VIP while `act` upgrades; count all."""
    met = meet(
        lab,
        act,
        sessions=sessions,
        session_s=session_s,
        probe_interval_s=probe_interval_s,
        after_s=AFTER_S,
        most_s=most_s,
        answer_s=answer_s,
    )
    return Row(side, what, met)


def table(rows: Iterable[Row]) -> str:
    """A Markdown table of rows, as it stands in docs/measurements.md."""
    head = (
        "| by | what | probes | failed | sessions | lost | seconds |\n|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *map(str, rows)])
