"""The real keepalived, asked in a private namespace. Where it is missing: skipped, or refused."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "desired"))

from clusters import INTERFACES

from selfbalance.testing.keepalived import Namespace, private


@pytest.fixture(scope="session")
def namespace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """One that has every interface of our strategies."""
    yield from private(tmp_path_factory.mktemp("keepalived"), INTERFACES)
