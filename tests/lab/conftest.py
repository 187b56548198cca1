"""What the tests of this folder share, beside the shipped fixtures (src/pytest_selfbalance.py).

SELFBALANCE_TEST_LAB names a running lab to use and to leave running, for work on a single test.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "lab"))

from deployed import Site
from modes import MODES

OTHERWISE = (
    *("cluster", "leaves", "weighed", "calm", "forgetful", "backup-only", "snapshot", "slow"),
    *("many_ports", "deployed", "source-mac", "active"),
)
"""Fixtures, and standby modes, that have the cluster described otherwise, in order of their turns.

Each comes after one that it has much in common with: a change of the description takes half a
minute, and another standby mode or forwarding method more.
"""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder: it runs on real nodes. Have alike tests come together."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.lab)
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """When it is a test's turn: labs of their own first, while no other is up, then by description.

    A suite of a standby mode comes with what else is asked in that mode.
    """
    names = getattr(item, "fixturenames", ())
    if "site" not in names or hasattr(getattr(item, "module", None), "site"):
        return 0
    params = getattr(getattr(item, "callspec", None), "params", {})
    mode = params.get("mode") or params.get("named")
    asked = {mode} if mode in OTHERWISE else {*names}
    turns = [turn for turn, name in enumerate(OTHERWISE, 2) if name in asked]
    return turns[-1] if turns else 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show a failure when it happens, too: who stops a run that lasts an hour sees no summary."""
    report = yield
    terminal = item.config.pluginmanager.get_plugin("terminalreporter")
    if report.failed and terminal:
        terminal.ensure_newline()
        terminal.section(f"{item.nodeid}, {report.when}")
        terminal.line(report.longreprtext)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long each file took: CI has to end within the hour."""
    took = Counter[str]()
    for report in itertools.chain.from_iterable(terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport):
            took[Path(report.location[0]).name] += report.duration
    terminalreporter.section("seconds by file")
    terminalreporter.line(", ".join(f"{name} {sec:.0f}" for name, sec in took.most_common()))


@pytest.fixture
def calm(site: Site) -> Iterator[Site]:
    """The same with the profile `calm`: nodes that share two CPUs stall for longer than `fast`."""
    with site.well("detection='calm'"):
        yield site


@pytest.fixture(
    scope="session",
    params=[MODES[0], *(pytest.param(other, marks=pytest.mark.again) for other in MODES[1:])],
)
def mode(request: pytest.FixtureRequest) -> str:
    """A standby mode. Of the session, so that all tests of one mode come together."""
    return str(request.param)


@pytest.fixture
def in_every_mode(site: Site, mode: str) -> Iterator[Site]:
    """The same with the profile `calm`, in each standby mode."""
    with site.well(f"detection='calm', standby={mode!r}"):
        yield site
