"""Gate `nodes`: every node was observed, whole, and its services run. It notes an upgrade."""

from __future__ import annotations

from collections.abc import Iterator

from selfbalance.desired import DesiredNode
from selfbalance.gates.view import View
from selfbalance.observed import NodeState, Stage
from selfbalance.plugins import Problem, Verdict


def nodes(view: View) -> Verdict:
    """Every node answers, each part of its observation was readable, each unit is active."""
    problems = [
        Problem(
            f"{node.name} could not be observed: {node.reason}",
            node.name,
            f"ssh {node.name}; if it is down for good, its weight is 0 and the others serve",
        )
        for node in view.state.unobserved
    ]
    for want, seen in view.pairs():
        problems += _unknown(seen)
        problems += _units(want, seen)
    total = len(view.state.nodes)
    words = f"{len(view.state.seen)} of {total} observed"
    return Verdict(words, tuple(problems), (*_upgrade(view), *_change(view)))


def _upgrade(view: View) -> Iterator[Problem]:
    """Say that an upgrade goes on or was interrupted: its marks are still there."""
    marks = {seen.name: seen.upgrade for seen in view.state.seen if seen.upgrade}
    by_stage = [
        f"{' '.join(name for name, mark in marks.items() if mark.stage is stage)} {stage.value}"
        for stage in (Stage.IN_PROGRESS, Stage.PLANNED, Stage.DONE)
        if any(mark.stage is stage for mark in marks.values())
    ]
    for first in tuple(marks.values())[:1]:
        yield Problem(
            f"an upgrade of {first.words} by {first.by} has not ended: {', '.join(by_stage)}",
            None,
            f"go on: {first.command}",
        )


def _change(view: View) -> Iterator[Problem]:
    """Say that a change of configuration goes on or was interrupted: what was before is kept."""
    changing = [seen.name for seen in view.state.seen if seen.changing]
    if changing:
        yield Problem(
            f"a change of the configuration has not ended on {' '.join(changing)}",
            None,
            "go on: run cluster.py; or back: cluster.py --data rollback=true",
        )


def _unknown(seen: NodeState) -> Iterator[Problem]:
    for section, reason in seen.unknown.items():
        yield Problem(
            f"{seen.name}: {section} could not be observed: {reason}",
            seen.name,
            f"look again; if it stays, on {seen.name}: journalctl -n 50",
        )


def _units(want: DesiredNode, seen: NodeState) -> Iterator[Problem]:
    if "units" in seen.unknown:
        return
    for name in want.units:
        unit = seen.units.get(name)
        if unit is None or unit.load == "not-found":
            yield Problem(
                f"{seen.name}: {name} is not installed",
                seen.name,
                "install it: run cluster.py",
            )
        elif unit.active != "active":
            yield Problem(
                f"{seen.name}: {name} is {unit.active} ({unit.sub})",
                seen.name,
                f"on {seen.name}: journalctl -u {name} -n 50; then run cluster.py",
            )
        elif unit.enabled != "enabled":
            yield Problem(
                f"{seen.name}: {name} runs but is {unit.enabled}: it would not start at boot",
                seen.name,
                "enable it: run cluster.py",
            )
        elif unit.needs_reload:
            yield Problem(
                f"{seen.name}: {name} was changed on disk, and systemd does not know it yet",
                seen.name,
                "tell it: run cluster.py",
            )
    if seen.keepalived_active and not seen.drop_in_read and "drop_in" not in seen.unknown:
        yield Problem(
            f"{seen.name}: keepalived runs since before its drop-in was written: a stop of it may "
            "lose sessions",
            seen.name,
            "start it anew: run cluster.py",
        )
