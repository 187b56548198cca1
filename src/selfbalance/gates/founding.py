"""Gate `founding`: what another design has set up on a node is said once, as what it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from selfbalance.gates.view import View, names
from selfbalance.observed import NodeState
from selfbalance.plugins import Problem, Verdict


def founding(view: View) -> Verdict | None:
    """Name nodes whose keepalived.conf is not ours, and those whose migration has not ended."""
    problems = tuple(_problems(view))
    if not problems:
        return None
    others = tuple(seen for seen in view.state.seen if seen.founding)
    return Verdict(f"{names(others)} set up by another design", problems)


def _problems(view: View) -> Iterator[Problem]:
    for seen in view.state.seen:
        if seen.founding:
            yield Problem(
                f"{seen.name}: keepalived.conf is {seen.founding.words}", seen.name, _remedy(seen)
            )
        elif seen.adopting is not None:
            yield Problem(
                f"{seen.name}: its migration from the 2013 design has not ended",
                seen.name,
                "go on: run cluster.py",
            )


def _remedy(seen: NodeState) -> str:
    if seen.founding and seen.founding.strange:
        return (
            "take it away, or let cluster.py replace it, which may lose requests: "
            "--data replace=true"
        )
    return "migrate it: docs/migrate-from-2013.md; see what cluster.py would do: run it with --dry"


def calmed(view: View, verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """Return the verdicts without what the others say of nodes that another design has set up.

    That such a node is not as described in twenty ways follows from the one that is said.
    """
    others = {seen.name for seen in view.state.seen if seen.founding}
    return {
        name: verdict
        if name == founding.__name__
        else replace(
            verdict, problems=tuple(each for each in verdict.problems if each.node not in others)
        )
        for name, verdict in verdicts.items()
    }
