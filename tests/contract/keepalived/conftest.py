"""The real keepalived, asked in a private namespace. Where it is missing: skipped, or refused."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE), str(_HERE.parents[1] / "unit" / "desired")]

from clusters import INTERFACES  # noqa: E402
from namespace import Namespace  # noqa: E402


@pytest.fixture(scope="session")
def namespace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    missing = [tool for tool in ("keepalived", "unshare", "ip") if not _which(tool)]
    if missing:
        said = f"not installed here: {', '.join(missing)}"
        if os.environ.get("SELFBALANCE_REQUIRE_LAB") == "1":
            pytest.fail(said)
        pytest.skip(said)
    room = Namespace(tmp_path_factory.mktemp("keepalived"), INTERFACES)
    yield room
    room.close()


def _which(tool: str) -> str | None:
    return shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
