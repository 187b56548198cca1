"""Real nodes for a test run: a lab of its own, or one that is running."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NoReturn

import pytest

from selfbalance.lab import Lab, LabError

RUNNING = "SELFBALANCE_TEST_LAB"
REQUIRED = "SELFBALANCE_REQUIRE_LAB"


def booted() -> Iterator[Lab]:
    """Boot three nodes for the session and take them down at its end.

    Yields the running lab that SELFBALANCE_TEST_LAB names instead, if it is set. Skips where no
    lab can boot; with SELFBALANCE_REQUIRE_LAB set, raises `LabError`.
    """
    if running := os.environ.get(RUNNING):
        yield Lab.running(running)
        return
    try:
        lab = Lab.up(name="test", fresh=True, install=os.geteuid() == 0)
    except LabError as error:
        if os.environ.get(REQUIRED):
            raise
        pytest.skip(f"no lab here: {error}")
    try:
        yield lab
    finally:
        lab.down()


def missing(said: str) -> NoReturn:
    """Skip on a laptop; fail where the lab is required, as in CI."""
    if os.environ.get(REQUIRED):
        pytest.fail(said)
    pytest.skip(said)
