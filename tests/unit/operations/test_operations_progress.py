"""Rows of nodes on a terminal while an upgrade goes."""

from __future__ import annotations

import io
import sys

from rich.console import Console

from selfbalance.operations.progress import SWITCH, TURN, Rows, rows, take_terminal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(*steps: tuple[str, ...]) -> list[str]:
    """The rows as they stand after these steps, a line each."""
    found = Rows(Console(file=io.StringIO(), width=80), ["web1", "web2"])
    for step in steps:
        found.at(*step)
    console = Console(file=io.StringIO(), width=80)
    console.print(found.shown.get_renderable())
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_each_node_has_a_row_that_names_its_step():
    first, second = shown(
        ("web1", "mark", "planned"), ("web2", "mark", "in progress"), ("web2", "act")
    )

    assert first.split()[0] == "web1"
    assert first.endswith("-:--:--")
    assert second.split()[0] == "web2"
    assert second.endswith("act")


def test_a_node_that_is_done_says_so_for_good():
    (_, second) = shown(("web2", "soak"), ("web2", "mark", "done"), ("web1", "act"))

    assert second.endswith("done")


def test_what_belongs_to_no_row_is_no_error():
    assert shown(("web9", "act"), ("web1", "roll back"))[0].endswith("roll back")


def test_steps_are_in_the_order_of_a_turn():
    assert TURN.index("drain") < TURN.index("act") < TURN.index("undrain") < TURN.index("soak")


def test_without_a_terminal_there_are_no_rows(monkeypatch):
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setattr(sys, "stderr", io.StringIO())

    assert take_terminal() is False
    with rows(["web1"], allowed=False) as none:
        assert none is None


def test_on_a_terminal_pyinfras_spinner_is_switched_off(monkeypatch):
    monkeypatch.setenv(SWITCH, "on")
    monkeypatch.setattr(sys, "stderr", Terminal())

    assert take_terminal() is True
    assert take_terminal() is False  # it is off now


def test_who_wants_no_progress_gets_none(monkeypatch):
    monkeypatch.setenv(SWITCH, "off")
    monkeypatch.setattr(sys, "stderr", Terminal())

    assert take_terminal() is False
