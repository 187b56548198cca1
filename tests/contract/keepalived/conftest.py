"""The real keepalived, asked in a private namespace. Where it is missing: skipped, or refused."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE), str(_HERE.parents[1] / "unit" / "desired")]

from clusters import INTERFACES  # noqa: E402
from namespace import PATH, Namespace  # noqa: E402


@pytest.fixture(scope="session")
def namespace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    missing = [
        tool for tool in ("keepalived", "unshare", "ip") if not shutil.which(tool, path=PATH)
    ]
    if missing:
        _impossible(f"not installed here: {', '.join(missing)}")
    try:
        room = Namespace(tmp_path_factory.mktemp("keepalived"), INTERFACES)
    except OSError as error:
        _impossible(str(error))
    yield room
    room.close()


def _impossible(said: str) -> NoReturn:
    """Skip on a laptop; fail where the lab is required, as in CI."""
    if os.environ.get("SELFBALANCE_REQUIRE_LAB") == "1":
        pytest.fail(said)
    pytest.skip(said)
