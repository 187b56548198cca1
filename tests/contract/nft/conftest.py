"""Where to find what these tests share with others."""

import sys
from pathlib import Path

_UNIT = Path(__file__).parents[2] / "unit"
sys.path[:0] = [str(_UNIT / room) for room in ("model", "desired", "observed", "gates")]
