"""One node: a User Mode Linux kernel in a pid namespace of its own; killing it is a power cut."""

from __future__ import annotations

import subprocess
from pathlib import Path

from selfbalance.lab import host
from selfbalance.lab.errors import LabError
from selfbalance.lab.image import FILES, Image
from selfbalance.lab.model import ROUTER_HOST, LabNode, address, address6
from selfbalance.lab.network import Namespaces, guest_end
from selfbalance.lab.processes import Process, recording, start_detached
from selfbalance.lab.state import LabState, StateFolder

DATA_MB = 512


def make_data_disk(folder: StateFolder, node: LabNode) -> None:
    """Make the node's second disk, empty: a sparse file with a file system."""
    disk = folder.data_disk(node.name)
    done = subprocess.run(
        ["mke2fs", "-q", "-t", "ext4", "-F", str(disk), f"{DATA_MB}M"],
        env=host.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError(f"{node.name} has no second disk: {done.stderr.strip()}")


def start(folder: StateFolder, state: LabState, node: LabNode, hub: Namespaces) -> Process:
    """Power on. The recorded process is pid 1 of the namespace that all of the node is in.

    It stays on one CPU: UML's kernel and its processes wake each other at every system call, which
    takes several times as long from one CPU to another.
    """
    record = folder.record(node.name)
    preload = Image(Path(state.image)).preload
    kernel = ["env", f"LD_PRELOAD={preload}"] if preload else []
    kernel += [str(_starter(folder)), *kernel_arguments(folder, state, node)]
    inside = ["unshare", "--pid", "--fork", "--kill-child", *recording(record, kernel)]
    inside = ["taskset", "--cpu-list", str(host.cpu(state.nodes.index(node))), *inside]
    if host.is_root():
        # What deploys to the nodes and loads them runs beside them: it waits before they do.
        inside = ["nice", "-n", "-10", *inside]
    return start_detached(hub.command(*inside), folder.log(node.name), record, cwd=folder.path)


def _starter(folder: StateFolder) -> Path:
    """The script that starts UML, made executable in the lab's own folder."""
    starter = folder.uml / "uml"
    if not starter.exists():
        starter.write_text((FILES / "uml").read_text())
        starter.chmod(0o700)
    return starter


def kernel_arguments(folder: StateFolder, state: LabState, node: LabNode) -> list[str]:
    """The kernel's command line: UML's own words first, then what the node reads of it."""
    port = node.port if state.transport == "tap" else guest_end(node)
    disk = Image(Path(state.image)).disk
    return [
        f"mem={state.memory_mb}M",
        f"umid={node.name}",
        "uml_dir=uml/",  # below the working folder: a UNIX socket's path must stay short
        f"ubd0={folder.disk(node.name)},{disk}",
        f"ubd1={folder.data_disk(node.name)}",
        f"vec0:transport={state.transport},ifname={port},mac={node.mac},depth=128,gro=1",
        "con=null",
        "con0=null,fd:1",
        "ssl=null",
        "root=/dev/ubda",
        "rw",
        # A power cut loses what is in the guest's memory, never what this machine has taken:
        # there is no need to wait for the machine's own disk.
        "rootflags=barrier=0",
        "quiet",
        "net.ifnames=0",
        f"systemd.hostname={node.name}",
        "systemd.show_status=false",
        f"lab.interface={state.interface}",
        f"lab.address={node.address}/24",
        f"lab.address6={node.address6}/64",
        *_gateways(state, node),
    ]


def _gateways(state: LabState, node: LabNode) -> list[str]:
    """Where a node of a lab with a router sends what is not for its own network."""
    if not state.routed:
        return []
    return [
        f"lab.gateway={address(ROUTER_HOST, node.far)}",
        f"lab.gateway6={address6(ROUTER_HOST, node.far)}",
    ]
