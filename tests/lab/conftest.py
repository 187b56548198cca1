"""Fixtures: a cluster that this project booted and deployed, shared by the tests of this folder.

SELFBALANCE_TEST_LAB names a running lab to use and to leave running, for work on a single test.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from selfbalance.lab import Lab, LabError

sys.path.insert(0, str(Path(__file__).parent))

from deployed import Site
from modes import MODES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder: it runs on real nodes."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Three nodes, booted afresh and taken down at the end."""
    if running := os.environ.get("SELFBALANCE_TEST_LAB"):
        yield Lab.running(running)
        return
    try:
        lab = Lab.up(name="test", fresh=True, install=os.geteuid() == 0)
    except LabError as error:
        if os.environ.get("SELFBALANCE_REQUIRE_LAB"):
            raise
        pytest.skip(f"no lab here: {error}")
    try:
        yield lab
    finally:
        lab.down()


@pytest.fixture(scope="session")
def site(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A deployed cluster on these nodes, with the default profile."""
    site = Site(lab, tmp_path_factory.mktemp("site"))
    site.deploy()
    return site


@pytest.fixture
def calm(site: Site) -> Iterator[Site]:
    """The same with the profile `calm`: nodes that share two CPUs stall for longer than `fast`."""
    yield from _well(site, "detection='calm'")


@pytest.fixture
def cluster(site: Site) -> Iterator[Site]:
    """The same with its defaults, well before a test, and put right after one that did harm."""
    yield from _well(site, "")


@pytest.fixture(scope="session", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """A standby mode. Of the session, so that all tests of one mode come together."""
    return str(request.param)


@pytest.fixture
def in_every_mode(site: Site, mode: str) -> Iterator[Site]:
    """The same with the profile `calm`, in each standby mode."""
    yield from _well(site, f"standby={mode!r}, detection='calm'")


def _well(site: Site, described: str) -> Iterator[Site]:
    if site.described != described:
        site.described = described
        site.deploy()
    site.wait_until_healthy()
    yield site
    site.heal()
