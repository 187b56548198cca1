"""Gates between two acts: asked again and again, for as long as patience lasts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from selfbalance.deployment import Deployment
from selfbalance.errors import SelfbalanceError
from selfbalance.gates import View, judge
from selfbalance.observed import ClusterState
from selfbalance.operations.looking import SIGHTS, look_at_all, taking_part
from selfbalance.plugins import Problem, Verdict
from selfbalance.status import as_json, show


@dataclass(frozen=True)
class Gates:
    """The gates of a cluster, asked again and again for so many seconds.

    What is `known` is shown but not waited for.
    """

    ready: Deployment
    hosts: list[Host]
    patience_s: float = 0.0
    known: frozenset[str] = frozenset()

    def wait(self, pending: set[str], after: str, steady_s: float = 0.0) -> None:
        """Wait for every gate, until all have been open for `steady_s`.

        What the gates say of a `pending` node does not count: it still has to become as described.
        Raises `OperationError` once patience is at its end.
        """
        since = time.monotonic()
        while True:
            began = time.monotonic()
            view, verdicts = self.ask(pending, None, not_yet=frozenset(pending))
            problems = self._new(verdicts, pending)
            if problems or began - since >= steady_s:
                break
            _pause_after(began)
        if problems:
            show(view, verdicts)
            raise OperationError(f"after {after}: {problems[0].what}")

    def all_open(self, state: ClusterState | None) -> bool:
        """Whether every gate is open, by a look or, with patience, by later ones."""
        _, verdicts = self.ask(set(), state)
        return not problems_of(verdicts)

    def prove(self, state: ClusterState | None, output: str | None = None) -> None:
        """Show every gate's word. Raises `OperationError` on a problem that outlasts patience."""
        view, verdicts = self.ask(set(), state)
        show(view, verdicts)
        if output:
            Path(output).write_text(as_json(view, verdicts), encoding="utf-8")
        problems = problems_of(verdicts)
        if problems:
            count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
            raise OperationError(f"cluster {self.ready.cluster.name} has {count}, see above")

    def ask(
        self,
        pending: set[str],
        state: ClusterState | None,
        but_passing: bool = False,
        not_yet: frozenset[str] = frozenset(),
    ) -> tuple[View, dict[str, Verdict]]:
        """Judge a state, and if it is bad, or there is none yet, look again.

        With `but_passing`, what passes by itself is not waited for. Nodes that are `not_yet` as
        described are not compared with the others.
        """
        deadline = time.monotonic() + self.patience_s
        while True:
            began = time.monotonic()
            seen = state or look_at_all(self.hosts)
            view, verdicts = self.judged(seen, not_yet)
            waited_for = [p for p in self._new(verdicts, pending) if not (but_passing and p.passes)]
            if not waited_for or time.monotonic() >= deadline:
                return view, verdicts
            _pause_after(began)
            state = None

    def healed(
        self, pending: set[str], within_s: float, tell: Callable[[str], object]
    ) -> tuple[View, dict[str, Verdict]]:
        """Look until nothing is left that only takes time, for that long at most; tell of it.

        What does not pass by itself is waited for with patience each time, and ends it.
        """
        deadline = time.monotonic() + within_s
        while True:
            began = time.monotonic()
            view, verdicts = self.ask(pending, None, but_passing=True)
            problems = self._new(verdicts, pending)
            if not problems or not all(problem.passes for problem in problems):
                return view, verdicts
            tell(problems[0].what)
            if time.monotonic() >= deadline:
                return view, verdicts
            _pause_after(began)

    def judged(
        self, seen: ClusterState, not_yet: frozenset[str] = frozenset()
    ) -> tuple[View, dict[str, Verdict]]:
        """Judge by what follows from this very look; what it leaves open is a problem itself."""
        view, more = self.viewed(replace(seen, shared=SIGHTS.shared(self.hosts, seen)))
        view = replace(view, pending=not_yet)
        return view, {**judge(view, self.ready.plugins), **more}

    def viewed(self, seen: ClusterState) -> tuple[View, dict[str, Verdict]]:
        """Return the look beside what should be there, and what of that could not be known."""
        ready, more = self.ready, dict[str, Verdict]()
        try:
            ready = ready.informed(seen)
        except SelfbalanceError as error:
            more["facts"] = Verdict("not known", (Problem(str(error), None, _FACTS_REMEDY),))
        return View(ready.cluster, ready.desired, seen), more

    def _new(self, verdicts: dict[str, Verdict], pending: set[str]) -> list[Problem]:
        return [
            each
            for each in problems_of(verdicts)
            if each.node not in pending and each.what not in self.known
        ]


def _pause_after(began: float) -> None:
    """Let nodes work for their clients at least as long as they were looked at, and a second."""
    time.sleep(max(1.0, time.monotonic() - began))


_FACTS_REMEDY = "mend that first: until then, files that follow from facts seem changed"


def problems_of(verdicts: Mapping[str, Verdict]) -> list[Problem]:
    """Return every gate's problems, in the gates' order."""
    return [problem for verdict in verdicts.values() for problem in verdict.problems]


def left_out(verdicts: Mapping[str, Verdict]) -> frozenset[str]:
    """Return what is wrong beforehand with nodes that `--limit` leaves out: no wait mends it."""
    active = (None, *taking_part())
    return frozenset(each.what for each in problems_of(verdicts) if each.node not in active)


def untouched(pending: Iterable[str]) -> str:
    """Say which nodes a run that stops here has not touched."""
    return f"not touched: {', '.join(sorted(pending))}" if pending else "no node is left to touch"
