"""What the tests of this folder share, beside the shipped fixtures (src/pytest_selfbalance.py).

SELFBALANCE_TEST_LAB names a running lab to use and to leave running, for work on a single test.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "lab"))

from deployed import Site
from modes import MODES

OTHERWISE = (
    *("cluster", "leaves", "calm", "forgetful", "in_every_mode", "slow", "deployed"),
    *("active", "weighed", "many_ports"),
)
"""Fixtures that have the cluster described otherwise, in the order of their turns."""


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

    Each change of how the cluster is described takes 20 s.
    """
    names = getattr(item, "fixturenames", ())
    if "site" not in names or hasattr(getattr(item, "module", None), "site"):
        return 0
    turns = [turn for turn, name in enumerate(OTHERWISE, 2) if name in names]
    return turns[-1] if turns else 1


@pytest.fixture
def calm(site: Site) -> Iterator[Site]:
    """The same with the profile `calm`: nodes that share two CPUs stall for longer than `fast`."""
    with site.well("detection='calm'"):
        yield site


@pytest.fixture(scope="session", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """A standby mode. Of the session, so that all tests of one mode come together."""
    return str(request.param)


@pytest.fixture
def in_every_mode(site: Site, mode: str) -> Iterator[Site]:
    """The same with the profile `calm`, in each standby mode."""
    with site.well(f"detection='calm', standby={mode!r}"):
        yield site
