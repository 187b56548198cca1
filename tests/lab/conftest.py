"""What the tests of this folder share, beside the shipped fixtures (src/pytest_selfbalance.py).

SELFBALANCE_TEST_LAB names a running lab to use and to leave running, for work on a single test.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from deployed import Site
from modes import MODES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder: it runs on real nodes."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.lab)


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
    with site.well(f"standby={mode!r}, detection='calm'"):
        yield site
