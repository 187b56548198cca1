"""A whole lab: bring it up, do harm to it, look at it, take it down."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from selfbalance.lab import backport, host, image, network, node, repository, ssh
from selfbalance.lab.errors import LabError
from selfbalance.lab.load import PROBE_TIMEOUT_S, Job, Load, Probe
from selfbalance.lab.load import requests as quick_requests
from selfbalance.lab.model import INTERFACES, LabNode
from selfbalance.lab.model import nodes as make_nodes
from selfbalance.lab.processes import recorded
from selfbalance.lab.state import LabState, StateFolder

BOOT_TIMEOUT_S = 90.0
DEFAULT_NAME = "lab"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class NodeStatus:
    """What can be seen of a node from outside."""

    node: LabNode
    powered: bool
    plugged: bool
    answers: bool


class Lab:
    """A running lab. Get one by `Lab.up()` or `Lab.running()`."""

    def __init__(self, folder: StateFolder, state: LabState) -> None:
        self._folder = folder
        self._state = state

    @classmethod
    def up(  # noqa: PLR0913 - each is a choice of the person who boots the lab
        cls,
        name: str = DEFAULT_NAME,
        *,
        nodes: int = 3,
        far: int = 0,
        suite: str = "bookworm",
        interface: str = "eth0",
        memory_mb: int = 384,
        fresh: bool = False,
        install: bool = False,
        progress: Progress = print,
    ) -> Lab:
        """Boot a lab and return once ssh answers on every node; on any failure nothing is left.

        The last `far` nodes are on a network of their own, behind a router.
        """
        folder = StateFolder(name)
        chosen = make_nodes(nodes, far)
        if interface not in INTERFACES:
            raise LabError(f"No interface {interface!r}: the lab makes {' or '.join(INTERFACES)}.")
        host.require(install, progress)
        with folder.locked():
            _make_room(folder, fresh, progress)
            built = image.ensure(suite, progress)
            state = LabState(
                name=name,
                suite=suite,
                interface=interface,
                transport=host.transport(),
                memory_mb=memory_mb,
                image=str(built.path),
                user_namespace=not host.is_root(),
                nodes=chosen,
            )
            try:
                return _boot(folder, state, progress)
            except BaseException:
                _take_down(folder)
                raise

    @classmethod
    def running(cls, name: str | None = None) -> Lab:
        """The lab of that name, or of SELFBALANCE_LAB's; a LabError when it is not up."""
        name = name or os.environ.get("SELFBALANCE_LAB", DEFAULT_NAME)
        folder = StateFolder(name)
        state = folder.read()
        if state is None or not state.complete or not _holder_lives(folder):
            raise LabError(_not_running(name))
        return cls(folder, state)

    @property
    def name(self) -> str:
        """The lab's name, by which `Lab.running` finds it."""
        return self._state.name

    @property
    def nodes(self) -> tuple[LabNode, ...]:
        """All nodes, in order."""
        return self._state.nodes

    @property
    def interface(self) -> str:
        """The data interface of every node: eth0 or bond0."""
        return self._state.interface

    @property
    def suite(self) -> str:
        """The Debian suite of every node."""
        return self._state.suite

    @property
    def transport(self) -> str:
        """How the nodes are wired: tap or raw."""
        return self._state.transport

    @property
    def ssh_config(self) -> Path:
        """For `ssh -F`, and for pyinfra's `ssh_config_file`."""
        return self._folder.ssh_config

    def node(self, name: str) -> LabNode:
        """The node of that name; a LabError that lists the known ones otherwise."""
        for one in self.nodes:
            if one.name == name:
                return one
        known = ", ".join(one.name for one in self.nodes)
        raise LabError(f"Lab {self.name!r} has no node {name!r}. It has: {known}")

    def run(
        self,
        node: str,
        command: str,
        timeout: float = 60,
        check: bool = True,
        input: str | None = None,  # noqa: A002 - subprocess's word
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command on a node by ssh; with `check`, a failure is a LabError."""
        if not self.ssh_config.exists():
            raise LabError(_not_running(self.name))
        argv = [*ssh.kept(self.ssh_config, self.node(node).name, "-o", "BatchMode=yes"), command]
        done = _bounded(argv, timeout, input, f"{node}: `{command}`", self._folder.path)
        if check and done.returncode:
            said = (done.stderr.strip() or done.stdout.strip())[-2000:]
            raise LabError(f"{node}: `{command}` ended with {done.returncode}: {said}")
        return done

    def client(
        self,
        argv: Sequence[str],
        timeout: float = 60,
        input: str | None = None,  # noqa: A002 - subprocess's word
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the client: this machine's programs, a network of its own."""
        return _bounded(self.client_command(*argv), timeout, input, f"client: `{' '.join(argv)}`")

    def client_command(self, *argv: str) -> list[str]:
        """`argv`, run on the client."""
        return self._namespaces("client").command(*argv)

    def power_off(self, name: str) -> None:
        """A power failure: every process of the node gets SIGKILL. Its disk stays as it is."""
        process = recorded(self._folder.record(self.node(name).name))
        if process is not None:
            process.kill()
        ssh.forget(self.ssh_config, name)

    def power_on(self, name: str, fresh: bool = False) -> None:
        """Boot a node from its own disk and wait until ssh answers.

        A `fresh` one is another machine of that name: its disks are as the lab's first boot had
        them.
        """
        one = self.node(name)
        if self._powered(one):
            raise LabError(
                f"{name} has power already. Next: selfbalance lab status{_named(self.name)}"
            )
        if fresh:
            self._folder.disk(name).unlink(missing_ok=True)
            node.make_data_disk(self._folder, one)
        self._start(one)
        self._wait_for((one,))

    def cable(self, name: str, plugged: bool) -> None:
        """Plug the node's network cable, or pull it. The node sees no loss of carrier."""
        network.plug(self._namespaces(), self.node(name), plugged)

    def publish(
        self,
        what: str,
        version: str | None = None,
        change: repository.Change | None = None,
    ) -> str:
        """Put a package of the repository under a new version, or a .deb; returns the version.

        `change` is called with the folder of its unpacked files, before it is built again.
        """
        return repository.publish(self._folder.repository, what, version, change)

    def withdraw(self, package: str, version: str) -> None:
        """Take a version out of the repository; the nodes see it at their next apt-get update."""
        repository.withdraw(self._folder.repository, package, version)

    def publish_from(self, suite: str, package: str, progress: Progress = print) -> str:
        """Put another Debian suite's package there, built for the nodes'; returns its version.

        The build takes about two minutes, once; it is kept beside the images. What the nodes'
        suite's backports have, with what it needs and nodes lack, is downloaded instead.
        """
        built = backport.ensure(package, suite, self.suite, progress)
        versions = {deb.package: self.publish(str(deb.path), deb.version) for deb in built}
        return versions[package]

    def load(
        self,
        url: str,
        sessions: int = 60,
        probe_interval: float = 0.02,
        duration: float = 25,
        session_seconds: int = 20,
        first_port: int | None = None,
    ) -> Load:
        """Long sessions and quick probes against `url`; a context manager (see `Load`).

        Two with the same `first_port` use the same source ports, as clients behind a busy NAT do:
        the second one meets what the first has left in the nodes' tables.
        """
        return Load(
            self.client_command,
            Job(url, sessions=sessions, probe_interval=probe_interval, duration=duration,
                     session_seconds=session_seconds, first_port=first_port),
        )  # fmt: skip

    def steady_load(
        self,
        url: str,
        sessions: int = 200,
        probe_interval: float = 0.05,
        session_seconds: int = 20,
        most_s: float = 900,
        answer_s: float = PROBE_TIMEOUT_S,
    ) -> Load:
        """Always so many long sessions, each followed by another, until the block is left.

        For what takes as long as it takes; but `most_s` is the most. A probe fails if it is not
        connected within a second, or not answered within `answer_s`.
        """
        return Load(
            self.client_command,
            Job(url, sessions=sessions, probe_interval=probe_interval, duration=most_s,
                     session_seconds=session_seconds, steady=True, answer_s=answer_s),
        )  # fmt: skip

    def requests(self, url: str, count: int, timeout: float = 60) -> list[Probe]:
        """`count` quick requests, a few at a time, each on a connection of its own."""
        return quick_requests(self.client_command, url, count, timeout)

    def powered(self) -> tuple[str, ...]:
        """The names of the nodes that have power; none of them is asked."""
        return tuple(one.name for one in self.nodes if self._powered(one))

    def status(self) -> list[NodeStatus]:
        """Every node's power, cable and answer; the nodes are asked at the same time."""
        ports = network.plugged(self._namespaces())
        powered = {one.name: self._powered(one) for one in self.nodes}
        with ThreadPoolExecutor(max_workers=8) as pool:
            answers = pool.map(
                lambda one: powered[one.name] and ssh.answers(self.ssh_config, one.name), self.nodes
            )
            return [
                NodeStatus(one, powered[one.name], ports.get(one.port, False), answer)
                for one, answer in zip(self.nodes, answers, strict=True)
            ]

    def down(self) -> None:
        """Take the lab down; nothing of it is left but the image."""
        take_down(self.name)

    def _powered(self, one: LabNode) -> bool:
        process = recorded(self._folder.record(one.name))
        return process is not None and process.alive

    def _namespaces(self, of: str = "holder") -> network.Namespaces:
        return network.namespaces(self._folder, self._state.user_namespace, of)

    def _start(self, one: LabNode) -> None:
        node.start(self._folder, self._state, one, self._namespaces())

    def _wait_for(self, nodes: Sequence[LabNode]) -> None:
        deadline, enough = time.monotonic() + BOOT_TIMEOUT_S, threading.Event()
        pool = ThreadPoolExecutor(max_workers=len(nodes))
        try:
            asked = [pool.submit(self._wait_for_one, one, deadline, enough) for one in nodes]
            for answer in as_completed(asked):
                answer.result()
        finally:
            enough.set()  # after a failure, or Ctrl-C, nobody waits for the others
            pool.shutdown(wait=False, cancel_futures=True)

    def _wait_for_one(self, one: LabNode, deadline: float, enough: threading.Event) -> None:
        while not ssh.answers(self.ssh_config, one.name):
            if enough.wait(0.3):
                return
            if not self._powered(one):
                raise LabError(f"{one.name} lost power while booting. {self._console(one)}")
            if time.monotonic() > deadline:
                raise LabError(
                    f"{one.name} does not answer ssh {BOOT_TIMEOUT_S:.0f} s after power-on. "
                    f"{self._console(one)}"
                )

    def _console(self, one: LabNode) -> str:
        log = self._folder.log(one.name)
        last = log.read_text(errors="replace").strip().splitlines()[-3:]
        return f"Its console ends with: {' | '.join(last) or 'nothing'}"


def take_down(name: str) -> bool:
    """Take a lab down, complete or not; False when there was nothing to take down."""
    folder = StateFolder(name)
    with folder.locked():
        there = folder.path.exists()
        _take_down(folder)
        return there


def _make_room(folder: StateFolder, fresh: bool, progress: Progress) -> None:
    """Nothing of that name may be left when a lab starts."""
    if not folder.path.exists():
        return
    if _is_complete(folder) and _holder_lives(folder):
        if not fresh:
            raise LabError(_refusal(folder))
        progress(f"Taking down lab {folder.name!r}")
    else:
        progress(f"Lab {folder.name!r} did not end well the last time; cleaning up what it left")
    _take_down(folder)


def _is_complete(folder: StateFolder) -> bool:
    try:
        state = folder.read()
    except LabError:
        return False
    return state is not None and state.complete


def _refusal(folder: StateFolder) -> str:
    state = folder.read()
    assert state is not None  # noqa: S101 - it is complete
    named = _named(folder.name)
    return (
        f"Lab {folder.name!r} is running: {len(state.nodes)} nodes of {state.suite} on "
        f"{state.interface}. Next: selfbalance lab status{named}, or selfbalance lab down{named}, "
        f"or selfbalance lab up --fresh{named}"
    )


def _not_running(name: str) -> str:
    return f"Lab {name!r} is not running. Next: selfbalance lab up{_named(name)}"


def _named(name: str) -> str:
    """What a command needs besides to mean this lab."""
    return "" if name == DEFAULT_NAME else f" --name {name}"


def _holder_lives(folder: StateFolder) -> bool:
    holder = recorded(folder.record("holder"))
    return holder is not None and holder.alive


def _take_down(folder: StateFolder) -> None:
    """Kill the root of the tree; the kernel takes its namespaces with all that is inside."""
    holder = recorded(folder.record("holder"))
    if holder is not None:
        holder.kill()
    shutil.rmtree(folder.path, ignore_errors=True)


def _boot(folder: StateFolder, state: LabState, progress: Progress) -> Lab:
    progress(
        f"Booting {len(state.nodes)} nodes of {state.suite} ({state.transport}, {state.interface})"
    )
    began = time.monotonic()
    folder.uml.mkdir(parents=True)
    folder.write(state)
    built = image.Image(Path(state.image))
    network.start_holder(folder)
    hub = network.namespaces(folder, state.user_namespace)
    client = network.start_client(folder, hub)
    network.build_hub(hub, client.pid, state.transport, state.nodes)
    network.build_client(
        network.namespaces(folder, state.user_namespace, "client"), state.transport, state.routed
    )
    if state.routed:
        router = network.start_router(folder, hub)
        inside = network.namespaces(folder, state.user_namespace, "router")
        network.build_router(hub, inside, router.pid, state.transport)
    ssh.write(folder, built, hub, state.nodes)
    for one in state.nodes:
        node.make_data_disk(folder, one)
        node.start(folder, state, one, hub)
    repository.fill(folder.repository, built.debs)
    repository.start(folder, hub)
    lab = Lab(folder, state.completed())
    lab._wait_for(state.nodes)
    folder.write(state.completed())
    progress(f"ssh answers on {len(state.nodes)} nodes after {time.monotonic() - began:.1f} s")
    return lab


def _bounded(
    argv: Sequence[str],
    timeout_s: float,
    input: str | None,  # noqa: A002
    what: str,
    folder: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command in a session of its own, and kill all of that session when time is up."""
    with subprocess.Popen(
        argv,
        env=host.environment(),
        stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        cwd=folder,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(input, timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            raise LabError(f"{what} did not end within {timeout_s:.0f} s.") from error
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(list(argv), process.returncode, out, err)
