"""A look at the cluster as a person reads it: a line a check, a table of nodes, what to do."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from selfbalance.gates import View
from selfbalance.plugins import Problem, Verdict
from selfbalance.status.summary import node_row

_WIDTH = 100


def show(view: View, verdicts: Mapping[str, Verdict], console: Console | None = None) -> None:
    """Print the status. Colours and marks only where a terminal shows them."""
    console = console or Console(soft_wrap=True)
    console.print()
    console.print(status(view, verdicts), soft_wrap=True)


def status(view: View, verdicts: Mapping[str, Verdict]) -> RenderableType:
    """Return the status as something that rich can print."""
    parts: list[RenderableType] = [_headline(view, verdicts), *_checks(verdicts), Text()]
    parts.append(_nodes(view))
    for verdict in verdicts.values():
        parts += [_problem(problem) for problem in verdict.problems]
    parts.append(Text())
    return Group(*parts)


def _headline(view: View, verdicts: Mapping[str, Verdict]) -> Text:
    healthy = all(verdict.good for verdict in verdicts.values())
    title = (
        f"{view.cluster.name}: {_count(len(view.cluster.nodes), 'node')}, "
        f"{_count(len(view.vips), 'VIP')}"
    )
    return _line(title, "healthy" if healthy else "NOT HEALTHY", healthy, indent=0)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _checks(verdicts: Mapping[str, Verdict]) -> list[Text]:
    return [
        _line(f"{name:<13}{verdict.seen}", "ok", good=True, indent=2)
        if verdict.good
        else _line(f"{name:<13}{verdict.problems[0].what}", "BAD", good=False, indent=2)
        for name, verdict in verdicts.items()
    ]


def _line(left: str, right: str, good: bool, indent: int) -> Text:
    text = Text(" " * indent + left)
    text.append(" " * max(2, _WIDTH - len(text) - len(right)))
    text.append(right, style="green" if good else "bold red")
    return text


_COLUMNS = ("node", "role", "priority", "standing", "weight", "sessions", "keepalived", "kernel")


def _nodes(view: View) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in _COLUMNS:
        table.add_column(column, no_wrap=True, justify="left")
    for node in view.state.nodes:
        row = node_row(view, node)
        if not row["observed"]:
            table.add_row(Text(node.name), Text("not observed", style="bold red"))
            continue
        table.add_row(*(_cell(row[column]) for column in _COLUMNS))
    return table


def _cell(value: object) -> Text:
    if value is None:
        return Text("-")
    return Text(f"{value:,}" if isinstance(value, int) else str(value))


def _problem(problem: Problem) -> Text:
    text = Text("\n! ", style="bold red")
    text.append(problem.what, style="default not bold")
    if problem.remedy:
        text.append(f"\n  {problem.remedy}", style="dim not bold")
    return text
