"""Helpers of these folders are imported by their own names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

_UNIT = Path(__file__).parents[1]
sys.path[:0] = [str(_UNIT / room) for room in ("model", "desired", "observed", "gates")]


@pytest.fixture
def node(tmp_path: Path):
    """A folder that commands take for a node's root."""
    from rooted import Rooted

    return Rooted(tmp_path)
