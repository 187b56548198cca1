"""A lab for the benchmark: fresh nodes as often as asked, with the Python that Ansible needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sides import BIN

from selfbalance.lab import Lab, LabError, image

NAME = "bench"
WHOLE_PYTHON = ("python3", "python3-apt")
"""What modules of Ansible import; python3-minimal has neither json nor apt."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder: it runs on real nodes, for minutes."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def fresh_lab() -> Iterator[Callable[[], Lab]]:
    """Boot three nodes from the image, as often as called; the last ones are taken down.

    Only what was booted here is taken down: a lab of that name that is up, or whose lock somebody
    holds, stays as it is, and there is no benchmark.
    """
    if not (BIN / "ansible-playbook").exists():
        pytest.skip("group 'bench' is not installed here: ./scripts/tox run -e bench")
    booted: list[Lab] = []

    def boot() -> Lab:
        while booted:
            booted.pop().down()
        booted.append(_boot())
        _age_package_lists(booted[-1])
        return booted[-1]

    with pytest.MonkeyPatch.context() as patched:
        packages = tuple(dict.fromkeys((*image.PACKAGES, *WHOLE_PYTHON)))
        patched.setattr(image, "PACKAGES", packages)
        try:
            yield boot
        finally:
            while booted:
                booted.pop().down()


def _boot() -> Lab:
    try:
        return Lab.up(name=NAME, nodes=3, install=os.geteuid() == 0)
    except LabError as error:
        if os.environ.get("SELFBALANCE_REQUIRE_LAB"):
            raise
        pytest.skip(f"no lab here: {error}")


def _age_package_lists(lab: Lab) -> None:
    """Ansible takes a young folder for package lists that are up to date; the image's are not."""
    for node in lab.nodes:
        lab.run(node.name, "touch -d '1 day ago' /var/lib/apt/lists")
