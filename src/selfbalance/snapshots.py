"""Snapshot store `controller`: the nodes' snapshots, kept on the machine that deploys.

In `.selfbalance/snapshots/CLUSTER/NODE/`, beside inventories/; the newest is NAME, the one before
it NAME.1. A file's form is that of the stores on nodes (plugins/builtin/folders.py).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selfbalance.errors import SnapshotError
from selfbalance.plugins import ControllerStore, SnapshotOf, SnapshotStore, hook
from selfbalance.plugins.builtin.folders import KEPT
from selfbalance.plugins.spec import Register

FOLDER = ".selfbalance"
_FORM = "selfbalance-snapshot 1"


def save(which: SnapshotOf, content: bytes) -> None:
    """Keep a content as the newest of its name: whole, or not at all. Raises `SnapshotError`."""
    newest = path_of(which)
    try:
        _make(newest.parent, which.home)
        with _lock(newest.parent):
            new = newest.with_name(f".new.{newest.name}")
            _write(new, _head(which, content) + content)
            _age(newest)
            new.replace(newest)
            _flush(newest.parent)
    except OSError as error:
        raise SnapshotError(f"{newest}: {error.strerror or error}") from None


def load(which: SnapshotOf, older: int = 0) -> bytes:
    """Return what was kept, or what was kept that many before it. Raises `SnapshotError`."""
    kept = _older(path_of(which), older)
    try:
        head, _, content = kept.read_bytes().partition(b"\n")
    except OSError as error:
        raise SnapshotError(f"{kept}: {error.strerror or error}") from None
    words = head.decode(errors="replace").split(" ")
    if words[:2] != _FORM.split() or len(words) != 4:
        raise SnapshotError(f"{kept} is no snapshot")
    if words[2] != which.node:
        raise SnapshotError(f"{kept} is a snapshot of {words[2]}, not of {which.node}")
    if head + b"\n" != _head(which, content):
        raise SnapshotError(f"{kept} is torn: its checksum is another")
    return content


def path_of(which: SnapshotOf) -> Path:
    """Return the file of the newest snapshot of that name."""
    return which.home / FOLDER / "snapshots" / which.cluster / which.node / which.name


def _head(which: SnapshotOf, content: bytes) -> bytes:
    return f"{_FORM} {which.node} {hashlib.sha256(content).hexdigest()}\n".encode()


def own_folder(home: Path) -> Path:
    """Return the folder beside inventories/ that is this tool's own: nobody else's, not in git."""
    ours = home / FOLDER
    ours.mkdir(mode=0o700, exist_ok=True)
    (ours / ".gitignore").write_text("*\n", encoding="utf-8")
    return ours


def _make(folder: Path, home: Path) -> None:
    """Make a folder that nobody else reads: a snapshot may hold VRRP's password."""
    own_folder(home)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Let one run at a time change the folder (flock(2))."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        # Under pyinfra `os.close` is gevent's, which closes later what is no regular file (25.8.1).
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def _write(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _age(newest: Path) -> None:
    """Make room: NAME.3 becomes NAME.4, and the newest is NAME.1 too until it is replaced."""
    for number in range(KEPT - 2, 0, -1):
        if _older(newest, number).exists():
            _older(newest, number).replace(_older(newest, number + 1))
    if newest.exists():
        os.link(newest, _older(newest, 1))


def _older(newest: Path, number: int) -> Path:
    return newest.with_name(f"{newest.name}.{number}") if number else newest


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


CONTROLLER = ControllerStore(
    description=f"the machine that deploys, {FOLDER}/snapshots beside inventories/",
    save=save,
    load=load,
)


@hook
def register_snapshot_stores(register: Register[SnapshotStore | ControllerStore]) -> None:
    """Register `controller`."""
    register("controller", CONTROLLER)
