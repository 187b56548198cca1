"""Plugins from outside: files of the drop-in folder, then packages by their entry points.

Drop-ins are `plugins/*.py` beside `inventories/`; SELFBALANCE_PLUGINS names another folder. What
SELFBALANCE_DISABLED_PLUGINS names, parted by commas, is not imported at all.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from selfbalance.errors import PluginError

GROUP = "selfbalance"
FOLDER = "SELFBALANCE_PLUGINS"
DISABLED = "SELFBALANCE_DISABLED_PLUGINS"


def plugin_folder(inventory: Path) -> Path:
    """Return the drop-in folder of the inventories in a folder; it may not exist.

    Raises `PluginError` where SELFBALANCE_PLUGINS names no folder.
    """
    named = os.environ.get(FOLDER)
    if named:
        if not Path(named).is_dir():
            raise PluginError(f"{FOLDER} is {named!r}, which is no folder; name one, or unset it")
        return Path(named)
    return home_of(inventory) / "plugins"


def home_of(inventory: Path) -> Path:
    """Return the folder that holds inventories/, or the inventory's own where it is not there."""
    inventory = inventory.resolve()
    return inventory.parent if inventory.name == "inventories" else inventory


def plugins_from_outside(inventory: Path) -> tuple[ModuleType, ...]:
    """Import the drop-ins of the inventories in a folder, then the packaged plugins; each once.

    Raises `PluginError` on the first that cannot be imported: which one, file and line, and why.
    """
    disabled = {name.strip() for name in os.environ.get(DISABLED, "").split(",")} - {""}
    folder = plugin_folder(inventory).resolve()
    return (*_drop_ins(folder, frozenset(disabled)), *_packaged(frozenset(disabled)))


@cache
def _drop_ins(folder: Path, disabled: frozenset[str]) -> tuple[ModuleType, ...]:
    files = (file for file in sorted(folder.glob("*.py")) if not file.name.startswith("_"))
    return tuple(_import(file) for file in files if file.stem not in disabled)


def _import(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None  # noqa: S101 - it ends in .py
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a stranger's file does
        raise _refused(file.stem, str(file), error) from None
    return module


@cache
def _packaged(disabled: frozenset[str]) -> tuple[ModuleType, ...]:
    return tuple(_imported_from_packages(disabled))


def _imported_from_packages(disabled: frozenset[str]) -> Iterator[ModuleType]:
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        if entry.name in disabled:
            continue
        try:
            module = entry.load()
        except Exception as error:
            raise _refused(entry.name, entry.value, error) from None
        if not isinstance(module, ModuleType):
            raise PluginError(
                f"plugin {entry.name}: its entry point {entry.value} is a "
                f"{type(module).__name__}; it should be a module that has hooks"
            )
        yield module


def _refused(plugin: str, where: str, error: Exception) -> PluginError:
    """Say in one line why a plugin could not be imported, and where."""
    line = _line(where, error)
    place = f"{where}:{line}" if line else where
    what = " ".join(str(error).split()) or "no reason given"
    return PluginError(
        f"plugin {plugin}: cannot be imported: {place}: {type(error).__name__}: {what}; "
        f"mend it, or set {DISABLED}={plugin}"
    )


def _line(file: str, error: Exception) -> int | None:
    """Return the last line of that file that the error came through."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno
    line, frame = None, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == file:
            line = frame.tb_lineno
        frame = frame.tb_next
    return line
