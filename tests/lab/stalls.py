"""How long this machine itself stood still: nodes share its CPUs, and no detection beats that."""

from __future__ import annotations

import threading
import time
from types import TracebackType

_STEP_S = 0.01
_NOTICED_S = 0.05


class Stalls:
    """A context manager that notes when its own thread, which only sleeps, was late."""

    def __enter__(self) -> Stalls:
        self._stalls: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def within(self, began: float, ended: float) -> float:
        """Seconds of standstill between two times of `time.monotonic()`."""
        return sum(max(0.0, min(b, ended) - max(a, began)) for a, b in self._stalls)

    def _watch(self) -> None:
        last = time.monotonic()
        while not self._over.is_set():
            time.sleep(_STEP_S)
            now = time.monotonic()
            if now - last > _STEP_S + _NOTICED_S:
                self._stalls.append((last + _STEP_S, now))
            last = now
