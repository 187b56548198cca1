"""Where a lab keeps what it knows: its folder, its JSON description, its locks."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from selfbalance.lab.errors import LabError
from selfbalance.lab.model import LabNode

VERSION = 1
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


@dataclass(frozen=True)
class LabState:
    """What `up` decided. Power and cable are not in here: they are asked of the machine itself."""

    name: str
    suite: str
    interface: str
    transport: str
    memory_mb: int
    image: str
    user_namespace: bool
    nodes: tuple[LabNode, ...]
    complete: bool = False

    @property
    def routed(self) -> bool:
        """Whether some nodes are on a network of their own, behind a router."""
        return any(node.far for node in self.nodes)

    def completed(self) -> LabState:
        """The same, with every node having answered."""
        return replace(self, complete=True)

    def to_json(self) -> str:
        """A readable text that `from_json` takes back."""
        return json.dumps({"version": VERSION, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> LabState:
        """Read `to_json`'s text; a LabError for anything else, also for another version's."""
        try:
            data: dict[str, Any] = json.loads(text)
            if data.pop("version") != VERSION:
                raise LabError("The lab's state was written by another version of selfbalance.")
            nodes = tuple(LabNode(**node) for node in data.pop("nodes"))
            return cls(nodes=nodes, **data)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise LabError(f"The lab's state cannot be read: {error}.") from error


def state_root() -> Path:
    """`$XDG_STATE_HOME/selfbalance/lab`, or the same below `~/.local/state`."""
    return _xdg("XDG_STATE_HOME", ".local/state") / "selfbalance" / "lab"


def cache_root() -> Path:
    """`$XDG_CACHE_HOME/selfbalance/lab`, or the same below `~/.cache`."""
    return _xdg("XDG_CACHE_HOME", ".cache") / "selfbalance" / "lab"


def _xdg(variable: str, fallback: str) -> Path:
    value = os.environ.get(variable, "")
    return Path(value) if Path(value).is_absolute() else Path.home() / fallback


class StateFolder:
    """The folder of one lab: every path in it, and the lock beside it."""

    def __init__(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise LabError(f"{name!r} is no name for a lab: use up to 32 of a-z, 0-9, '-', '_'.")
        self.name = name
        self.path = state_root() / name
        self.description = self.path / "lab.json"
        self.ssh_config = self.path / "ssh_config"
        self.known_hosts = self.path / "known_hosts"
        self.repository = self.path / "repository"
        self.uml = self.path / "uml"

    def record(self, what: str) -> Path:
        """Where a process of the lab (holder, client, router, a node, ...) leaves its pid."""
        return self.path / f"{what}.process"

    def log(self, what: str) -> Path:
        """What that process said; a node's is its console."""
        return self.path / f"{what}.log"

    def disk(self, node: str) -> Path:
        """The node's changes to the image."""
        return self.path / f"{node}.cow"

    def data_disk(self, node: str) -> Path:
        """A second disk, on which the image mounts `/data`."""
        return self.path / f"{node}.data"

    def read(self) -> LabState | None:
        """The description, or None where there is none."""
        try:
            return LabState.from_json(self.description.read_text())
        except FileNotFoundError:
            return None

    def write(self, state: LabState) -> None:
        """Replace the description in one step."""
        new = self.description.with_suffix(".new")
        new.write_text(state.to_json())
        new.replace(self.description)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold this lab's lock; a LabError at once when another process has it."""
        with exclusive(state_root() / f"{self.name}.lock", wait=False) as mine:
            if not mine:
                raise LabError(
                    f"Lab {self.name!r}: another `selfbalance lab up` or `down` is at work on it. "
                    "Next: wait for it, then selfbalance lab status."
                )
            yield


@contextmanager
def exclusive(lock: Path, wait: bool) -> Iterator[bool]:
    """Hold flock(2) on `lock`; the kernel lets go of it however the process ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
