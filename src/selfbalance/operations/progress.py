"""What an operator watches while an upgrade goes: a row for each node, on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn

SWITCH = "PYINFRA_PROGRESS"
"""pyinfra's own environment variable: `off` shows no spinner, and no rows here."""

TURN = ("mark", "hand-over", "drain", "wait", "act", "verify", "undrain", "soak")
"""Steps of a node's turn in their order; not every node has all of them."""


class Rows:
    """A row for each node: how far its turn is, and what goes on there."""

    def __init__(self, console: Console, nodes: Iterable[str]) -> None:
        columns: tuple[ProgressColumn, ...] = (
            TextColumn("{task.description}"),
            BarColumn(20),
            TimeElapsedColumn(),
            TextColumn("{task.fields[step]}"),
        )
        self.shown = Progress(*columns, console=console, redirect_stdout=False)
        self._rows = {
            node: self.shown.add_task(node, total=len(TURN), start=False, step="") for node in nodes
        }

    def at(self, node: str, step: str, said: str = "") -> None:
        """Say which step a node is at; with `said`, a mark, what it is now. A turn is timed."""
        row = self._rows.get(node)
        if row is None or (step == "mark" and said == "planned"):
            return
        if said == "done":
            self.shown.update(row, completed=len(TURN), step="done")
            self.shown.stop_task(row)
            return
        if step != "prepare":
            self.shown.start_task(row)
        place = TURN.index(step) if step in TURN else None
        self.shown.update(row, completed=place, step=step)


def take_terminal() -> bool:
    """Whether rows may be shown. Keeps pyinfra's spinner off, which would write over them.

    The spinner asks its switch when it first gets its turn, which is after its operation's first
    lines: this has to be among them.
    """
    if os.environ.get(SWITCH) == "off" or not sys.stderr.isatty():
        return False
    os.environ[SWITCH] = "off"
    return True


@contextmanager
def rows(nodes: Iterable[str], allowed: bool) -> Iterator[Rows | None]:
    """Show rows for these nodes as long as this lasts, or none."""
    if not allowed:
        yield None
        return
    shown = Rows(Console(stderr=True), nodes)
    with shown.shown:
        yield shown
