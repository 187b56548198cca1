"""The image that all nodes of a suite start from: built once per content, kept in the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from selfbalance.lab import host
from selfbalance.lab.errors import LabError, MissingOnHost
from selfbalance.lab.state import cache_root, exclusive, state_root

#: A bare web server: what a node has before anybody deploys to it.
PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "udev", "iproute2", "iputils-ping", "openssh-server", "kmod",
    "procps", "sudo", "ca-certificates", "nginx", "python3-minimal",
)  # fmt: skip
#: Only in the lab's repository, with what they pull in: a deploy has to install them.
EXTRA_PACKAGES = ("keepalived", "ipvsadm", "iptables")
#: bullseye's `nginx` pulls in nginx-core with image libraries; its nginx-light is the bare one.
_OTHER_NAMES = {"bullseye": {"nginx": "nginx-light"}}
SIZE_MB = 2500
KEPT_S = 14 * 24 * 3600.0
FILES = Path(__file__).parent / "image_files"
MODULES = Path("/usr/lib/uml/modules")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True)
class Image:
    """A cache entry: the disk, the .debs that it lacks, the keys."""

    path: Path

    @property
    def disk(self) -> Path:
        """The root file system; nodes never write to it."""
        return self.path / "base.img"

    @property
    def debs(self) -> Path:
        """What the lab's repository starts with."""
        return self.path / "debs"

    @property
    def preload(self) -> Path | None:
        """What User Mode Linux has to load first on this CPU, if anything."""
        library = self.path / "wide_registers.so"
        return library if library.exists() else None

    @property
    def identity(self) -> Path:
        """The ssh key that every node lets in as root."""
        return self.path / "id_ed25519"

    @property
    def host_key(self) -> str:
        """The public host key of every node: `ssh-ed25519 AAAA...`."""
        return " ".join((self.path / "host_key.pub").read_text().split()[:2])


def packages(suite: str) -> tuple[str, ...]:
    """The image's packages under the names that the suite has for them."""
    names = _OTHER_NAMES.get(suite, {})
    return tuple(names.get(package, package) for package in PACKAGES)


def image_key(parts: Iterable[str], files: Iterable[tuple[str, bytes]]) -> str:
    """A short hash over everything that makes the image, names and contents."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    for name, content in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()[:12]


def _files() -> list[tuple[str, bytes]]:
    return [
        (str(file.relative_to(FILES)), file.read_bytes())
        for file in FILES.rglob("*")
        if file.is_file()
    ]


def kernel_version() -> str:
    """The version of User Mode Linux here, e.g. 6.1.176; its modules' folder has that name."""
    done = subprocess.run(
        ["linux.uml", "--version"],
        env=host.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    version = done.stdout.strip()
    if not (MODULES / version).is_dir() or not version:
        raise MissingOnHost(
            f"User Mode Linux here is {version or 'mute'}, and {MODULES} has no modules for that. "
            "Next, as root: apt-get install --reinstall user-mode-linux"
        )
    return version


def debian_sources(targets: str, suite: str) -> str:
    """An apt sources file for `suite`, from `apt-get indextargets` in the format of `_TARGETS`.

    The machine's own suite is taken with its updates and security; for another suite, the mirror
    that serves the machine's own one is asked for that name.
    """
    rows = [tuple(line.split("|")) for line in targets.splitlines() if line.count("|") == 3]
    debian = [
        (uri, release)
        for origin, component, uri, release in rows
        if (origin, component) == ("Debian", "main")
    ]
    own = sorted({(uri, release) for uri, release in debian if release.partition("-")[0] == suite})
    if not any(release == suite for _, release in own):
        own = sorted({(uri, suite) for uri, release in debian if "-" not in release})[:1]
    return "".join(f"deb {uri} {release} main\n" for uri, release in own)


_TARGETS = "$(ORIGIN)|$(COMPONENT)|$(REPO_URI)|$(RELEASE)"


def _sources(suite: str) -> str:
    command = ["apt-get", "indextargets", "Created-By: Packages", "--format", _TARGETS]
    done = subprocess.run(
        command, env=host.environment(), capture_output=True, text=True, check=False
    )
    sources = debian_sources(done.stdout, suite)
    if not sources:
        raise MissingOnHost(
            f"This machine's apt knows no Debian mirror to take {suite} from. "
            "Next, as root: name one in /etc/apt/sources.list, then apt-get update"
        )
    return sources


def ensure(suite: str, progress: Callable[[str], None]) -> Image:
    """The image of `suite`, built now if the cache has none; two labs at once build it once."""
    kernel = kernel_version()
    parts = (
        suite,
        kernel,
        os.uname().machine,
        str(SIZE_MB),
        *packages(suite),
        "|",
        *EXTRA_PACKAGES,
    )
    entry = cache_root() / f"image-{suite}-{image_key(parts, _files())}"
    if not entry.is_dir():
        with exclusive(entry.with_name(f"{entry.name}.lock"), wait=True):
            _sweep(entry)
            if not entry.is_dir():
                _build(suite, kernel, entry, progress)
                forget_old(entry.parent, time.time())
    entry.touch()
    return Image(entry)


def forget_old(cache: Path, now: float) -> None:
    """Remove images that no lab has started from for two weeks (400 MB each), and none has now."""
    labs = "".join(file.read_text() for file in state_root().glob("*/lab.json"))
    for entry in cache.glob("image-*-" + "[0-9a-f]" * 12):
        if entry.stat().st_mtime < now - KEPT_S and str(entry) not in labs:
            shutil.rmtree(entry, ignore_errors=True)
            entry.with_name(f"{entry.name}.lock").unlink(missing_ok=True)


def _sweep(entry: Path) -> None:
    """Remove what a killed build of this entry left (its lock is ours, so nobody builds now)."""
    for left in entry.parent.glob(f"{entry.name}.tmp-*"):
        _remove_tree(left)


def _build(suite: str, kernel: str, entry: Path, progress: Callable[[str], None]) -> None:
    progress(f"Building the image for Debian {suite} (once, about a minute)")
    folder = Path(tempfile.mkdtemp(prefix=f"{entry.name}.tmp-", dir=entry.parent))
    try:
        out = folder / "out"
        out.mkdir()
        (folder / "sources.list").write_text(_sources(suite))
        _run_build(_environment(suite, kernel, folder), progress, folder / "log", suite)
        out.replace(entry)
    finally:
        _remove_tree(folder)


def _environment(suite: str, kernel: str, folder: Path) -> dict[str, str]:
    return {
        **host.environment(),
        "SUITE": suite,
        "SOURCES": str(folder / "sources.list"),
        "KEYRING": str(KEYRING) if KEYRING.exists() else "",
        "OUT": str(folder / "out"),
        "PACKAGES": ",".join(packages(suite)),
        "EXTRA": " ".join(EXTRA_PACKAGES),
        "OVERLAY": str(FILES / "overlay"),
        "MODULES": str(MODULES / kernel),
        "SIZE_MB": str(SIZE_MB),
        "WIDE": str(int(host.wide_registers())),
        "TMPDIR": str(folder),
        "DEBIAN_FRONTEND": "noninteractive",
    }


def _run_build(
    environment: dict[str, str], progress: Callable[[str], None], log: Path, suite: str
) -> None:
    user = [] if host.is_root() else host.user_namespace()[1:]
    command = [
        "unshare",
        *user,
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        str(FILES / "build.sh"),
    ]
    lines: list[str] = []
    with (
        log.open("w") as output,
        subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,  # the build's lifeline: it ends when this process does
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                output.write(line)
                lines.append(line.rstrip())
                if line.startswith("lab-image: "):
                    progress(f"  image: {line.removeprefix('lab-image: ').rstrip()}")
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # unshare --kill-child takes the whole namespace
            raise
    if process.returncode:
        _complain(suite, lines)


def _complain(suite: str, lines: list[str]) -> None:
    kept = cache_root() / f"failed-{suite}.log"
    kept.write_text("\n".join(lines) + "\n")
    reasons = [
        line for line in lines if line.startswith(("E: ", "W: ", "mke2fs", "unshare"))
    ] or lines
    raise LabError(
        f"The image for Debian {suite} could not be built: {(reasons or ['no output'])[-1]} "
        f"Next: read {kept}, then selfbalance lab up again."
    )


def _remove_tree(folder: Path) -> None:
    """Remove a build folder, also one with files of an ordinary user's subordinate ids."""
    if not folder.exists():
        return
    if host.is_root():
        shutil.rmtree(folder, ignore_errors=True)
    else:
        command = [*host.user_namespace(), "rm", "-rf", str(folder)]
        subprocess.run(command, env=host.environment(), check=False)
