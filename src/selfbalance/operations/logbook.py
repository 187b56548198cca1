"""What an upgrade writes into its journal while it goes: steps with their times, gates, looks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pyinfra.api.exceptions import PyinfraError

from selfbalance.errors import JournalError
from selfbalance.gates import View
from selfbalance.journal import Gates, Journal, Look, Probes, Record, SeenNode, Step
from selfbalance.observed import NodeState
from selfbalance.operations.saying import say
from selfbalance.plugins import Problem
from selfbalance.status import node_row


class Logbook:
    """A journal as the run of an upgrade fills it."""

    def __init__(self, journal: Journal) -> None:
        """Fill one. `lost` says why it could not be written any more."""
        self.journal = journal
        self.lost = ""

    def write(self, record: Record) -> None:
        """Append a record. A full disk here must not leave a node there half-way."""
        try:
            self.journal.write(record)
        except JournalError as error:
            if not self.lost:
                say(str(error))
            self.lost = str(error)

    @contextmanager
    def step(self, node: str, step: str, said: str = "") -> Iterator[list[str]]:
        """Note that a step begins and how it ends; what is put into the list is noted with it."""
        self.write(Step(node, step, "begin"))
        began, words = time.monotonic(), [said] if said else []
        try:
            yield words
        except PyinfraError as error:
            self._end(node, step, began, False, str(error))
            raise
        self._end(node, step, began, True, "; ".join(words))

    def _end(self, node: str, step: str, began: float, good: bool, said: str) -> None:
        seconds = round(time.monotonic() - began, 3)
        self.write(Step(node, step, "end", good, seconds, said))

    def look(
        self, view: View, wrong: Iterable[Problem], after: str | None, sample: int, needed: int
    ) -> None:
        """Note what a look saw, and what was wrong with it."""
        said = [problem.what for problem in wrong]
        self.write(Gates(after, sample, needed, not said, said))
        self.sight(view)

    def sight(self, view: View) -> None:
        """Note who owns each VIP, how every node was seen, and who answered through the VIP."""
        owners = {str(vip): _owner(view.holders(vip)) for vip in view.vips}
        rows = [node_row(view, node) for node in view.state.nodes]
        self.write(Look(owners, {str(row["node"]): _seen(row) for row in rows}))
        if probes := _probes(view):
            self.write(probes)


def _owner(holders: Sequence[NodeState]) -> str | None:
    return holders[0].name if len(holders) == 1 else None


def _probes(view: View) -> Probes | None:
    """Count what the VIPs' owners asked of realservers that get clients; None if it was nothing."""
    drained = view.drained()
    answers = [
        (service.vip, service.port, peer) in owner.answers
        for owner, service, peer in view.asked()
        if peer not in drained
    ]
    return Probes(len(answers), answers.count(False)) if answers else None


def _seen(row: Mapping[str, Any]) -> SeenNode:
    return SeenNode(
        observed=row["observed"],
        role=row.get("role"),
        weight=row.get("weight"),
        sessions=row.get("sessions"),
        drained=row.get("drained"),
    )
