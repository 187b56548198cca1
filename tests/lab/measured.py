"""What a client of the VIP meets while something is done to the cluster."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from deployed import VIP, Site

from selfbalance.lab.load import Probe, Report
from selfbalance.testing.stalls import Stalls, noted_stalls

SESSIONS = 60
DOWNLOAD_S = int(os.environ.get("SELFBALANCE_DOWNLOAD_S", "10"))
"""How long each download lasts; README and docs/measurements.md have figures with 20 s."""


@dataclass(frozen=True)
class Measured:
    """What a client met while something was done, and when that began."""

    report: Report
    began: float
    stalls: Stalls

    @property
    def last_failure_s(self) -> float:
        """Seconds from the act to the start of the last probe that failed; 0 if none did.

        The time that this machine itself stood still meanwhile does not count.
        """
        last = self.report.last_failure_after(self.began) or 0.0
        return last - self.stalls.within(self.began, self.began + last)

    @property
    def failed_probes(self) -> list[Probe]:
        """Probes that failed, but for those that waited while this machine itself stood still."""
        return [probe for probe in self.report.failed_probes if not self.stalls.excuse(probe)]

    def assert_nothing_lost(self) -> None:
        """Every download lived, every probe was answered."""
        assert Counter(s.outcome for s in self.report.sessions) == {"alive": SESSIONS}
        assert self.failed_probes == []

    def tell(self, what: str) -> None:
        """Print the figures that README quotes."""
        outcomes = Counter(session.outcome for session in self.report.sessions)
        failed = self.report.failed_probes
        why = f" {dict(Counter(probe.error for probe in failed))}" if failed else ""
        last = self.report.last_failure_after(self.began)
        stood = self.stalls.within(self.began, self.began + 10)
        print(
            f"\n{what}: sessions {dict(outcomes)}, {len(failed)} of "
            f"{len(self.report.probes)} probes failed{why}"
            + (f", the last began {last:.2f} s after" if last is not None else "")
            + f"; in the 10 s after, this machine stood still for {stood:.2f} s"
        )


def measure(
    site: Site,
    act: Callable[[], object],
    what: str,
    download_s: int = DOWNLOAD_S,
    seconds: float | None = None,
    first_port: int | None = None,
) -> Measured:
    """Hold 60 long downloads, probe every 20 ms, do `act` after 2 s; return what was met.

    Probes end 2 s after the downloads, unless `seconds` says otherwise.
    """
    with (
        noted_stalls() as stalls,
        site.lab.load(
            f"http://{VIP}",
            SESSIONS,
            probe_interval=0.02,
            duration=download_s + 2 if seconds is None else seconds,
            session_seconds=download_s,
            first_port=first_port,
        ) as load,
    ):
        time.sleep(2)
        began = time.monotonic()
        act()
        report = load.report()
    measured = Measured(report, began, stalls)
    measured.tell(what)
    return measured
