"""Our own deploys, run by the real pyinfra command line on nodes that live in memory."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sites import HELPERS, Run, Site

sys.path[:0] = list(map(str, HELPERS))


@pytest.fixture
def bare(tmp_path: Path) -> Site:
    """A site whose three nodes are bare."""
    return Site(tmp_path)


@pytest.fixture(scope="session")
def _deployed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Run]:
    site = Site(tmp_path_factory.mktemp("deployed"))
    return site, site.run("cluster")


@pytest.fixture
def deployed(_deployed: tuple[Site, Run], tmp_path: Path) -> Site:
    """A site whose cluster runs; web1 is MASTER."""
    first, run = _deployed
    assert run.status == 0, run.said
    site = Site(tmp_path)
    shutil.copy(first.path / ".world", tmp_path / ".world")
    return site


@pytest.fixture
def first_run(_deployed: tuple[Site, Run]) -> Run:
    """The run that deployed the cluster on bare nodes."""
    return _deployed[1]


@pytest.fixture(scope="session")
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Site]:
    """Make a site of bare nodes in a folder of that name."""
    return lambda name: Site(tmp_path_factory.mktemp(name))


@pytest.fixture
def site_like(tmp_path: Path) -> Callable[[Site], Site]:
    """Make a site whose description and world are another one's."""

    def like(other: Site) -> Site:
        site = Site(tmp_path)
        for name in ("web.toml", ".world"):
            shutil.copy(other.path / name, tmp_path / name)
        return site

    return like
