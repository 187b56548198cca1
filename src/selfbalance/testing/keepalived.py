"""A private place where Debian's own keepalived judges: interfaces and folders of its own.

One process lives for the whole session; shell scripts are handed to it by name, each on a line of
its standard input, and its answer is their exit code.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from selfbalance.desired import places
from selfbalance.testing.nodes import missing

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

TEST = f"keepalived -t -f {places.STAGED_CONFIG}"
"""keepalived's proof of what is staged (keepalived(8)); silence and 0 where it is right."""

LIMIT_S = 20
"""keepalived 2.2.7 loops for ever, or crashes, on a track_file that no block defines."""

INTERFACES = ("eth0", "eth1", "bond0")
"""Those that are there unless others are asked for."""

_SETUP = """\
set -eu
cd {room}
mount -t tmpfs tmpfs /var/lib
mkdir -p -m 700 {demotion_folder}
mount --bind {room}/keepalived /etc/keepalived
ip link set lo up
{interfaces}
echo ready
while read -r script; do
    code=0
    timeout {limit_s} sh "$script" >said 2>&1 </dev/null || code=$?
    echo "$code"
done
"""


class Namespace:
    """Runs shell scripts where `interfaces` exist and /etc/keepalived is `folder`."""

    def __init__(self, room: Path, interfaces: Iterable[str]) -> None:
        self.room = room
        self.folder = room / "keepalived"
        self.folder.mkdir(mode=0o755)
        for script in (places.GUARD,):
            self.place(script).write_text("#!/bin/sh\n", encoding="utf-8")
            self.place(script).chmod(0o700)
        wires = "\n".join(
            f"ip link add {name} type veth peer name peer{number} && ip link set {name} up"
            for number, name in enumerate(interfaces)
        )
        setup = _SETUP.format(
            room=room,
            demotion_folder=str(Path(places.DEMOTION).parent),
            interfaces=wires,
            limit_s=LIMIT_S,
        )
        mine = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        self._process = subprocess.Popen(
            ["unshare", *mine, "--net", "--mount", "sh", "-c", setup],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(room / "trouble").open("w"),
            text=True,
            env={**os.environ, "PATH": PATH},
        )
        if self._answer() != "ready":
            trouble = (room / "trouble").read_text(encoding="utf-8")
            raise OSError(f"no private namespace for keepalived -t: {trouble}")

    def place(self, path: str) -> Path:
        """Where a file of /etc/keepalived lies, seen from outside."""
        return self.folder / Path(path).relative_to("/etc/keepalived")

    def run(self, script: str) -> tuple[int, str]:
        """Run a shell script inside. Return its exit code and everything that it said."""
        (self.room / "script").write_text(script, encoding="utf-8")
        _pipe(self._process.stdin).write(f"{self.room}/script\n")
        _pipe(self._process.stdin).flush()
        return int(self._answer()), (self.room / "said").read_text(encoding="utf-8")

    def judge(self, conf: str, command: str = TEST) -> tuple[int, str]:
        """Return what keepalived says about a staged configuration: exit code and every word."""
        staged = self.place(places.STAGED_CONFIG)
        staged.write_text(conf, encoding="utf-8")
        staged.chmod(0o600)
        return self.run(command)

    def close(self) -> None:
        """End the process; the namespaces end with it."""
        _pipe(self._process.stdin).close()
        self._process.wait(10)
        _pipe(self._process.stdout).close()

    def _answer(self) -> str:
        return _pipe(self._process.stdout).readline().strip()


def private(room: Path, interfaces: Iterable[str] = INTERFACES) -> Iterator[Namespace]:
    """Yield a namespace in the empty folder `room`; skip, or fail, where there cannot be one."""
    lacking = [
        tool for tool in ("keepalived", "unshare", "ip") if not shutil.which(tool, path=PATH)
    ]
    if lacking:
        missing(f"not installed here: {', '.join(lacking)}")
    try:
        namespace = Namespace(room, interfaces)
    except OSError as error:
        missing(str(error))
    yield namespace
    namespace.close()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
