"""Run a node's commands for real, below a folder; its programs only say that they ran."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from pyinfra.api import StringCommand

_SAYS = """#!/bin/sh
echo "{name} $*" >> {log}
case " $FAILING " in *" {name} "*) echo "{name} fails" >&2; exit 7 ;; esac
printf '%s' "$SAID"
"""


class Rooted:
    """A node whose root is a folder.

    Absolute paths in a command are taken below it. `systemctl`, `modprobe`, ... write down that
    they were called; a command that names one in `failing` finds that it fails.
    """

    PROGRAMS = ("keepalived", "systemctl", "modprobe", "sysctl", "ipvsadm")

    def __init__(self, root: Path) -> None:
        self.root = root
        self._log = root / ".ran"
        bin_ = root / ".bin"
        bin_.mkdir()
        for name in self.PROGRAMS:
            program = bin_ / name
            program.write_text(_SAYS.format(name=name, log=self._log))
            program.chmod(0o755)

    def program(self, name: str, script: str) -> None:
        """Have a program of one's own: a script, which writes down that it was called."""
        file = self.root / ".bin" / name
        file.write_text(f'#!/bin/sh\necho "{name} $*" >> {self._log}\n{script}')
        file.chmod(0o755)

    def path(self, path: str) -> Path:
        """Where a path of the node is on this machine."""
        return self.root / path.lstrip("/")

    def write(self, path: str, text: str) -> None:
        """Have a file on the node."""
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(text)

    def run(
        self, command: StringCommand | str, *failing: str, said: str = "", stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as a login shell of the node would."""
        if isinstance(command, StringCommand) and stdin is None:
            stdin = command.connector_arguments.get("_stdin")
        return subprocess.run(
            ["sh", "-c", self._below(str(command))],
            input=stdin or "",
            env={
                "PATH": f"{self.root}/.bin:{os.environ['PATH']}",
                "FAILING": " ".join(failing),
                "SAID": said,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def _below(self, command: str) -> str:
        return re.sub(
            r"(?<![\w./-])/(etc|var|run)\b", lambda found: f"{self.root}{found[0]}", command
        )

    @property
    def ran(self) -> list[str]:
        """The programs that were called, with their arguments, in order."""
        text = self._log.read_text() if self._log.exists() else ""
        return text.replace(str(self.root), "").splitlines()

    @property
    def files(self) -> dict[str, int]:
        """Every file of the node with its mode, by path."""
        return {
            f"/{path.relative_to(self.root)}": path.stat().st_mode & 0o7777
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and not path.relative_to(self.root).parts[0].startswith(".")
        }
