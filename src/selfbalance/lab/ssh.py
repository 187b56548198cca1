"""How the controller reaches the nodes: an ssh_config that OpenSSH and paramiko read alike."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from selfbalance.lab import host
from selfbalance.lab.image import Image
from selfbalance.lab.model import LabNode
from selfbalance.lab.network import Namespaces
from selfbalance.lab.state import StateFolder

#: Seconds that an unused connection stays. Short: what a node that died meanwhile left of it hangs.
KEPT_S = 10


def write(folder: StateFolder, image: Image, hub: Namespaces, nodes: Iterable[LabNode]) -> None:
    """Write the lab's ssh_config and known_hosts."""
    nodes = tuple(nodes)
    folder.known_hosts.write_text(known_hosts(nodes, image.host_key))
    text = ssh_config(
        nodes, hub.command("nc", "-q", "0", "%h", "%p"), image.identity, folder.known_hosts
    )
    folder.ssh_config.write_text(text)


def known_hosts(nodes: Iterable[LabNode], host_key: str) -> str:
    """One line per node: the image's host key under each of its names."""
    return "".join(f"{node.name},{node.address},{node.address6} {host_key}\n" for node in nodes)


def ssh_config(
    nodes: Iterable[LabNode], proxy: list[str], identity: Path, known_hosts: Path
) -> str:
    """A Host per node. `nc -q 0` ends with its input, so no connection outlives who opened it."""
    common = f"""\
  User root
  IdentityFile {identity}
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {known_hosts}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  ProxyCommand {" ".join(proxy)}
  ConnectTimeout 15
  ServerAliveInterval 15
  LogLevel ERROR
"""
    return "".join(f"Host {node.name}\n  HostName {node.address}\n{common}\n" for node in nodes)


def command(ssh_config: Path, node: str, *options: str) -> list[str]:
    """The ssh call for one node; what to run there comes after it."""
    return ["ssh", "-F", str(ssh_config), *options, node]


def kept(ssh_config: Path, node: str, *options: str) -> list[str]:
    """The same over a connection that stays for the next such call, to be run in the lab's folder.

    Letting somebody in costs a lab node a second of a CPU, running something a quarter of one.
    See ControlMaster in ssh_config(5).
    """
    sharing = ("ControlMaster=auto", f"ControlPersist={KEPT_S}", f"ControlPath={_socket(node)}")
    shared = [word for option in sharing for word in ("-o", option)]
    return command(ssh_config, node, *shared, *options)


def forget(ssh_config: Path, node: str) -> None:
    """Close the connection that `kept` calls have left, if there is one."""
    if not (ssh_config.parent / _socket(node)).exists():
        return
    subprocess.run(
        command(ssh_config, node, "-o", f"ControlPath={_socket(node)}", "-O", "exit"),
        cwd=ssh_config.parent,
        env=host.environment(),
        capture_output=True,
        check=False,
    )


def _socket(node: str) -> str:
    """Relative to the lab's folder: a path of a socket has 108 bytes at most (unix(7))."""
    return f"{node}.ssh"


def answers(ssh_config: Path, node: str, timeout_s: float = 5) -> bool:
    """Whether the node lets us in and runs something, within the time."""
    argv = [*command(ssh_config, node, "-o", "BatchMode=yes"), "true"]
    try:
        done = subprocess.run(
            argv,
            env=host.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
