"""Helpers of these folders are imported by their own names."""

from __future__ import annotations

import sys
from pathlib import Path

_UNIT = Path(__file__).parents[1]
sys.path[:0] = [str(_UNIT / room) for room in ("model", "desired", "observed", "gates")]
