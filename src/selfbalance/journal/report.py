"""A history as one HTML page for a change ticket: nothing to load, nothing to run, all escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from selfbalance.journal.reading import History
from selfbalance.journal.records import Gates, Probes, SeenNode
from selfbalance.journal.spans import (
    StepSpan,
    Veto,
    last_seen,
    node_names,
    owners,
    steps,
    vetoes,
)
from selfbalance.journal.timeline import timeline
from selfbalance.journal.words import count, seconds_in_words


@dataclass(frozen=True)
class _Node:
    """A node's section: where it was to get, where it is, and what was done to it."""

    name: str
    target: str
    state: str
    seen: SeenNode | None
    steps: Sequence[StepSpan]


@dataclass(frozen=True)
class _Problem:
    """What went wrong: of whom, when in words, in which words, and when in seconds."""

    title: str
    when: str
    said: str
    t: float


def html(history: History) -> str:
    """Return the page. Text of the journal is text in it, whatever it holds."""
    probes = [each for _, each in history.of(Probes)]
    return _page().render(
        history=history,
        run=history.run,
        chart=timeline(history),
        nodes=_nodes(history),
        problems=_problems(history),
        owners=owners(history),
        gates=[each for _, each in history.of(Gates)],
        sent=sum(each.sent for each in probes),
        failed=sum(each.failed for each in probes),
    )


def _problems(history: History) -> list[_Problem]:
    """Return what went wrong, in the order in which it did."""
    found = [_flaw(each) for each in steps(history) if not each.ok]
    found += [_veto(each) for each in vetoes(history)]
    return sorted(found, key=lambda each: each.t)


def _flaw(span: StepSpan) -> _Problem:
    verb = "not finished" if span.ok is None else "failed"
    when = f"{verb} at {seconds_in_words(span.ended)}"
    return _Problem(f"{span.node}, {span.step}", when, span.said, span.ended)


def _veto(veto: Veto) -> _Problem:
    after = f"after {veto.after}" if veto.after else "before any node"
    began, ended = seconds_in_words(veto.began), seconds_in_words(veto.ended)
    many = f"bad from {began} to {ended}, {count(veto.samples, 'sample')}"
    when = many if veto.samples > 1 else f"bad at {began}"
    return _Problem(f"Gates, {after}", when, "; ".join(veto.problems), veto.began)


def _nodes(history: History) -> list[_Node]:
    """Return the nodes in the order in which the run takes them, then the others."""
    every = steps(history)
    states = history.end.nodes if history.end else {}
    names = dict.fromkeys([*history.run.order, *node_names(history), *states])
    return [
        _Node(
            name,
            history.run.target.get(name, ""),
            states.get(name, "not known" if history.end is None else ""),
            last_seen(history, name),
            [each for each in every if each.node == name],
        )
        for name in names
    ]


@cache
def _page() -> Template:
    environment = Environment(
        loader=PackageLoader("selfbalance.journal"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=True,
    )
    environment.filters |= {"seconds": seconds_in_words, "count": count}
    return environment.get_template("report.html.j2")
