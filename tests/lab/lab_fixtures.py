"""What the lab's own tests share: labs that nobody else sees, and looks at the machine."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from selfbalance.lab import Lab, host
from selfbalance.lab.processes import recorded
from selfbalance.lab.state import StateFolder


def skip_unless_bootable():
    """In CI a lab that cannot boot is a failure; on a laptop it is a reason to skip."""
    try:
        host.require(False, print)
    except host.MissingOnHost as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


@contextlib.contextmanager
def private_state(folder):
    """Labs of these tests are kept apart from the ones that a person has up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield patch


@contextlib.contextmanager
def running(name, folder, **options):
    skip_unless_bootable()
    with private_state(folder):
        lab = Lab.up(name, **options)
        try:
            yield lab
        finally:
            lab.down()


def cli(*words):
    """The command line as a person starts it."""
    return [sys.executable, "-c", "from selfbalance.cli import main; main()", "lab", *words]


def call(*words, timeout=120):
    return subprocess.run(cli(*words), capture_output=True, text=True, timeout=timeout, check=False)


def namespace(pid, kind):
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def pids_in(kind, namespaces):
    """Every process of the machine that is in one of the namespaces."""
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return {pid for pid in pids if namespace(pid, kind) in namespaces}


def networks_of(lab):
    """The network namespaces of the hub, of the client and, where there is one, of the router."""
    records = [StateFolder(lab.name).record(what) for what in ("holder", "client", "router")]
    return {namespace(recorded(each).pid, "net") for each in records if each.exists()}


def pids_of_node(lab, node):
    """Every host process of one node: they share its pid namespace."""
    process = recorded(StateFolder(lab.name).record(node))
    return pids_in("pid", {namespace(process.pid, "pid")})


def cpus_of(pids):
    """The CPUs that any of these processes may run on; one that has ended meanwhile has none."""
    cpus = set()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            cpus |= os.sched_getaffinity(pid)
    return cpus


def machine():
    """What a lab could leave behind on this machine besides processes."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True)
    loops = subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=True)
    named = Path("/run/netns")
    return {
        "links": {line.split(":")[1] for line in links.stdout.splitlines()},
        "loops": set(loops.stdout.splitlines()),
        "mounts": set(Path("/proc/self/mounts").read_text().splitlines()),
        "named": {path.name for path in named.iterdir()} if named.is_dir() else set(),
    }


def left_since(before):
    """What is there now and was not before."""
    return {what: now - before[what] for what, now in machine().items() if now - before[what]}
