"""What a client meets while something goes on that takes as long as it takes, and in its parts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

from selfbalance.lab import Lab
from selfbalance.lab.load import (
    PROBE_TIMEOUT_S,
    SILENCE_TIMEOUT_S,
    Probe,
    Report,
    Session,
)
from selfbalance.testing.site import VIP
from selfbalance.testing.stalls import Stalls, noted_stalls

BEFORE_S = 3.0


@dataclass(frozen=True)
class Met:
    """What a client met from `began` to `ended`, in `time.monotonic()`.

    Probes that timed out while this machine itself stood still are `excused`, and not `failed`.
    """

    report: Report = field(repr=False)
    stalls: Stalls = field(repr=False)
    began: float
    ended: float

    @cached_property
    def failed(self) -> list[Probe]:
        """Probes that were not answered as they should be."""
        return [probe for probe in self.report.failed_probes if not self.stalls.excuse(probe)]

    @property
    def late(self) -> list[Probe]:
        """Probes that were answered well, but slowly."""
        return [probe for probe in self.report.probes if probe.late]

    @property
    def excused(self) -> int:
        """How many probes timed out with this machine."""
        return len(self.report.failed_probes) - len(self.failed)

    @property
    def lost(self) -> list[Session]:
        """Downloads that missed a byte or more."""
        return self.report.lost_sessions

    @property
    def reasons(self) -> str:
        """In what ways sessions and probes ended badly, how often, and how long after the begin."""
        probes = Counter(probe.error for probe in self.report.failed_probes)
        sessions = Counter(f"{each.outcome}, {each.error}" for each in self.lost)
        when = _span(self.began, [p.began for p in self.failed], "probes failed")
        cut = _span(self.began, [lost_at(each) for each in self.lost], "sessions were lost")
        return (
            f"probes {dict(probes)}, {self.excused} of them excused{when}, "
            f"sessions {dict(sessions)}{cut}, "
            f"the client was late by {self.report.client_lag:.2f} s"
        )

    def between(self, began: float, ended: float) -> Met:
        """Return what was met from one time to another.

        A probe belongs to the time when it began, a lost session to that when its last byte came;
        one that lived, to all times that it has seen.
        """
        probes = [probe for probe in self.report.probes if began <= probe.began < ended]
        sessions = [
            each
            for each in self.report.sessions
            if (each.began < ended and each.ended >= began)
            if each.outcome == "alive" or began <= lost_at(each) < ended
        ]
        report = Report(sessions, probes, self.report.client_lag)
        return replace(self, report=report, began=began, ended=ended)


def lost_at(session: Session) -> float:
    """When a session got its last byte, about: a silent one is given up much later."""
    silent = session.outcome == "timed out"
    return max(session.began, session.ended - SILENCE_TIMEOUT_S) if silent else session.ended


def _span(began: float, times: list[float], what: str) -> str:
    if not times:
        return ""
    return f" ({what} {min(times) - began:.2f} to {max(times) - began:.2f} s after)"


def meet(
    lab: Lab,
    act: Callable[[], object],
    *,
    sessions: int,
    session_s: int,
    probe_interval_s: float,
    after_s: float,
    most_s: float,
    answer_s: float = PROBE_TIMEOUT_S,
    vip: str = VIP,
) -> Met:
    """Keep downloads and probes going at a VIP while something is done, and for a while after it.

    `act` has 3 s before it, and `after_s` after it, as some losses come late. It may last `most_s`
    less these 3 s; the run fails otherwise, for nobody has looked by then.
    """
    load = lab.steady_load(
        f"http://{vip}",
        sessions=sessions,
        probe_interval=probe_interval_s,
        session_seconds=session_s,
        most_s=most_s,
        answer_s=answer_s,
    )
    with noted_stalls() as stalls, load:
        time.sleep(BEFORE_S)
        began = time.monotonic()
        act()
        ended = time.monotonic()
        time.sleep(after_s)
        assert time.monotonic() - began < most_s - BEFORE_S, "the load ended before the act"
        report = load.report()
    return Met(report, stalls, began, ended)
