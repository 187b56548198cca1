"""A probe is excused for as much of its time as the machine itself stood still, and for no less."""

from __future__ import annotations

import threading

import pytest

from selfbalance.lab.load import Probe
from selfbalance.testing import stalls
from selfbalance.testing.stalls import Stalls


class Clock:
    """A machine that stands still once, in the middle of its second second, for so long."""

    def __init__(self, still_s: float, over: threading.Event) -> None:
        self.now, self.still_s, self.over = 0.0, still_s, over

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        before = self.now
        self.now += seconds
        if before < 1.5 <= self.now:
            self.now += self.still_s
        if self.now > 20:
            self.over.set()


@pytest.fixture
def stalled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Stalls:
    over, noted = threading.Event(), Stalls()
    monkeypatch.setattr(stalls, "time", Clock(request.param, over))
    noted.watch(over)
    return noted


@pytest.mark.parametrize(
    ("stalled", "began", "ended", "error", "excused"),
    [
        (0.30, 1.0, 2.0, "timed out", True),
        (0.30, 1.0, 2.0, "reset", False),
        (0.30, 1.0, 2.0, None, False),
        (0.30, 3.0, 4.0, "timed out", False),
        (0.30, 0.6, 1.6, "timed out", False),  # most of the standstill came after its end
        (0.10, 1.0, 2.0, "timed out", False),
        (0.03, 1.0, 2.0, "timed out", False),
        (0.30, 1.0, 11.0, "timed out", False),  # little, for one that had ten seconds
        (2.50, 1.0, 11.0, "timed out", True),
    ],
    indirect=["stalled"],
)
def test_a_probe_is_excused(
    stalled: Stalls, began: float, ended: float, error: str | None, excused: bool
) -> None:
    probe = Probe(began, ended, error is None, error=error)
    assert stalled.excuse(probe) is excused
