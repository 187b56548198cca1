"""The lab's own apt repository: what the image lacks, and what is published while the lab runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from selfbalance.lab import host
from selfbalance.lab.errors import LabError
from selfbalance.lab.model import HUB_HOST, REPOSITORY_PORT, address
from selfbalance.lab.network import Namespaces
from selfbalance.lab.processes import Process, recording, start_detached
from selfbalance.lab.state import StateFolder

#: What is done to a package's files, unpacked in a folder as on a node, before it is built again.
Change = Callable[[Path], object]


@dataclass(frozen=True)
class Deb:
    """A package file and what its control says."""

    path: Path
    package: str
    version: str


def start(folder: StateFolder, hub: Namespaces) -> Process:
    """Serve the repository's folder at the hub's address."""
    record = folder.record("repository")
    server = ["-u", "-m", "http.server", "--bind", address(HUB_HOST)]
    server += ["--directory", str(folder.repository), str(REPOSITORY_PORT)]
    command = hub.command(*recording(record, [sys.executable, *server]))
    return start_detached(command, folder.log("repository"), record)


def fill(repository: Path, debs: Path) -> None:
    """A fresh repository with the image's .debs."""
    shutil.copytree(debs, repository)
    index(repository)


def index(repository: Path) -> None:
    """Write Packages and Release anew."""
    newest = max((file.stat().st_mtime for file in repository.iterdir()), default=0.0)
    _write(repository / "Packages", _ftparchive(repository, "packages"))
    _write(repository / "Release", _ftparchive(repository, "release"))
    # apt asks with If-Modified-Since, which counts whole seconds: never twice the same one.
    stamp = max(time.time(), newest + 1)
    for name in ("Packages", "Release"):
        os.utime(repository / name, (stamp, stamp))


def publish(repository: Path, what: str, version: str | None, change: Change | None = None) -> str:
    """Add a .deb, or a package of the repository under another version; returns the version.

    Without `version`, a package gets its newest one + "+labN", with the first N that is free.
    With a `change`, what is published differs in more than its version.
    """
    source = _source(repository, what)
    taken = [deb.version for deb in debs(repository) if deb.package == source.package]
    is_file = what.endswith(".deb")
    if version is None:
        version = (
            source.version
            if is_file and source.version not in taken
            else next_version(source.version, taken)
        )
    if version == source.version and change is None:
        shutil.copy(source.path, repository)
    else:
        _rebuild(source, version, change, repository)
    index(repository)
    return version


def withdraw(repository: Path, package: str, version: str) -> None:
    """Take one version of a package out again."""
    for deb in debs(repository):
        if (deb.package, deb.version) == (package, version):
            deb.path.unlink()
    index(repository)


def next_version(current: str, taken: Iterable[str]) -> str:
    """The next free "+labN": `next_version("2.2.7-1+lab1", ["2.2.7-1+lab1"]) == "2.2.7-1+lab2"`."""
    base, taken = re.sub(r"\+lab\d+$", "", current), set(taken)
    return next(name for number in range(1, 10**6) if (name := f"{base}+lab{number}") not in taken)


def set_version(control: str, version: str) -> str:
    """A control file's text with another Version field."""
    return re.sub(r"(?m)^Version:.*$", lambda _: f"Version: {version}", control, count=1)


def debs(repository: Path) -> list[Deb]:
    """Every package file there."""
    return [_read(path) for path in sorted(repository.glob("*.deb"))]


def _source(repository: Path, what: str) -> Deb:
    if what.endswith(".deb"):
        return _read(Path(what))
    found = [deb for deb in debs(repository) if deb.package == what]
    if not found:
        known = ", ".join(sorted({deb.package for deb in debs(repository)}))
        raise LabError(f"The lab's repository has no package {what!r}. It has: {known}")
    newest = found[0]
    for deb in found[1:]:
        newest = deb if _newer(deb.version, newest.version) else newest
    return newest


def _newer(one: str, other: str) -> bool:
    command = ["dpkg", "--compare-versions", one, "gt", other]
    return subprocess.run(command, env=host.environment(), check=False).returncode == 0


def _read(path: Path) -> Deb:
    fields = _check(["dpkg-deb", "-W", "--showformat", "${Package}\n${Version}\n", str(path)])
    package, version = fields.split()
    return Deb(path, package, version)


def _rebuild(source: Deb, version: str, change: Change | None, repository: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="selfbalance-deb-") as folder:
        tree = Path(folder) / "tree"
        _check(["dpkg-deb", "-R", str(source.path), str(tree)])
        control = tree / "DEBIAN" / "control"
        control.write_text(set_version(control.read_text(), version))
        if change is not None:
            change(tree)
        built = Path(folder) / f"{source.package}_{version.replace(':', '%3a')}.deb"
        _check(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", str(tree), str(built)])
        shutil.move(built, repository / built.name)


def _ftparchive(repository: Path, what: str) -> str:
    return _check(["apt-ftparchive", what, "."], cwd=repository)


def _write(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.replace(path)


def _check(command: list[str], cwd: Path | None = None) -> str:
    done = subprocess.run(
        command, env=host.environment(), cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LabError(f"The lab's repository: `{' '.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout
