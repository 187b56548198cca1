"""A throw-away project and the real pyinfra command line: what is pinned is what a user gets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

HERE = Path(__file__).parent
PYINFRA = shutil.which("pyinfra", path=str(Path(sys.executable).parent)) or "pyinfra"
ENTRY_POINT = "[pyinfra.connectors]\nsim = sim:SimConnector\n"


@dataclass(frozen=True)
class Run:
    """How one run of pyinfra ended, and what its hosts saw of it."""

    status: int
    out: str
    err: str
    log: list[dict[str, str]]

    def commands(self, host: str | None = None) -> list[str]:
        """The commands that ran, in order: of one host, or of all as `host: command`."""
        ran = [entry for entry in self.log if entry["did"] == "run"]
        if host is None:
            return [f"{entry['host'].removeprefix('@sim/')}: {entry['what']}" for entry in ran]
        return [entry["what"] for entry in ran if entry["host"] == f"@sim/{host}"]

    @property
    def notes(self) -> list[str]:
        """What the deploy files noted, in order."""
        return [entry["what"] for entry in self.log if entry["did"] == "note"]

    @property
    def story(self) -> list[str]:
        """Commands and notes in one order."""
        return [e["what"] for e in self.log if e["did"] in {"run", "note"}]

    @property
    def contacted(self) -> list[str]:
        """The hosts that were as much as connected to, in order."""
        return [e["host"].removeprefix("@sim/") for e in self.log if e["did"] == "connect"]


class Project:
    """A folder of inventory, deploys and config, and hosts `@sim/...` that live for one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        entry_point = path / ".site" / "sim-0.dist-info"
        entry_point.mkdir(parents=True)
        (entry_point / "METADATA").write_text("Metadata-Version: 2.1\nName: sim\nVersion: 0\n")
        (entry_point / "entry_points.txt").write_text(ENTRY_POINT)
        self.environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith("PYINFRA_")},
            "HOME": str(path),
            "PYINFRA_FAKE_DELAY": "0",
            "PYINFRA_FAKE_DELAY_JITTER": "0",
            "PYINFRA_PROGRESS": "off",
            "PYTHONPATH": os.pathsep.join([str(path / ".site"), str(HERE)]),
            "SIM_LOG": str(path / ".log"),
        }

    def write(self, name: str, text: str) -> None:
        """Put a file there, its text dedented."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text).lstrip())

    def pyinfra(self, *arguments: str, answers: str | None = None) -> Run:
        """Run the command line; `answers` is typed at its prompts, else stdin is closed."""
        log = self.path / ".log"
        log.write_text("")
        done = subprocess.run(
            [PYINFRA, *arguments],
            cwd=self.path,
            env=self.environment,
            input=answers or "",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        events = [json.loads(line) for line in log.read_text().splitlines()]
        return Run(done.returncode, done.stdout, done.stderr, events)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with three hosts a, b, c."""
    project = Project(tmp_path)
    project.write("inventory.py", 'nodes = ["@sim/a", "@sim/b", "@sim/c"]\n')
    return project


@pytest.fixture
def deploy(project: Project) -> Callable[..., Run]:
    """Write a deploy file and run it on the three hosts: `deploy(text, "-y", ...)`."""

    def deploy(text: str, *arguments: str, answers: str | None = None) -> Run:
        project.write("deploy.py", text)
        return project.pyinfra("inventory.py", "deploy.py", *arguments, answers=answers)

    return deploy
