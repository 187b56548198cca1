"""pytest's door to `selfbalance.testing`: its fixtures and its marker (entry-point group pytest11).

A module of its own, beside the package: pytest imports it in every run on a machine that has
selfbalance, so it imports nothing of the package until a test asks for something.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selfbalance.lab import Lab
    from selfbalance.testing import Site
    from selfbalance.testing.keepalived import Namespace

pytest.register_assert_rewrite("selfbalance.testing")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, so that `-m "not lab"` leaves real nodes out."""
    config.addinivalue_line(
        "markers",
        "lab: runs on real nodes that the lab boots (root, or user namespaces and subuids)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs on real nodes, before `-m` chooses."""
    for item in items:
        if "on_real_nodes" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def on_real_nodes() -> None:
    """Say that a test needs the lab: whatever asks for this, by way of others too, is marked."""


@pytest.fixture(scope="session")
def lab(on_real_nodes: None) -> Iterator[Lab]:  # noqa: ARG001 - it marks
    """Three real nodes, booted afresh and taken down at the end.

    SELFBALANCE_TEST_LAB names a running lab to use and to leave running. Where no lab can boot,
    tests are skipped; with SELFBALANCE_REQUIRE_LAB=1 they fail. A fixture of your own of this name
    takes its place, for instance for four nodes.
    """
    from selfbalance.testing.nodes import booted  # noqa: PLC0415

    yield from booted()


@pytest.fixture(scope="session")
def site(lab: Lab, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Site:
    """A deployed cluster on these nodes, as its description's defaults have it."""
    from selfbalance.testing import Site  # noqa: PLC0415

    site = Site(lab, tmp_path_factory.mktemp("site"), pytestconfig.rootpath)
    site.deploy()
    return site


@pytest.fixture
def cluster(site: Site) -> Iterator[Site]:
    """The same, well before a test, whatever harm the one before has done."""
    with site.well():
        yield site


@pytest.fixture(scope="session")
def keepalived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """The keepalived of this machine, in a private place; skipped where it is not installed."""
    from selfbalance.testing.keepalived import private  # noqa: PLC0415

    yield from private(tmp_path_factory.mktemp("keepalived"))
