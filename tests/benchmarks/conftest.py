"""A lab for the benchmark: fresh nodes as often as asked, with the Python that Ansible needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from selfbalance.lab import Lab, LabError, image
from selfbalance.lab.lab import take_down

NAME = "bench"
WHOLE_PYTHON = ("python3", "python3-apt")
"""What modules of Ansible import; python3-minimal has neither json nor apt."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder: it runs on real nodes, for minutes."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.lab)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def fresh_lab() -> Iterator[Callable[[], Lab]]:
    """Boot three nodes from the image, as often as called; the last ones are taken down."""
    pytest.importorskip("ansible", reason="group 'bench' is not installed: ./scripts/tox -e bench")
    with pytest.MonkeyPatch.context() as patched:
        packages = tuple(dict.fromkeys((*image.PACKAGES, *WHOLE_PYTHON)))
        patched.setattr(image, "PACKAGES", packages)
        try:
            yield _boot
        finally:
            take_down(NAME)


def _boot() -> Lab:
    try:
        lab = Lab.up(name=NAME, nodes=3, fresh=True, install=os.geteuid() == 0)
    except LabError as error:
        if os.environ.get("SELFBALANCE_REQUIRE_LAB"):
            raise
        pytest.skip(f"no lab here: {error}")
    for node in lab.nodes:
        # Ansible takes a young folder for a package list that is up to date; the image's is none.
        lab.run(node.name, "touch -d '1 day ago' /var/lib/apt/lists")
    return lab
