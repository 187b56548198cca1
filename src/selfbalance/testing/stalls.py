"""How long this machine itself stood still: nodes share its CPUs, and no detection beats that."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from selfbalance.lab.load import Probe

_STEP_S = 0.01
_NOTICED_S = 0.05
_TOO_MUCH = 0.2
"""Of the time that a probe waits: of one second, TCP's first repetition takes so much."""


class Stalls:
    """When a thread that only sleeps was late, in `time.monotonic()`."""

    def __init__(self) -> None:
        self._stalls: list[tuple[float, float]] = []

    def within(self, began: float, ended: float) -> float:
        """Seconds of standstill between two times."""
        return sum(max(0.0, min(b, ended) - max(a, began)) for a, b in self._stalls)

    def excuse(self, probe: Probe) -> bool:
        """Whether a probe timed out while the machine itself stood still: that is no loss."""
        too_long_s = _TOO_MUCH * (probe.ended - probe.began)
        return probe.error == "timed out" and self.within(probe.began, probe.ended) >= too_long_s

    def watch(self, over: threading.Event) -> None:
        """Sleep and note, until it is over."""
        last = time.monotonic()
        while not over.is_set():
            time.sleep(_STEP_S)
            now = time.monotonic()
            if now - last > _STEP_S + _NOTICED_S:
                self._stalls.append((last + _STEP_S, now))
            last = now


@contextmanager
def noted_stalls() -> Iterator[Stalls]:
    """Note this machine's stalls as long as it is entered."""
    stalls, over = Stalls(), threading.Event()
    thread = threading.Thread(target=stalls.watch, args=[over], daemon=True)
    thread.start()
    try:
        yield stalls
    finally:
        over.set()
        thread.join()
