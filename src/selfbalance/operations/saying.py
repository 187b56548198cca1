"""What an operator reads while a run goes: plans and diffs, each once, no secret in any."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pyinfra import logger
from pyinfra.api import FactBase, QuoteString, StringCommand
from pyinfra.api.host import Host
from pyinfra.context import ctx_state
from typing_extensions import override

from selfbalance.desired import File, masked
from selfbalance.plan import NodePlan

_said: set[str] = set()


def say(line: str) -> None:
    """Say a line; a line that was said while planning is not said again while executing."""
    if line not in _said:
        _said.add(line)
        logger.info(line)


def say_nothing_to_do(host: Host, why: str) -> None:
    """Say that nothing is to be done: pyinfra itself says so with -v only."""
    say(f"{host.print_prefix}{why}")
    host.noop(why)


def say_plan(host: Host, plan: NodePlan) -> None:
    """Say what will be done to a node and, with `--diff`, how its files change."""
    for line in plan.lines():
        say(f"{host.print_prefix}{line}")
    if ctx_state.get().config.DIFF:
        for file in (*plan.files, *filter(None, [plan.config])):
            for line in _diff(file, host.get_fact(Text, path=file.path, _ignore_errors=True)):
                say(f"{host.print_prefix}{line}")


def _diff(file: File, current: str | None) -> Iterable[str]:
    return difflib.unified_diff(
        masked(current or "").splitlines(),
        masked(file.content).splitlines(),
        fromfile=file.path if current is not None else "/dev/null",
        tofile=file.path,
        lineterm="",
    )


class Text(FactBase[str | None]):
    """A text file's content, None where there is none."""

    @override
    def command(self, path: str) -> StringCommand:
        return StringCommand("cat", QuoteString(path), "2>/dev/null || true")

    @staticmethod
    @override
    def default() -> str | None:
        return None

    @override
    def process(self, output: Iterable[str]) -> str | None:
        return "\n".join(output)
