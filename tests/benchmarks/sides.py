"""The two sides of the benchmark: the same nodes, the same files, each by its own command line."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from selfbalance.desired import DesiredNode
from selfbalance.inventory import DATA_KEY
from selfbalance.lab import Lab

REPOSITORY = Path(__file__).parents[2]
ANSIBLE = Path(__file__).parent / "ansible"
BIN = Path(sys.executable).parent
TOO_LONG_S = 600


@dataclass(frozen=True)
class Run:
    """One run of a command line: how it ended, what it says it changed, how long it took."""

    code: int
    changed: bool
    seconds: float
    text: str

    @property
    def reason(self) -> str:
        """Why it failed, in its own words."""
        found = re.findall(r"^(?:fatal: |--> Operation error|! ).*$", self.text, re.MULTILINE)
        return found[0] if found else self.text.strip()[-200:]


class Side(Protocol):
    """Whoever makes the cluster."""

    name: str

    def run(self) -> Run:
        """Make the cluster as described, on the nodes as they are."""
        ...


class Selfbalance:
    """`pyinfra -y inventories/lab.py deploys/cluster.py`, as a user calls it."""

    name = "selfbalance"

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.inventory = folder / "lab.py"
        users = (REPOSITORY / "inventories" / "lab.py").read_text()
        self.inventory.write_text(users.replace("Lab.running()", f"Lab.running({lab.name!r})"))
        self._environment = {"SELFBALANCE_LAB": lab.name, "PYINFRA_PROGRESS": "off"}

    def desired(self) -> dict[str, DesiredNode]:
        """What each node gets, from the inventory itself."""
        hosts = runpy.run_path(str(self.inventory))["web"]
        return {name: data[DATA_KEY].desired[name] for name, data in hosts}

    def run(self) -> Run:
        return _timed(
            [str(BIN / "pyinfra"), "-y", str(self.inventory), "deploys/cluster.py"],
            self._environment,
            changed=r"Grand total +\d+ +\d+",
        )


class Ansible:
    """`ansible-playbook` with a playbook of our own, given what selfbalance would write."""

    name = "Ansible"

    def __init__(self, lab: Lab, desired: Mapping[str, DesiredNode], folder: Path) -> None:
        self._folder = folder
        rendered = folder / "rendered"
        for node, want in desired.items():
            for file in want.all_files:
                path = rendered / node / file.path.lstrip("/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(file.content)
        one = next(iter(desired.values()))
        templates = Environment(
            loader=FileSystemLoader(ANSIBLE),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        (folder / "inventory.yml").write_text(
            templates.get_template("inventory.yml.j2").render(
                nodes=list(desired),
                ssh_config=lab.ssh_config,
                rendered=rendered,
                interface=one.interface,
                vip=one.vips[0],
                packages=one.packages,
                modules=one.modules,
                units=one.units,
            )
        )

    def run(self) -> Run:
        return _timed(
            [
                str(BIN / "ansible-playbook"),
                *("-i", str(self._folder / "inventory.yml")),
                str(ANSIBLE / "playbook.yml"),
            ],
            {
                "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
                "ANSIBLE_HOME": str(self._folder / "home"),
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self._sockets),
            },
            changed=r"changed=[1-9]",
        )

    def close(self) -> None:
        """End the connections that ControlPersist keeps."""
        for socket in self._sockets.glob("*"):
            subprocess.run(
                ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "any"],
                capture_output=True,
                check=False,
            )

    @property
    def _sockets(self) -> Path:
        return self._folder / "cp"


def _timed(command: Sequence[str], environment: Mapping[str, str], changed: str) -> Run:
    began = time.monotonic()
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, "NO_COLOR": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TOO_LONG_S,
        check=False,
    )
    seconds = time.monotonic() - began
    return Run(done.returncode, bool(re.search(changed, done.stdout)), seconds, done.stdout)


def made(lab: Lab, desired: Mapping[str, DesiredNode]) -> dict[str, str]:
    """What a side left on each node: files, modes, packages, units, sysctls, modules, VIPs."""
    return {node: lab.run(node, _look(want)).stdout for node, want in desired.items()}


def _look(want: DesiredNode) -> str:
    files = " ".join(file.path for file in want.all_files)
    return "; ".join(
        [
            f"sha256sum {files}",
            f"stat -c '%a %U %G %n' {files}",
            f"dpkg-query -W {' '.join(want.packages)}",
            f"systemctl is-enabled {' '.join(want.units)}",
            f"systemctl is-active {' '.join(want.units)}",
            f"sysctl {' '.join(want.sysctls)}",
            f"ls -d {' '.join(f'/sys/module/{module}' for module in want.modules)}",
            f"ip -o addr show dev {want.vip_interface} scope host",
            "true",
        ]
    )


def settle(lab: Lab, vip: str, patience_s: float = 30) -> None:
    """Wait until one node holds the VIP and no realserver has weight 0, but not for ever.

    On a machine with too much to do, checks and BFD give false alarms, which neither side is to
    answer for.
    """
    look = (
        f"ip -o addr show dev {lab.interface} to {vip} | wc -l; "
        'ipvsadm -Ln | awk \'$1 == "->" && $4 == "0"\' | wc -l'
    )
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        seen = [lab.run(node.name, look, check=False).stdout.split() for node in lab.nodes]
        if sorted(seen) == [["0", "0"], ["0", "0"], ["1", "0"]]:
            return
        time.sleep(1)
