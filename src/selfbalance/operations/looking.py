"""Looking at nodes through pyinfra: one command a node, and never twice for the same sight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import gevent
from gevent.event import AsyncResult
from pyinfra.api import FactBase
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.state import State, StateStage
from pyinfra.context import ctx_state
from typing_extensions import override

from selfbalance.deployment import Deployment
from selfbalance.errors import ObservationError
from selfbalance.inventory import DATA_KEY
from selfbalance.observed import (
    ClusterState,
    NodeState,
    Shared,
    Unobserved,
    observation_script,
    parse,
    parse_volumes,
    volumes_script,
)
from selfbalance.operations.connecting import LOST, connect


class Observation(FactBase[str | None]):
    """What a node reports of itself; None where the command failed, which is no healthy value.

    It takes the node's name, not the script: pyinfra shows a fact's arguments when it fails.
    """

    @override
    def command(self, node: str) -> str:
        described = deployment_of(_state().inventory.get_host(node))
        return observation_script(described.cluster, described.desired[node])

    @staticmethod
    @override
    def default() -> str | None:
        return None

    @override
    def process(self, output: Iterable[str]) -> str | None:
        return "\n".join(output)


class Volumes(Observation):
    """What gluster reports of the volumes as a whole, on one node."""

    @override
    def command(self, node: str) -> str:
        described = deployment_of(_state().inventory.get_host(node))
        return volumes_script(described.desired[node].volumes)


_EARLIER: dict[str, Deployment] = {}
"""What this run deploys instead of what the inventory says, by cluster: it goes back."""


def work_with(host: Host, earlier: Deployment) -> None:
    """Let this run deploy an earlier description of the host's cluster."""
    _EARLIER[_described(host).cluster.name] = earlier


def goes_back(host: Host) -> bool:
    """Whether this run deploys an earlier description of the host's cluster."""
    return _described(host).cluster.name in _EARLIER


def deployment_of(host: Host) -> Deployment:
    """Return the deployment of this host's cluster: the inventory's, or the one it goes back to.

    Raises `PyinfraError`.
    """
    found = _described(host)
    return _EARLIER.get(found.cluster.name, found)


def _described(host: Host) -> Deployment:
    found = getattr(host.data, DATA_KEY, None)
    if not isinstance(found, Deployment):
        raise PyinfraError(
            f"{host.name} belongs to no described cluster; "
            "make the inventory's group with selfbalance.inventory.hosts()"
        )
    return found


class Sights:
    """What was seen in this run, so that no operation asks again for what is still true.

    A sight belongs to a stage of the run (a dry look while preparing is never used to execute) and
    ends when something was done to the node. Two that ask at once share one look.
    """

    def __init__(self) -> None:
        self._sights: dict[tuple[StateStage, str], AsyncResult[NodeState | Unobserved]] = {}
        self._answers: dict[tuple[StateStage, str], AsyncResult[Shared]] = {}
        self._first: dict[tuple[StateStage, str], NodeState] = {}

    def of(self, host: Host) -> NodeState | Unobserved:
        """Return the last sight of a node, looking if there is none."""
        key = (_stage(), host.name)
        if key not in self._sights:
            sight = self._sights[key] = AsyncResult()
            try:
                sight.set(seen := look(host))
                if isinstance(seen, NodeState):
                    self._first.setdefault(key, seen)
            except Exception as error:  # Who shares the look shall not wait on.
                sight.set_exception(error)
        return self._sights[key].get() or Unobserved(host.name, "nobody looked")

    def forget(self, host: Host) -> None:
        """Say that something was done to the node: what was seen of it is no longer true."""
        self._sights.pop((_stage(), host.name), None)
        self._answers.pop((_stage(), ""), None)

    def of_all(self, hosts: Iterable[Host]) -> ClusterState:
        """Return one sight of each node, looking at all of them at the same time."""
        looks = [gevent.spawn(self.of, host) for host in hosts]
        gevent.joinall(looks, raise_error=True)
        return ClusterState(tuple(each.get() for each in looks))

    def first_of(self, hosts: Iterable[Host]) -> dict[str, NodeState]:
        """Return what was seen of each node before this run did anything to it, by name."""
        first = {host.name: self._first.get((_stage(), host.name)) for host in hosts}
        return {name: seen for name, seen in first.items() if seen}

    def shared(self, hosts: Sequence[Host], state: ClusterState) -> Shared:
        """Return what one node was told of the volumes as a whole, where there are any.

        That takes seconds, so it is asked where it matters only; who asks at once shares the
        answer.
        """
        if not deployment_of(hosts[0]).cluster.volumes:
            return Shared()
        key = (_stage(), "")
        if key not in self._answers:
            answer = self._answers[key] = AsyncResult()
            try:
                answer.set(look_at_volumes(hosts, state))
            except Exception as error:
                answer.set_exception(error)
        return self._answers[key].get() or Shared()


SIGHTS = Sights()
"""The sights of this process's run: pyinfra runs once in a process."""


def look_at_all(hosts: Iterable[Host]) -> ClusterState:
    """Look at every node now, whatever was seen before."""
    hosts = list(hosts)
    for host in hosts:
        SIGHTS.forget(host)
    return SIGHTS.of_all(hosts)


def look(host: Host) -> NodeState | Unobserved:
    """Look at one node. Whatever goes wrong makes it unobserved, never empty."""
    if host in _state().failed_hosts:
        return Unobserved(host.name, "ssh failed earlier in this run")
    try:
        connect(host)
        text = host.get_fact(Observation, node=host.name, _ignore_errors=True)
        if text is None:
            return Unobserved(
                host.name, "the observing command failed; is ssh alive, sudo allowed?"
            )
        return parse(host.name, text)
    except (*LOST, ObservationError) as error:
        return Unobserved(host.name, str(error) or type(error).__name__)


def look_at_volumes(hosts: Sequence[Host], state: ClusterState) -> Shared:
    """Ask one node about the volumes as a whole: gluster's commands lock out each other."""
    observer = next((host for host in hosts if host.name == state.observer), None)
    if observer is None:
        return Shared(unknown="gluster answers on no node")
    want = deployment_of(observer).desired[observer.name]
    try:
        text = observer.get_fact(Volumes, node=observer.name, _ignore_errors=True)
        if text is None:
            raise ObservationError("the observing command failed")
        volumes = parse_volumes(want.pool[observer.name], text)
    except (*LOST, ObservationError) as error:
        return Shared(observer.name, {}, f"{observer.name}: {error or type(error).__name__}")
    return Shared(observer.name, volumes)


def _state() -> State:
    # Not `from pyinfra import state`: that one is a proxy (docs/decisions/0002).
    state: State = ctx_state.get()
    return state


def _stage() -> StateStage:
    return _state().current_stage


def cluster_hosts(host: Host) -> list[Host]:
    """Return the hosts of this host's cluster, in the order of the description, limited or not."""
    cluster = deployment_of(host).cluster
    by_name = {each.name: each for each in _state().inventory}
    return [by_name[node.name] for node in cluster.nodes]


def taking_part() -> set[str]:
    """Return the names of the hosts that this run changes: all, or what `--limit` names."""
    return {each.name for each in _state().activated_hosts}


def lost_hosts(host: Host) -> list[str]:
    """Return the hosts of this host's cluster that failed earlier in this run."""
    failed = _state().failed_hosts
    return [each.name for each in cluster_hosts(host) if each in failed]


def is_controller(host: Host) -> bool:
    """Whether this host carries its cluster's one operation: the first that takes part."""
    active = _state().activated_hosts
    taking_part = [each for each in cluster_hosts(host) if each in active]
    return bool(taking_part) and taking_part[0] is host
