"""Operations `drained` and `undrained`: a realserver gets no new clients, on every director."""

from __future__ import annotations

import time
from collections.abc import Collection, Generator
from functools import partial

import gevent
from pyinfra.api import FunctionCommand, operation
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host
from pyinfra.context import ctx_host

from selfbalance.gates import View, judge
from selfbalance.observed import NodeState, Unobserved
from selfbalance.operations import shell
from selfbalance.operations.context import ask, carried_out, executing, refusal
from selfbalance.operations.gating import Gates, left_out
from selfbalance.operations.locking import Lock, whoami
from selfbalance.operations.looking import (
    SIGHTS,
    cluster_hosts,
    deployment_of,
    look_at_all,
    taking_part,
)
from selfbalance.operations.saying import say, say_nothing_to_do
from selfbalance.plan import drain_objection, stranger, untold

TAKEN_WITHIN_S = 15.0
"""How long directors may take to give a realserver the weight that its file says, in seconds."""


@operation(_set_in_op=False)
def drained(node: str, timeout_s: float = 300.0) -> Generator[FunctionCommand, None, None]:
    """Give a realserver weight 0 on every director, then wait until it serves nobody.

    Raises `OperationError` if a director does not take it, or if sessions outlast `timeout_s`: the
    node stays drained then.

    + node: name of the realserver
    + timeout_s: how long its sessions may last, in seconds
    """
    host = ctx_host.get()
    directors = Directors(host)
    view = directors.view()
    if objection := drain_objection(view, node, taking_part()):
        yield refusal(f"{objection}; nothing was changed")
        return
    to_tell = directors.untold(view, node)
    if not to_tell and directors.is_done(view, node):
        say_nothing_to_do(host, f"{node} is drained and serves nobody")
        return
    by = f" by {' '.join(to_tell)}" if to_tell else ""
    say(f"{host.print_prefix}{node}: sent no new clients{by}; wait until it serves nobody")
    yield from carried_out(partial(directors.drain, node, timeout_s))


@operation(_set_in_op=False)
def undrained(node: str, patience_s: float = 30.0) -> Generator[FunctionCommand, None, None]:
    """Give a drained realserver its weight back, on every director, and prove the cluster.

    Raises `OperationError` if it gets no weight: its check may fail.

    + node: name of the realserver
    + patience_s: how long the gates are asked again before they count as shut, in seconds
    """
    host = ctx_host.get()
    directors = Directors(host)
    view = directors.view()
    if objection := stranger(view, node) or untold(view, taking_part()):
        yield refusal(f"{objection}; nothing was changed")
        return
    if node not in view.drained() and not any("drained" in s.unknown for s in view.state.seen):
        say_nothing_to_do(host, f"{node} is not drained")
        return
    ready = deployment_of(host)
    gates = Gates(ready, cluster_hosts(host), patience_s, left_out(judge(view, ready.plugins)))
    say(f"{host.print_prefix}{node}: sent clients again by {' '.join(directors.active)}")
    yield from carried_out(partial(directors.undrain, node))
    if executing():
        gates.prove(state=None)


class Directors:
    """The nodes of a cluster that balance, told who gets new clients."""

    def __init__(self, host: Host) -> None:
        """Return those of a host's cluster."""
        self.ready = deployment_of(host)
        self.hosts = cluster_hosts(host)
        directors = [node.name for node in self.ready.cluster.nodes if node.director]
        self.active = [name for name in directors if name in taking_part()]

    def view(self) -> View:
        """Return this run's last look at the cluster."""
        return View(self.ready.cluster, self.ready.desired, SIGHTS.of_all(self.hosts))

    def drain(self, node: str, timeout_s: float) -> None:
        """Tell every director, wait for the weight, then for the sessions.

        Nobody is kept from other changes by that last wait: it may be long.
        """
        if self.untold(self.view(), node):
            with Lock.of_cluster(self.hosts).held():
                if objection := drain_objection(self._look(), node, taking_part()):
                    raise OperationError(f"{objection}; nothing was changed")
                self.stop_clients(node, whoami())
        else:
            self._wait_for_weight(node, drained=True)
        self.wait_for_sessions(node, timeout_s)

    def stop_clients(self, node: str, by: str) -> None:
        """Tell every director that does not know yet, and wait for the weight."""
        words = f"{int(time.time())} {by}"
        self._tell(self.untold(self.view(), node), f"Drain {node}", shell.drain(node, words))
        self._wait_for_weight(node, drained=True)

    def undrain(self, node: str) -> None:
        """Tell every director, and wait for the weight."""
        with Lock.of_cluster(self.hosts).held():
            if objection := untold(self._look(), taking_part()):
                raise OperationError(f"{objection}; nothing was changed")
            self.send_clients(node)
            self._wait_for_weight(node, drained=False)

    def send_clients(self, node: str) -> None:
        """Tell every director that a realserver gets clients again."""
        self._tell(self.active, f"Put {node} back", shell.undrain(node))

    def untold(self, view: View, node: str) -> list[str]:
        """Return who has still to be told of a drain: one that was told keeps who told it."""
        told = {seen.name for seen in view.drained().get(node, ()) if _by_us(seen, node)}
        return [name for name in self.active if name not in told]

    def is_done(self, view: View, node: str) -> bool:
        """Whether no director sends it new clients, and it serves nobody."""
        seen = view.state[node]
        served = None if isinstance(seen, Unobserved) else self._sessions(seen)
        return served == 0 and not self._late(view, node, drained=True)

    def _tell(self, directors: Collection[str], what: str, command: str) -> None:
        hosts = [host for host in self.hosts if host.name in directors]
        asked = [gevent.spawn(ask, host, command, shown=True) for host in hosts]
        gevent.joinall(asked, raise_error=True)
        for host in hosts:
            SIGHTS.forget(host)
        for host, answer in zip(hosts, (each.get() for each in asked), strict=True):
            if not answer.good:
                raise OperationError(
                    f"{what}: {host.name} could not be told ({answer.wrong}); directors may "
                    "differ now; look: status.py; then run this again"
                )

    def _wait_for_weight(self, node: str, drained: bool) -> None:
        """Wait until every director that was told has the weight in its table."""
        deadline = time.monotonic() + TAKEN_WITHIN_S
        while late := self._late(self._look(), node, drained):
            if time.monotonic() >= deadline:
                state = "may still have weight" if drained else "has no weight"
                raise OperationError(
                    f"{node} {state} on {' and '.join(late)} after {TAKEN_WITHIN_S:.0f} s; it is "
                    f"{'drained' if drained else 'no longer drained'} in every director's file; "
                    f"on {late[0]}: journalctl -u keepalived -n 50"
                )
            time.sleep(0.5)

    def _look(self) -> View:
        return View(self.ready.cluster, self.ready.desired, look_at_all(self.hosts))

    def _late(self, view: View, node: str, drained: bool) -> list[str]:
        """Return the directors that have another weight; what could not be seen is not taken."""
        return [each for each in self.active if not _taken(view, node, each, drained)]

    def wait_for_sessions(self, node: str, timeout_s: float) -> None:
        """Wait until the node itself counts nobody that it serves."""
        deadline = time.monotonic() + timeout_s
        host = next(each for each in self.hosts if each.name == node)
        last = None
        while True:
            SIGHTS.forget(host)
            seen = SIGHTS.of(host)
            left = self._sessions(seen) if isinstance(seen, NodeState) else None
            if left == 0:
                say(f"{host.print_prefix}drained: it serves nobody")
                return
            if time.monotonic() >= deadline:
                raise OperationError(_outlasted(node, left, timeout_s))
            if left != last:
                say(f"{host.print_prefix}{_left(left)}")
            last = left
            time.sleep(1)

    def _sessions(self, seen: NodeState) -> int | None:
        """Return how many connections to a service the node has; None where that is not known."""
        if "sessions" in seen.unknown:
            return None
        services = self.ready.desired[seen.name].services
        return sum(seen.sessions.get((each.vip, each.port), 0) for each in services)


def _by_us(director: NodeState, node: str) -> bool:
    """Whether a drain stands there as we write it: what a hand wrote may take too little off."""
    return director.drained[node].since is not None


def _taken(view: View, node: str, director: str, drained: bool) -> bool:
    """Whether a director's tables have it. Where no keepalived runs, no table leads to anybody."""
    seen = view.state[director]
    if isinstance(seen, Unobserved) or {"table", "kept", "units"} & seen.unknown.keys():
        return False
    weights = view.weights_of(node, seen)
    if drained:
        return not any(weights) and (bool(weights) or not seen.keepalived_active)
    return bool(weights) and all(weights)


def _left(sessions: int | None) -> str:
    if sessions is None:
        return "its sessions could not be counted"
    return "1 session left" if sessions == 1 else f"{sessions} sessions left"


def _outlasted(node: str, left: int | None, timeout_s: float) -> str:
    return (
        f"{node} is drained, but after {timeout_s:.0f} s: {_left(left)}; "
        f"wait on: drain.py --data node={node}; put it back: undrain.py --data node={node}"
    )
