"""What is made of Debian's packages: once per content, by a script, kept in the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from selfbalance.lab import host
from selfbalance.lab.errors import LabError
from selfbalance.lab.state import cache_root, exclusive, state_root

KEPT_S = 14 * 24 * 3600.0
SAID = "lab-image: "
_PASSED_ON = ("E: setup failed", "E: mmdebstrap failed")
Progress = Callable[[str], None]


def build_key(parts: Iterable[str], files: Iterable[tuple[str, bytes]]) -> str:
    """A short hash over everything that makes what is built, names and contents."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    for name, content in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()[:12]


@dataclass(frozen=True)
class Build:
    """A folder of the cache, and the script that fills it.

    The script finds in its environment, beside `environment`: OUT, the folder to fill; SOURCES, an
    apt sources file; TMPDIR. It runs as uid 0 in namespaces of its own.
    """

    entry: Path
    title: str
    takes: str
    script: Path
    environment: Mapping[str, str]
    verb: str = "Building"

    def ensure(self, sources: Callable[[], str], progress: Progress) -> None:
        """Build it now if the cache has none; two who ask at once build it once."""
        if not self.entry.is_dir():
            with exclusive(self.entry.with_name(f"{self.entry.name}.lock"), wait=True):
                sweep(self.entry)
                if not self.entry.is_dir():
                    self._build(sources(), progress)
                    forget_old(self.entry.parent, time.time())
        self.entry.touch()

    def _build(self, sources: str, progress: Progress) -> None:
        progress(f"{self.verb} {self.title} (once, {self.takes})")
        folder = Path(tempfile.mkdtemp(prefix=f"{self.entry.name}.tmp-", dir=self.entry.parent))
        try:
            out = folder / "out"
            out.mkdir()
            (folder / "sources.list").write_text(sources)
            self._run(folder, progress)
            out.replace(self.entry)
        finally:
            _remove_tree(folder)

    def _run(self, folder: Path, progress: Progress) -> None:
        environment = {
            **host.environment(),
            **self.environment,
            "SOURCES": str(folder / "sources.list"),
            "OUT": str(folder / "out"),
            "TMPDIR": str(folder),
            "DEBIAN_FRONTEND": "noninteractive",
        }
        lines: list[str] = []
        with subprocess.Popen(
            _in_namespaces("sh", str(self.script)),
            env=environment,
            stdin=subprocess.PIPE,  # the build's lifeline: it ends when this process does
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                for line in process.stdout or ():
                    lines.append(line.rstrip())
                    if line.startswith(SAID):
                        progress(f"  {line.removeprefix(SAID).rstrip()}")
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)  # --kill-child takes the whole namespace
                raise
        if process.returncode:
            self._complain(lines)

    def _complain(self, lines: list[str]) -> None:
        kept = cache_root() / f"failed-{self.entry.name.rpartition('-')[0]}.log"
        kept.write_text("\n".join(lines) + "\n")
        raise LabError(
            f"{self.verb} {self.title} failed: {reason(lines)}. "
            f"Next: read {kept}, then the same command again."
        )


def reason(lines: list[str]) -> str:
    """Why a build failed: the last complaint of whoever knows; mmdebstrap only passes it on."""
    complaints = [line for line in lines if line.startswith(("E: ", "W: ", "mke2fs", "unshare"))]
    told = [line for line in complaints if not line.startswith(_PASSED_ON)]
    return (told or complaints or lines or ["no output"])[-1]


def forget_old(cache: Path, now: float) -> None:
    """Remove what nobody asked for in two weeks: images (400 MB each) that no lab has, packages."""
    labs = "".join(file.read_text() for file in state_root().glob("*/lab.json"))
    key = "[0-9a-f]" * 12
    for entry in (*cache.glob(f"image-*-{key}"), *cache.glob(f"debs-*-{key}")):
        if entry.stat().st_mtime < now - KEPT_S and str(entry) not in labs:
            shutil.rmtree(entry, ignore_errors=True)
            entry.with_name(f"{entry.name}.lock").unlink(missing_ok=True)


def sweep(entry: Path) -> None:
    """Remove what a killed build of this entry left (its lock is ours, so nobody builds now)."""
    for left in entry.parent.glob(f"{entry.name}.tmp-*"):
        _remove_tree(left)


def _in_namespaces(*command: str) -> list[str]:
    user = [] if host.is_root() else host.user_namespace()[1:]
    return ["unshare", *user, "--mount", "--pid", "--fork", "--kill-child", *command]


def _remove_tree(folder: Path) -> None:
    """Remove a build folder, also one with files of an ordinary user's subordinate ids."""
    if not folder.exists():
        return
    if host.is_root():
        shutil.rmtree(folder, ignore_errors=True)
    else:
        command = [*host.user_namespace(), "rm", "-rf", str(folder)]
        subprocess.run(command, env=host.environment(), check=False)
