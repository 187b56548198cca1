"""What this machine offers to a lab and what it lacks; the one place that chooses the wiring."""

from __future__ import annotations

import os
import pwd
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from selfbalance.lab.errors import MissingOnHost

#: Command -> the Debian package that brings it.
TOOLS = {
    "linux.uml": "user-mode-linux",
    "mmdebstrap": "mmdebstrap",
    "apt-ftparchive": "apt-utils",
    "dpkg-deb": "dpkg",
    "mke2fs": "e2fsprogs",
    "ip": "iproute2",
    "sysctl": "procps",
    "nc": "netcat-openbsd",
    "curl": "curl",
    "ssh": "openssh-client",
    "nsenter": "util-linux",
    "taskset": "util-linux",
    "unshare": "util-linux",
}
#: Needed besides by an ordinary user: ids for the image, offloads off for packet sockets.
USER_TOOLS = {"newuidmap": "uidmap", "ethtool": "ethtool"}
#: Needed besides where the CPU's registers are too wide for User Mode Linux (wide_registers.c).
WIDE_TOOLS = {"gcc": "gcc"}
#: The kernel's AT_MINSIGSTKSZ (getauxval(3)): the room that a signal needs, nearly all of it for
#: registers. Seen: 3,632 bytes with AVX-512, where UML runs; 11,952 with AMX, where it does not.
_AT_MINSIGSTKSZ = 51
_UML_SIGNAL_ROOM = 4096
#: Administrators' tools live here, which an ordinary user's PATH often lacks.
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
FEWEST_SUBIDS = 65536


def is_root() -> bool:
    """Whether this process may do everything on the machine."""
    return os.geteuid() == 0


def environment() -> dict[str, str]:
    """The environment for tools: administrators' folders on PATH, messages in plain English."""
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "PATH": os.pathsep.join((path, *_SBIN)), "LC_ALL": "C.UTF-8"}


def find(tool: str) -> str | None:
    """Where `tool` is, or None."""
    return shutil.which(tool, path=environment()["PATH"])


def missing_packages(
    tools: Iterable[tuple[str, str]], find: Callable[[str], str | None] = find
) -> tuple[str, ...]:
    """The Debian packages of the tools that are not there, each once, in order of name."""
    return tuple(sorted({package for tool, package in tools if find(tool) is None}))


def needed_tools(root: bool) -> tuple[tuple[str, str], ...]:
    """What a lab started by root, or by an ordinary user, calls on this machine."""
    user = {} if root else USER_TOOLS
    return tuple({**TOOLS, **user, **(WIDE_TOOLS if wide_registers() else {})}.items())


def wide_registers() -> bool:
    """Whether this CPU has more registers to save than User Mode Linux has room for."""
    return signal_room(Path("/proc/self/auxv").read_bytes()) > _UML_SIGNAL_ROOM


def signal_room(auxv: bytes) -> int:
    """AT_MINSIGSTKSZ from an auxiliary vector, in bytes; 0 where the kernel gives none."""
    whole = auxv[: len(auxv) // 16 * 16]
    rooms = [value for key, value in struct.iter_unpack("=QQ", whole) if key == _AT_MINSIGSTKSZ]
    return int(rooms[0]) if rooms else 0


def missing_message(packages: Iterable[str], root: bool) -> str:
    """One line: what is missing, and the command that brings it."""
    names = " ".join(packages)
    if root:
        return (
            f"This machine lacks what the lab needs: {names}. "
            f"Next: selfbalance lab up --install (or: apt-get install {names})."
        )
    return f"This machine lacks what the lab needs: {names}. Next, as root: apt-get install {names}"


def require(install: bool, progress: Callable[[str], None]) -> None:
    """Raise MissingOnHost unless a lab can run here; with `install`, root installs what it can."""
    packages = missing_packages(needed_tools(is_root()))
    if packages and install and is_root():
        _install(packages, progress)
        packages = missing_packages(needed_tools(root=True))
    if packages:
        raise MissingOnHost(missing_message(packages, is_root()))
    if not is_root():
        _require_user_namespaces()


def _install(packages: Iterable[str], progress: Callable[[str], None]) -> None:
    progress(f"Installing {' '.join(packages)}")
    install = ("--no-install-recommends", "install", *packages)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # A fresh machine has no package lists yet.
    for act in (("update",), install):
        command = ["apt-get", "-q", "-y", *act]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise MissingOnHost(
            f"apt-get could not install {' '.join(packages)}: {last} "
            f"Next, by hand: apt-get install {' '.join(packages)}"
        )


def _require_user_namespaces() -> None:
    user = pwd.getpwuid(os.getuid())
    for file in ("/etc/subuid", "/etc/subgid"):
        path = Path(file)
        text = path.read_text() if path.exists() else ""
        if not has_subids(text, user.pw_name, user.pw_uid):
            raise MissingOnHost(no_subids_message(user.pw_name, file))
    probe = subprocess.run(
        [*user_namespace(), "true"], env=environment(), capture_output=True, text=True, check=False
    )
    if probe.returncode:
        raise MissingOnHost(
            f"{user.pw_name} may not make user namespaces ({probe.stderr.strip() or 'untold'}). "
            "Next, as root: sysctl -w user.max_user_namespaces=10000 (older Debian: also "
            "kernel.unprivileged_userns_clone=1; Ubuntu: "
            "kernel.apparmor_restrict_unprivileged_userns=0), or run the lab as root."
        )


def has_subids(text: str, name: str, uid: int) -> bool:
    """Whether a subuid(5) file gives the user, by name or number, ids for a whole system."""
    for line in text.splitlines():
        owner, _, rest = line.strip().partition(":")
        count = rest.rpartition(":")[2]
        if owner in (name, str(uid)) and count.isdigit() and int(count) >= FEWEST_SUBIDS:
            return True
    return False


def no_subids_message(user: str, file: str) -> str:
    """One line: the range that is missing, and the command that gives it."""
    return (
        f"{file} gives {user} no range of {FEWEST_SUBIDS} ids, which the image needs. "
        f"Next, as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
    )


def user_namespace() -> list[str]:
    """The command prefix that makes uid 0 with a whole range of ids out of an ordinary user."""
    return ["unshare", "--user", "--map-root-user", "--map-auto"]


def cpu(index: int) -> int:
    """The CPU for the node of that index: one after the other of those that we may use."""
    ours = sorted(os.sched_getaffinity(0))
    return ours[index % len(ours)]


def transport() -> str:
    """`tap` where this process may make one, else `raw`: a packet socket on a veth pair's end."""
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError:
        return "raw"
    return "tap"
