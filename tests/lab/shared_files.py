"""Files on a shared volume: what stands in one follows from its name, so anybody can check it."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from selfbalance.lab import Lab

MOUNT = "/srv/shared"
BRICK = "/data/shared/brick"
VOLUME = f"Volume(name='shared', brick='{BRICK}', mount='{MOUNT}')"
PROGRAM = Path(__file__).with_name("shared_files_program.py")
LOG = "/run/shared-files.json"
UNIT = "shared-files"


@dataclass(frozen=True)
class Worked:
    """What somebody did to the files: how many he wrote and read, and every failure in words."""

    written: int
    read: int
    failures: Sequence[str]


def content(name: str, size: int) -> bytes:
    """The one true content of a file."""
    block = hashlib.sha256(name.encode()).hexdigest().encode()
    return (block * (size // len(block) + 1))[:size]


def writable(lab: Lab, node: str) -> None:
    """Let the web server write to the volume."""
    lab.run(node, f"mkdir -p {MOUNT}/files && chown www-data: {MOUNT}/files")


def write(lab: Lab, node: str, count: int, size: int, prefix: str = "made") -> None:
    """Write files through a node's mount."""
    lab.run(
        node,
        f"python3 - fill {MOUNT}/files {count} {size} {prefix}",
        input=PROGRAM.read_text(),
        timeout=300,
    )


def check(lab: Lab, node: str, folder: str = f"{MOUNT}/files") -> int:
    """Read every file in a node's folder, and fail on a wrong byte; returns how many there are."""
    said = lab.run(node, f"python3 - check {folder}", input=PROGRAM.read_text(), timeout=300)
    return int(said.stdout)


class OnNodes:
    """Somebody on each node who writes and reads through its mount, while that is there."""

    def __init__(self, lab: Lab, nodes: Sequence[str]) -> None:
        self._lab, self._nodes = lab, nodes

    def __enter__(self) -> OnNodes:
        for node in self._nodes:
            self._lab.run(node, "cat >/run/shared_files.py", input=PROGRAM.read_text())
            self._lab.run(
                node,
                f"rm -f {LOG}; systemd-run -q --collect --unit={UNIT} -p User=www-data "
                f"-p StandardOutput=file:{LOG} "
                f"python3 /run/shared_files.py work {MOUNT}/files {node}",
            )
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def stop(self) -> dict[str, Worked]:
        """Let them end; returns what each one did."""
        done = {}
        for node in self._nodes:
            self._lab.run(node, f"systemctl stop {UNIT}", check=False)
            log = self._lab.run(node, f"cat {LOG}", check=False).stdout
            if log.strip():
                done[node] = Worked(**json.loads(log.splitlines()[-1]))
        return done


def client_command(lab: Lab, url: str, seconds: float) -> list[str]:
    """The command line of a client that writes and reads through the VIP for so long."""
    return lab.client_command(sys.executable, str(PROGRAM), "web", url, str(seconds))


def worked(text: str) -> Worked:
    """What a client said that it did."""
    return Worked(**json.loads(text.splitlines()[-1]))
