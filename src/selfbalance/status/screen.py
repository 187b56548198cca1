"""A look at the cluster as a person reads it: a line a check, a table of nodes, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console, Group, RenderableType
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
    parts += _nodes(view)
    for verdict in verdicts.values():
        parts += [_point(problem, "bold red") for problem in verdict.problems]
        parts += [_point(note, "bold yellow") for note in verdict.notes]
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


def _nodes(view: View) -> list[Text]:
    """Return the table as wide as it is: what a narrow console or a log cut off would be gone."""
    head = [Text(column, style="bold") for column in _COLUMNS]
    rows = [head, *(_cells(node_row(view, node)) for node in view.state.nodes)]
    whole = (row for row in rows if len(row) == len(head))
    widths = [max(cell.cell_len for cell in column) for column in zip(*whole, strict=True)]
    return [_aligned(row, widths) for row in rows]


def _cells(row: Mapping[str, object]) -> list[Text]:
    if row["observed"]:
        return [_cell(_of_each(row, column)) for column in _COLUMNS]
    return [_cell(row["node"]), Text("not observed", style="bold red")]


def _of_each(row: Mapping[str, object], column: str) -> object:
    """Return a cell's value; where there are several VRRP instances, that of each, in order."""
    if column == "weight" and row["drained"]:
        return f"{'-' if row[column] is None else row[column]} drained"
    instances = row["instances"]
    assert isinstance(instances, list)  # noqa: S101 - summary.py makes it
    if len(instances) > 1 and column in instances[0]:
        return "/".join(str(each[column] or "-") for each in instances)
    return row[column]


def _aligned(cells: Sequence[Text], widths: Sequence[int]) -> Text:
    text = Text()
    for cell, width in zip(cells, widths, strict=False):
        text.append_text(cell).append(" " * max(2, width - cell.cell_len + 2))
    text.rstrip()
    return text


def _cell(value: object) -> Text:
    if value is None:
        return Text("-")
    return Text(f"{value:,}" if isinstance(value, int) else str(value))


def _point(problem: Problem, style: str) -> Text:
    text = Text("\n! ", style=style)
    text.append(problem.what, style="default not bold")
    if problem.remedy:
        text.append(f"\n  {problem.remedy}", style="dim not bold")
    return text
