"""Changes of one live cluster under a client's load; rows are printed at the end.

SELFBALANCE_TEST_LAB names a running lab of four nodes to use and to leave running.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "lab"))
sys.path.insert(0, str(Path(__file__).parents[1] / "founding"))

from changing import Changes, Row, as_usual, table

from selfbalance.lab import Lab, LabError
from selfbalance.testing import Site
from selfbalance.testing.nodes import RUNNING, missing

NAME = "changes"
PROJECT = Path(__file__).parent / "project"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs real nodes, all but the counting itself: it runs for minutes."""
    here = Path(__file__).parent
    for item in items:
        if item.path.parent == here and item.path.stem != "test_rows":
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Four nodes: three that are the cluster, and a spare one."""
    running = os.environ.get(RUNNING)
    try:
        lab = (
            Lab.running(running)
            if running
            else Lab.up(name=NAME, nodes=4, fresh=True, install=os.geteuid() == 0)
        )
    except LabError as error:
        missing(f"no lab here: {error}")
    try:
        yield Site(lab, tmp_path_factory.mktemp("site"), PROJECT)
    finally:
        if not running:
            lab.down()


@pytest.fixture(scope="session")
def rows() -> Iterator[list[Row]]:
    """The rows of all changes; printed at the end, in the form of docs/measurements.md."""
    found: list[Row] = []
    yield found
    print(f"\n{table(found)}\n")
    print("\n".join(row.reasons for row in found))


@pytest.fixture
def change(site: Site, rows: list[Row]) -> Changes:
    """What changes the cluster and counts what it cost; the cluster is as usual, and healthy."""
    as_usual(site)
    return Changes(site, rows)
