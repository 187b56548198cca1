"""An operator's folder, and what a run of the real pyinfra command line did from there."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import command_line

import selfbalance

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
_UNIT = REPOSITORY / "tests" / "unit"
TESTED = Path(selfbalance.__file__).parents[1]
"""Where the package lies that these tests import: the command line runs the same."""
HELPERS = [HERE, *(_UNIT / room for room in ("model", "desired", "observed", "gates"))]
LIMIT_S = 120
ENTRY_POINT = "[pyinfra.connectors]\nnode = world:NodeConnector\n"
LOOKING = {
    *("look", "ask", "connect", "versions", "boot", "booted", "beat"),
    *("clock", "ended", "before"),
    *("packages", "recorded"),
}
LOCKING = {"lock", "unlock"}

CLUSTER = """\
name = "web"
interface = "eth0"
nodes = [
    {name = "web1", address = "192.0.2.11"},
    {name = "web2", address = "192.0.2.12"},
    {name = "web3", address = "192.0.2.13"},
]
vips = [{address = "192.0.2.10"}]
services = [{name = "http", port = 80}]
"""
INVENTORY = """\
from selfbalance.inventory import hosts

FAULTS = {faults!r}
web = [
    ("@node/" + name, {{**data, **FAULTS.get(name, {{}})}}) for name, data in hosts("web.toml")
]
"""


@dataclass(frozen=True)
class Run:
    """How one run ended, and what reached the nodes."""

    status: int
    out: str
    err: str
    log: list[dict[str, str]]

    @property
    def said(self) -> str:
        """All that an operator reads."""
        return self.out + self.err

    @property
    def steps(self) -> list[tuple[str, str]]:
        """Host and kind of every command that leaves something behind, in order."""
        return [(e["host"], e["kind"]) for e in self.log if e["kind"] not in LOOKING]

    @property
    def changes(self) -> list[tuple[str, str]]:
        """The same without the lock's."""
        return [(host, kind) for host, kind in self.steps if kind not in LOCKING]

    def did(self, kind: str) -> list[str]:
        """The hosts that a kind of command reached, in order."""
        return [e["host"] for e in self.log if e["kind"] == kind]

    @property
    def error(self) -> str:
        """The line that pyinfra ends a run with that our code ended."""
        lines = [line for line in self.err.splitlines() if "error" in line.lower()]
        return lines[-1] if lines else ""


class Site:
    """An operator's folder: our deploys and config.py, an inventory, and nodes behind it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        deploys = (f"deploys/{path.name}" for path in (REPOSITORY / "deploys").glob("*.py"))
        for name in ("config.py", *deploys):
            (path / name).parent.mkdir(exist_ok=True)
            shutil.copy(REPOSITORY / name, path / name)
        entry_point = path / ".site" / "world-0.dist-info"
        entry_point.mkdir(parents=True)
        (entry_point / "METADATA").write_text("Metadata-Version: 2.1\nName: world\nVersion: 0\n")
        (entry_point / "entry_points.txt").write_text(ENTRY_POINT)
        self.environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith("PYINFRA_")},
            "HOME": str(path),
            "PYINFRA_PROGRESS": "off",
            "PYTHONPATH": os.pathsep.join(map(str, [path / ".site", *HELPERS, TESTED])),
            "WORLD": str(path / ".world"),
            "WORLD_LOG": str(path / ".log"),
        }
        self.describe(CLUSTER)
        self.inventory()

    def describe(self, toml: str) -> None:
        """Describe the cluster."""
        (self.path / "web.toml").write_text(toml)

    def inventory(self, **faults: dict[str, object]) -> None:
        """Write the inventory; `faults` are what is wrong with a node: see world.py."""
        self.write("inventory.py", INVENTORY.format(faults=faults))

    def impatient(self) -> None:
        """Let a change give up soon at a gate that stays shut."""
        self.write(
            "deploys/cluster.py",
            "from selfbalance.deploys import cluster\n\ncluster(patience_s=1)\n",
        )

    def write(self, name: str, text: str) -> None:
        """Put a file there, its text dedented."""
        (self.path / name).write_text(dedent(text))

    def run(self, deploy: str, *flags: str, answers: str = "", **environment: str) -> Run:
        """Run a deploy, with `-y` unless something is answered or it is a dry run."""
        yes = [] if answers or "--dry" in flags else ["-y"]
        return self.run_words(
            *yes, *flags, "inventory.py", f"deploys/{deploy}.py", answers=answers, **environment
        )

    def run_words(self, *words: str, answers: str = "", **environment: str) -> Run:
        """Run pyinfra's command line."""
        log = self.path / ".log"
        log.write_text("")
        status, out, err = command_line.run(
            [*words], self.path, {**self.environment, **environment}, answers, LIMIT_S
        )
        assert status != -signal.SIGALRM, f"no end within {LIMIT_S} s: {out}{err}"
        events = [json.loads(line) for line in log.read_text().splitlines()]
        return Run(status, out, err, events)

    @property
    def world(self) -> dict[str, dict[str, object]]:
        """What every node has by now."""
        file = self.path / ".world"
        return json.loads(file.read_text()) if file.exists() else {}

    def change(self, name: str, **has: object) -> None:
        """Change what a node has, behind everybody's back."""
        world = self.world
        world[name].update(has)
        (self.path / ".world").write_text(json.dumps(world))
