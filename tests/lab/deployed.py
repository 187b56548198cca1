"""A deployed cluster on lab nodes, worked on as an operator does: by pyinfra's command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfbalance.lab import Lab

REPOSITORY = Path(__file__).parents[2]
VIP = "192.0.2.10"
VIP6 = "2001:db8:5b::10"

_INVENTORY = """\
from selfbalance import Cluster, Node, Service, Vip, VrrpOptions
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

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
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
    ) -> Run:
        """Run a deploy of this repository and return what it said."""
        began = time.monotonic()
        done = subprocess.run(
            [
                *(Path(sys.executable).parent / "pyinfra", *flags),
                inventory or self.inventory(),
                f"deploys/{deploy}.py",
            ],
            cwd=REPOSITORY,
            env={**os.environ, "PYINFRA_PROGRESS": "off", "COLUMNS": "200", **(env or {})},
            input=answer,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return Run(done.returncode, done.stdout, time.monotonic() - began)

    def deploy(self, changes: str | None = None) -> Run:
        """Make the cluster as described, and insist that it worked."""
        run = self.pyinfra("cluster", "-y", inventory=self.inventory(changes))
        assert run.code == 0, run.text
        return run

    def status(self, changes: str | None = None) -> dict:
        """Return what status.py writes as JSON."""
        output = self.folder / "status.json"
        output.unlink(missing_ok=True)
        run = self.pyinfra(
            "status", "-y", "--data", f"output={output}", inventory=self.inventory(changes)
        )
        assert output.exists(), run.text
        status = json.loads(output.read_text())
        assert run.code == (0 if status["healthy"] else 1), run.text
        return status

    def wait_until_healthy(self, seconds: float = 60) -> dict:
        """Return the status once it is healthy; fail with what was wrong after that time."""
        deadline = time.monotonic() + seconds
        while True:
            status = self.status()
            if status["healthy"]:
                return status
            assert time.monotonic() < deadline, problems(status)
            time.sleep(1)

    def powered(self) -> Sequence[str]:
        """Return the names of the nodes that have power."""
        return [each.node.name for each in self.lab.status() if each.powered]

    def master(self) -> str:
        """Return the name of the node that holds the VIP, asking the nodes themselves."""
        holders = [
            node
            for node in self.powered()
            if f" {VIP}/" in self.lab.run(node, f"ip -o addr show {self.lab.interface}").stdout
        ]
        assert len(holders) == 1, holders
        return holders[0]

    def backups(self) -> Sequence[str]:
        """Return the names of the other nodes."""
        master = self.master()
        return [node for node in self.powered() if node != master]

    def heal(self) -> None:
        """Power on what is off, and deploy until the cluster is well."""
        for each in self.lab.status():
            if not each.powered:
                self.lab.power_on(each.node.name)
        if not self.status()["healthy"]:
            self.deploy()


def problems(status: Mapping) -> list[str]:
    """Return the words of every problem in a status."""
    return [problem["what"] for check in status["checks"].values() for problem in check["problems"]]
