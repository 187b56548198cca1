"""The matrix uses the fixtures of the lab tests, and takes the time it needs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

LAB = Path(__file__).parents[1] / "lab"
sys.path.insert(0, str(LAB))
_spec = importlib.util.spec_from_file_location("conftest_of_the_lab", LAB / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
_conftest = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_conftest)
lab, site = _conftest.lab, _conftest.site


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder: it runs on real nodes, for minutes."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.lab)
            item.add_marker(pytest.mark.slow)
