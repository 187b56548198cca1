"""Taking over a live cluster of the 2013 design: node by node, each proven, or put back."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import nullcontext
from functools import partial

from pyinfra.api import FunctionCommand
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host
from pyinfra.context import ctx_host

from selfbalance.deployment import Deployment
from selfbalance.desired import places
from selfbalance.gates import View
from selfbalance.observed import ClusterState
from selfbalance.operations import shell_adoption
from selfbalance.operations.context import Step, do, executing
from selfbalance.operations.gating import Gates, problems_of, untouched
from selfbalance.operations.locking import Lock
from selfbalance.operations.looking import SIGHTS, look_at_all, taking_part
from selfbalance.operations.saying import say
from selfbalance.plan import (
    Adoption,
    AdoptionTurn,
    adoption_objection,
    doubts,
    doubts_of_master,
    plan_adoption,
)


def objection(ready: Deployment, state: ClusterState, replace: bool) -> str:
    """Say why this cluster's keepalived must not be touched; empty if it may."""
    view = View(ready.cluster, ready.desired, state)
    said = adoption_objection(view, taking_part(), replace)
    return f"{said}; nothing was changed" if said else ""


def taken_over(
    gates: Gates, state: ClusterState
) -> Generator[FunctionCommand, None, ClusterState | None]:
    """Take over what another design has set up.

    Return a later look; the same one while it is only planned; None if there was nothing to do.
    Raises `OperationError` at the first node that is not well, after that one was put back.
    """
    view = View(gates.ready.cluster, gates.ready.desired, state)
    adoption = plan_adoption(view, taking_part())
    strange = [s.name for s in state.seen if s.founding and s.founding.strange]
    overwritten = [name for name in strange if name in taking_part()]
    if not adoption and not overwritten:
        return None
    for line in adoption.lines():
        say(f"{ctx_host.get().print_prefix}{line}")
    lock = Lock.of_cluster(gates.hosts, harm="keepalived was touched nowhere")
    with lock.held() if executing() else nullcontext(lock):
        for name in overwritten:
            yield from _step(gates, name, shell_adoption.keep([places.CONFIG]), "not kept aside")
        yield from _Adopting(gates, view, adoption, lock).all()
    return look_at_all(gates.hosts) if executing() else state


def _step(
    gates: Gates, name: str, command: str, what: str
) -> Generator[FunctionCommand, None, None]:
    """Yield one command of a node; raises `OperationError` if it fails."""
    step = Step(_host(gates, name), partial(do, _host(gates, name), command))
    yield step.command()
    SIGHTS.forget(_host(gates, name))
    if step.error:
        raise OperationError(f"{name}: {what}: {step.error}")


def _owner(view: View) -> str:
    """Return the one node that has the VIPs; empty where it is not one."""
    owners = {seen.name for vip in view.vips for seen in view.holders(vip)}
    return owners.pop() if len(owners) == 1 else ""


def _host(gates: Gates, name: str) -> Host:
    return next(each for each in gates.hosts if each.name == name)


class _Adopting:
    """One run's way through the nodes."""

    def __init__(self, gates: Gates, view: View, adoption: Adoption, lock: Lock) -> None:
        self._gates = gates
        self._owner = _owner(view)
        self._adoption = adoption
        self._lock = lock
        self._done = list(adoption.ending)
        self._pending = {turn.node for turn in adoption.turns}
        (instance, *_) = gates.ready.cluster.instances
        self._syncid = instance.vrid

    def all(self) -> Generator[FunctionCommand, None, None]:
        """Take over each node in its turn, then end the adoption on all."""
        for turn in self._adoption.turns:
            if self._lock.lost:
                raise OperationError(f"stopped: {self._lock.lost}; {untouched(self._pending)}")
            self._pending.discard(turn.node)
            yield from self._master(turn) if turn.master else self._backup(turn)
            say(f"{_host(self._gates, turn.node).print_prefix}taken over")
        if not any(seen.founding for seen in look_at_all(self._gates.hosts).seen):
            yield from self._settle(self._done)

    def _backup(self, turn: AdoptionTurn) -> Generator[FunctionCommand, None, None]:
        want = self._gates.ready.desired[turn.node]
        back = shell_adoption.put_backup_back(want, self._syncid)
        yield from self._guarded(turn, shell_adoption.take_over_backup(turn, want), back)
        self._done.append(turn.node)
        yield from self._proven(turn, back, lambda _: ())

    def _master(self, turn: AdoptionTurn) -> Generator[FunctionCommand, None, None]:
        """Convert it in its place, then let it hand over to a node that knows its sessions."""
        want = self._gates.ready.desired[turn.node]
        others = sum(1 for each in self._gates.ready.desired.values() if each.director) - 1
        back = shell_adoption.put_master_back(want)
        convert = shell_adoption.convert_master(turn, want, self._syncid, others)
        yield from self._guarded(turn, convert, back)
        yield from self._proven(turn, back, partial(doubts_of_master, master=turn.node))
        # It outranks all of them by now. The next ones in line are far apart again (decision 8).
        yield from self._settle(self._done)
        yield from _step(
            self._gates,
            turn.node,
            shell_adoption.hand_over(want),
            "it serves by its new configuration and did not hand over; run this again",
        )
        back = shell_adoption.put_backup_back(want, self._syncid)
        yield from self._guarded(turn, shell_adoption.restart(want), back)
        self._owner = _owner(self._gates.viewed(look_at_all(self._gates.hosts))[0])
        self._done.append(turn.node)
        yield from self._proven(turn, back, lambda _: ())

    def _settle(self, names: Iterable[str]) -> Generator[FunctionCommand, None, None]:
        for name in names:
            command = shell_adoption.settle(self._gates.ready.desired[name])
            yield from _step(self._gates, name, command, "the adoption could not be ended there")

    def _guarded(
        self, turn: AdoptionTurn, command: str, back: str
    ) -> Generator[FunctionCommand, None, None]:
        """Do something to a node; where it fails, put the node back and stop the run."""
        try:
            yield from _step(self._gates, turn.node, command, "it could not be taken over")
        except OperationError as error:
            yield from self._put_back(turn, back, str(error))

    def _proven(
        self, turn: AdoptionTurn, back: str, more: Callable[[View], Iterable[str]]
    ) -> Generator[FunctionCommand, None, None]:
        """See that all that were taken over are well; where they stay not so, put this one back."""
        doubt = self._doubt(more)
        if doubt:
            yield from self._put_back(turn, back, f"after {turn.node}: {doubt}")

    def _doubt(self, more: Callable[[View], Iterable[str]]) -> str:
        """Return what is still wrong when patience is at its end; empty if all is well."""
        deadline = time.monotonic() + self._gates.patience_s
        while True:
            began = time.monotonic()
            view, verdicts = self._gates.judged(look_at_all(self._gates.hosts))
            asked = {name: each for name, each in verdicts.items() if name != "founding"}
            found = (*doubts(view, problems_of(asked), self._done, self._owner), *more(view))
            if not found or time.monotonic() >= deadline:
                return found[0] if found else ""
            time.sleep(max(1.0, time.monotonic() - began))

    def _put_back(
        self, turn: AdoptionTurn, back: str, why: str
    ) -> Generator[FunctionCommand, None, None]:
        """Put a node back as it was, and stop the run. Raises `OperationError` in any case."""
        step = Step(_host(self._gates, turn.node), partial(do, _host(self._gates, turn.node), back))
        yield step.command()
        state = (
            f"and could not be put back: {step.error}; its old files are in {places.ADOPTED} there"
            if step.error
            else "and was put back as it was"
        )
        raise OperationError(
            f"{why}; {turn.node} was not taken over {state}; {untouched(self._pending)}; "
            "look at the cluster: status.py"
        )
