"""A snapshot store at work, wherever it is: one way to ask for three kinds."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from selfbalance.lab import Lab
from selfbalance.plugins import ControllerStore, SnapshotOf, SnapshotStore

_LIMIT_S = 20
_BEGUN_S = 0.5
"""After so long a store is in the middle of its work, and waits for more."""


class Refused(Exception):  # noqa: N818 - an answer, like pytest's own outcomes
    """The store would not, and said why."""


class Kept(Protocol):
    """What a store holds of a node."""

    def load(self, name: str, older: int = 0) -> bytes:
        """Return what was kept, or what was kept that many before it. Raises `Refused`."""


class Shelf(Kept, Protocol):
    """A store, and the node that it is asked for."""

    def save(self, name: str, content: bytes) -> None:
        """Keep. Raises `Refused`."""

    def files(self) -> list[Path]:
        """Return every file that holds something of a snapshot."""

    def as_another_node(self) -> Shelf:
        """Return the same with the same content, asked for another node."""

    def save_cut_short(self, name: str, content: bytes) -> None:
        """Begin to keep, and do not come to an end."""

    def block(self) -> None:
        """Make it impossible to write."""


class Here:
    """A store of nodes, run by /bin/sh on this machine, below a folder of a test's."""

    def __init__(self, store: SnapshotStore, folder: str, room: Path, node: str = "web1") -> None:
        self._store = store
        self._real = folder
        self._room = room
        self._folder = room / "kept"
        self._bin = room / node
        self._bin.mkdir()
        for program in ("uname", "hostname"):
            (self._bin / program).write_text(f"#!/bin/sh\necho {node}\n")
            (self._bin / program).chmod(0o755)

    def save(self, name: str, content: bytes) -> None:
        """Keep, by the store's own `save`."""
        self._run(f"save {name}", content)

    def load(self, name: str, older: int = 0) -> bytes:
        """Return what its own `load` prints."""
        return self._run(f"load {name} {older or ''}")

    def files(self) -> list[Path]:
        """Return all that is in the folder."""
        return sorted(file for file in self._folder.rglob("*") if file.is_file())

    def as_another_node(self) -> Here:
        """The same folder, where `uname -n` says another name."""
        return Here(self._store, self._real, self._room, "web9")

    def save_cut_short(self, name: str, content: bytes) -> None:
        """Killed while it waits for the rest of its input."""
        with self._started(f"save {name}") as process:
            assert process.stdin
            process.stdin.write(content)
            process.stdin.flush()
            time.sleep(_BEGUN_S)
            os.killpg(process.pid, signal.SIGKILL)

    def block(self) -> None:
        """Put a file where its folder has to be."""
        self._folder.write_text("in the way")

    def _run(self, line: str, content: bytes = b"") -> bytes:
        with self._started(line) as process:
            out, err = process.communicate(content, timeout=_LIMIT_S)
        if process.returncode:
            assert out == b"", "it failed, and printed something all the same"
            raise Refused(err.decode())
        return out

    def _started(self, line: str) -> subprocess.Popen[bytes]:
        text = _functions(self._store).replace(self._real, str(self._folder))
        assert text != _functions(self._store), f"{self._real} is nowhere in the store's text"
        return subprocess.Popen(
            ["/bin/sh", "-c", text + line],
            env={**os.environ, "PATH": f"{self._bin}:{os.environ['PATH']}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


class OnController:
    """A store of the controller, below a folder of a test's."""

    def __init__(
        self, store: ControllerStore, home: Path, cluster: str = "web", node: str = "web1"
    ) -> None:
        self._store = store
        self._home = home
        self._cluster = cluster
        self._node = node

    def save(self, name: str, content: bytes) -> None:
        """Keep, by the store's own `save`."""
        _asked(lambda: self._store.save(self._which(name), content))

    def load(self, name: str, older: int = 0) -> bytes:
        """Return what its own `load` returns."""
        return _asked(lambda: self._store.load(self._which(name), older))

    def files(self) -> list[Path]:
        """Return those that keeping one more snapshot brought about."""
        found = (file for file in self._home.rglob("*") if file.is_file())
        return sorted(file for file in found if file.name != ".gitignore")

    def as_another_node(self) -> OnController:
        """Its files lie where the other node's would: somebody has copied them there."""
        other = OnController(self._store, self._home, self._cluster, "web9")
        kept = {file: file.read_bytes() for file in self.files()}
        other.save("x", b"its own")
        for theirs in set(self.files()) - kept.keys():
            (mine,) = (file for file in kept if file.name == theirs.name)
            theirs.write_bytes(kept[mine])
        return other

    def save_cut_short(self, name: str, content: bytes) -> None:
        """In a process of its own that ends at its first fsync(2), as at a power loss."""
        child = os.fork()
        if child == 0:
            os.fsync = lambda _handle: os._exit(0)  # type: ignore[assignment]
            self._store.save(self._which(name), content)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        assert status == 0, "it never asked for its content to be on the disk: fsync"

    def block(self) -> None:
        """Put a file where the folder of all is."""
        self._home.rmdir()
        self._home.write_text("in the way")

    def _which(self, name: str) -> SnapshotOf:
        return SnapshotOf(self._home, self._cluster, self._node, name)


class OnLabNode:
    """A store of nodes on a lab node; only what it kept there is asked for."""

    def __init__(self, store: SnapshotStore, lab: Lab, node: str) -> None:
        self._store = store
        self._lab = lab
        self._node = node

    def load(self, name: str, older: int = 0) -> bytes:
        """Return what its own `load` prints there."""
        command = f"{_functions(self._store)}load {name} {older or ''}"
        ran = self._lab.run(self._node, f"sh -c {shlex.quote(command)}", check=False)
        if ran.returncode:
            raise Refused(ran.stderr)
        return ran.stdout.encode()


def _functions(store: SnapshotStore) -> str:
    return f"save() {{ {store.save}\n}}\nload() {{ {store.load}\n}}\n"


def _asked(act: Callable[[], bytes | None]) -> bytes:
    try:
        return act() or b""
    except Exception as error:
        raise Refused(str(error)) from error
