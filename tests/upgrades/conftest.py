"""Upgrades under a client's load, each side on nodes of its own; rows are printed at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "founding"))
sys.path.insert(0, str(Path(__file__).parents[1] / "lab"))

from rows import Row, table

from selfbalance.lab import Lab, LabError
from selfbalance.testing.nodes import missing

NAME = "upgrades"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder: it runs on real nodes, for minutes."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def fresh_lab() -> Iterator[Callable[[], Lab]]:
    """Boot three fresh nodes, as often as called; the last ones are taken down."""
    booted: list[Lab] = []

    def boot() -> Lab:
        while booted:
            booted.pop().down()
        try:
            booted.append(Lab.up(name=NAME, nodes=3, fresh=True, install=os.geteuid() == 0))
        except LabError as error:
            missing(f"no lab here: {error}")
        return booted[-1]

    yield boot
    while booted:
        booted.pop().down()


@pytest.fixture(scope="session")
def rows() -> Iterator[list[Row]]:
    """The rows of all sides; printed at the end, in the form of docs/measurements.md."""
    found: list[Row] = []
    yield found
    print(f"\n{table(found)}\n")
    print("\n".join(row.reasons for row in found))
