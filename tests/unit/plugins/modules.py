"""Plugins for tests: real modules, from a file of `examples/` or from a few lines of source."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

EXAMPLES = Path(__file__).parent / "examples"


def from_file(name: str) -> ModuleType:
    """Load `examples/NAME.py`."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def from_source(name: str, source: str) -> ModuleType:
    """A module `name` of these lines, with everything of the plugins' room at hand."""
    module = ModuleType(name)
    exec(compile(f"from selfbalance.plugins import *\n{source}", name, "exec"), module.__dict__)
    return module
