"""The image that all nodes of a suite start from: built once per content, kept in the cache."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from selfbalance.lab import host
from selfbalance.lab.building import Build, build_key
from selfbalance.lab.errors import MissingOnHost
from selfbalance.lab.state import cache_root

#: A bare web server: what a node has before anybody deploys to it.
PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "udev", "iproute2", "iputils-ping", "openssh-server", "kmod",
    "procps", "sudo", "ca-certificates", "nginx", "python3-minimal",
)  # fmt: skip
#: Only in the lab's repository, with what they pull in: a deploy has to install them.
EXTRA_PACKAGES = ("keepalived", "ipvsadm", "iptables", "glusterfs-server")
#: On every node, and in the repository too: what is there can be published anew and upgraded.
OFFERED_PACKAGES = ("nginx", "nginx-common")
#: bullseye's `nginx` pulls in nginx-core with image libraries; its nginx-light is the bare one.
_OTHER_NAMES = {"bullseye": {"nginx": "nginx-light"}}
SIZE_MB = 2500
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
    return _renamed(PACKAGES, suite)


def _renamed(packages: Iterable[str], suite: str) -> tuple[str, ...]:
    names = _OTHER_NAMES.get(suite, {})
    return tuple(names.get(package, package) for package in packages)


def _files() -> list[tuple[str, bytes]]:
    return [
        (str(file.relative_to(FILES)), file.read_bytes())
        for file in FILES.rglob("*")
        if file.is_file()
    ]


def keyring() -> str:
    """What signs Debian's packages, or an empty text: then the machine's own keys have to do."""
    return str(KEYRING) if KEYRING.exists() else ""


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


def sources(suite: str) -> str:
    """An apt sources file for `suite`, from what this machine's own apt knows."""
    command = ["apt-get", "indextargets", "Created-By: Packages", "--format", _TARGETS]
    done = subprocess.run(
        command, env=host.environment(), capture_output=True, text=True, check=False
    )
    found = debian_sources(done.stdout, suite)
    if not found:
        raise MissingOnHost(
            f"This machine's apt knows no Debian mirror to take {suite} from. "
            "Next, as root: name one in /etc/apt/sources.list, then apt-get update"
        )
    return found


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
        "|",
        *_renamed(OFFERED_PACKAGES, suite),
    )
    entry = cache_root() / f"image-{suite}-{build_key(parts, _files())}"
    build = Build(
        entry,
        title=f"the image for Debian {suite}",
        takes="about a minute",
        script=FILES / "build.sh",
        environment=_environment(suite, kernel),
    )
    build.ensure(lambda: sources(suite), progress)
    return Image(entry)


def _environment(suite: str, kernel: str) -> dict[str, str]:
    return {
        "SUITE": suite,
        "KEYRING": keyring(),
        "PACKAGES": ",".join(packages(suite)),
        "EXTRA": " ".join(EXTRA_PACKAGES),
        "OFFERED": " ".join(_renamed(OFFERED_PACKAGES, suite)),
        "OVERLAY": str(FILES / "overlay"),
        "MODULES": str(MODULES / kernel),
        "SIZE_MB": str(SIZE_MB),
        "WIDE": str(int(host.wide_registers())),
    }
