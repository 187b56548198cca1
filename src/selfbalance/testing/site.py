"""`Site`: a deployed cluster on lab nodes, worked on by pyinfra's command line, as operators do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfbalance.lab import Lab
from selfbalance.loading import FOLDER
from selfbalance.testing.users_files import USERS_FILES

Status = Mapping[str, Any]
"""What status.py writes as JSON."""

VIP = "192.0.2.10"
VIP6 = "2001:db8:5b::10"

_INVENTORY = """\
from selfbalance import Check, Cluster, Node, Service, Vip, Volume, VrrpOptions
from selfbalance.inventory import hosts
from selfbalance.lab import Lab

_lab = Lab.running({lab!r})
_described = dict(
    name="web",
    interface=_lab.interface,
    nodes=[
        Node(name=n.name, address=n.address, address6=n.address6, director=not n.far)
        for n in _lab.nodes
    ],
    vips=[Vip(address="192.0.2.10")],
    services=[Service(name="http", port=80)],
)
_described.update(dict({changes}))
web = hosts(Cluster(**_described), ssh_user="root", ssh_config_file=str(_lab.ssh_config))
"""


@dataclass(frozen=True)
class Run:
    """What a pyinfra run said, and how it ended."""

    code: int
    text: str
    seconds: float

    def commands(self, host: str) -> int:
        """Commands that the run sent to a host; it has to be called with `-vvv`."""
        return len(re.findall(rf"^\s*\[{host}\] >>> ", self.text, re.MULTILINE))


class Site:
    """A lab, and a cluster described on it."""

    def __init__(self, lab: Lab, folder: Path, project: Path | None = None) -> None:
        """Work in `folder`, with the deploys, config.py and plugins/ of a `project` that has them.

        What it has not is as selfbalance's own repository has it.
        """
        self.lab = lab
        self.folder = folder
        self._project = project
        _lay_out(folder, project)
        self.described = ""
        """What differs from the default description: keyword arguments of `Cluster`, as text."""

    def inventory(self, changes: str | None = None) -> Path:
        """Write an inventory of the lab; `changes` instead of what is `described`."""
        changes = self.described if changes is None else changes
        path = self.folder / f"inventory_{abs(hash(changes))}.py"
        path.write_text(_INVENTORY.format(lab=self.lab.name, changes=changes))
        return path

    def pyinfra(
        self,
        deploy: str,
        *flags: str,
        inventory: Path | None = None,
        answer: str = "",
        env: Mapping[str, str] | None = None,
        within_s: float = 300,
    ) -> Run:
        """Run a deploy by pyinfra's command line; return what it said.

        Fails, with what it has said, if it takes longer than `within_s`.
        """
        began = time.monotonic()
        try:
            done = subprocess.run(
                self.command(deploy, *flags, inventory=inventory),
                cwd=self.folder,
                env={**self.environment(), **(env or {})},
                input=answer,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=within_s,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            said = (late.output or b"").decode(errors="replace")
            raise AssertionError(f"{deploy}.py takes more than {within_s:.0f} s: {said}") from None
        return Run(done.returncode, done.stdout, time.monotonic() - began)

    def command(self, deploy: str, *flags: str, inventory: Path | None = None) -> list[str]:
        """Return pyinfra's command line for a deploy, to be run in `folder`."""
        pyinfra = str(Path(sys.executable).parent / "pyinfra")
        return [pyinfra, *flags, str(inventory or self.inventory()), f"deploys/{deploy}.py"]

    def environment(self) -> dict[str, str]:
        """Let pyinfra find the project's own drop-ins, unless somebody named others."""
        plugins = self._project / "plugins" if self._project else None
        mine = {FOLDER: str(plugins)} if plugins and plugins.is_dir() else {}
        return {**mine, **os.environ, "PYINFRA_PROGRESS": "off", "COLUMNS": "200"}

    def deploy(self, changes: str | None = None) -> Run:
        """Make the cluster as described, and insist that it worked."""
        run = self.pyinfra("cluster", "-y", inventory=self.inventory(changes), within_s=600)
        assert run.code == 0, run.text
        return run

    def status(self, changes: str | None = None) -> Status:
        """Return what status.py writes as JSON."""
        output = self.folder / "status.json"
        output.unlink(missing_ok=True)
        run = self.pyinfra(
            "status", "-y", "--data", f"output={output}", inventory=self.inventory(changes)
        )
        assert output.exists(), run.text
        status: Status = json.loads(output.read_text())
        assert run.code == (0 if status["healthy"] else 1), run.text
        return status

    def wait_until_healthy(self, seconds: float = 60) -> Status:
        """Return the status once it is healthy; fail with what was wrong after that time."""
        deadline = time.monotonic() + seconds
        while True:
            status = self.status()
            if status["healthy"]:
                return status
            assert time.monotonic() < deadline, problems(status)
            time.sleep(1)

    @contextmanager
    def well(self, described: str = "") -> Iterator[Site]:
        """Have it as described and healthy, whatever harm was done to it before."""
        if self.described == described:
            self.heal()
        else:
            self.described = described
            self._begin_anew()
        yield self

    def powered(self) -> Sequence[str]:
        """Return the names of the nodes that have power."""
        return self.lab.powered()

    def master(self) -> str:
        """Return the name of the node that holds the VIP, asking the nodes themselves."""
        nodes, look = self.powered(), f"ip -o addr show {self.lab.interface}"
        with ThreadPoolExecutor() as pool:
            said = pool.map(lambda node: self.lab.run(node, look).stdout, nodes)
            holders = [node for node, text in zip(nodes, said, strict=True) if f" {VIP}/" in text]
        assert len(holders) == 1, holders
        return holders[0]

    def backups(self) -> Sequence[str]:
        """Return the names of the other nodes."""
        master = self.master()
        return [node for node in self.powered() if node != master]

    def heal(self) -> None:
        """Power on what is off, and deploy unless the cluster is well."""
        self._power_on()
        if not self.status()["healthy"]:
            self.deploy()

    def _begin_anew(self) -> None:
        """Deploy to nodes none of which serves: no node waits for another to be proven well."""
        self._power_on()
        with ThreadPoolExecutor() as pool:
            stop = "! systemctl -q is-active keepalived || systemctl stop keepalived"
            list(pool.map(lambda node: self.lab.run(node.name, stop), self.lab.nodes))
        self.deploy()

    def _power_on(self) -> None:
        powered = self.powered()
        for node in self.lab.nodes:
            if node.name not in powered:
                self.lab.power_on(node.name)


def _lay_out(folder: Path, project: Path | None) -> None:
    """Put the user's files into a folder: the project's, or those that are shipped."""
    for name, text in USERS_FILES.items():
        theirs = project / name if project else None
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(theirs.read_text() if theirs and theirs.is_file() else text)


def problems(status: Status) -> list[str]:
    """Return the words of every problem in a status."""
    return [problem["what"] for check in status["checks"].values() for problem in check["problems"]]
