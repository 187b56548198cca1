"""Letting keepalived take what was prepared, wave by wave, and putting back where a gate fails."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import partial

from pyinfra.api.exceptions import OperationError, PyinfraError
from pyinfra.api.host import Host

from selfbalance.deployment import Deployment
from selfbalance.errors import SelfbalanceError
from selfbalance.observed import ClusterState, NodeState
from selfbalance.operations import shell, shell_kept
from selfbalance.operations.again import with_data
from selfbalance.operations.context import at_once, do
from selfbalance.operations.gating import Gates, untouched
from selfbalance.operations.keeping import BEFORE, keep_here, keep_there
from selfbalance.operations.locking import Lock
from selfbalance.operations.looking import SIGHTS, goes_back, look_at_all, taking_part
from selfbalance.operations.moment import NobodyActedError, in_one_moment
from selfbalance.operations.saying import say
from selfbalance.plan import Act, NodePlan, Rollout, Wave, unrestored
from selfbalance.plugins import ControllerStore


class Activating:
    """One activation of a cluster: `plans` by node, in the order of the rollout."""

    def __init__(
        self,
        ready: Deployment,
        hosts: list[Host],
        plans: Mapping[str, NodePlan],
        rollout: Rollout,
        gates: Gates,
    ) -> None:
        self.ready, self.plans, self.rollout, self.gates = ready, plans, rollout, gates
        self.hosts = {host.name: host for host in hosts}
        state = SIGHTS.of_all(hosts)
        self.live = any(seen.keepalived_active for seen in state.seen)
        self.before: dict[str, NodeState] = SIGHTS.first_of(hosts)
        self.kept = {seen.name for seen in state.seen if seen.changing}
        self.pending = {name for wave in rollout.waves for name in wave.acts}
        self.moved, self.done = set[str](), set[str]()

    def carry_out(self) -> None:
        """Let every wave act, behind gates. Raises `OperationError` where it has to stop."""
        lock = Lock.of_cluster(list(self.hosts.values()), harm="keepalived was touched nowhere")
        with lock.held():
            for wave in self.rollout.waves:
                if lock.lost:
                    raise OperationError(f"stopped: {lock.lost}; {self._states()}")
                self._keep_snapshots(wave)
                try:
                    self._act(wave)
                    self.gates.wait(self.pending, after=_names(wave.acts))
                except OperationError as error:
                    raise OperationError(f"{error}; {self._undo(wave)}") from None
                self.done |= {name for name in wave.acts if name not in self.pending}
                if self.live:
                    say(f"keepalived: {wave.words}: done, and well")

    # --- forward

    def _keep_snapshots(self, wave: Wave) -> None:
        """Have snapshots kept, wherever that is, before anything is done to the nodes."""
        if not self.live:
            return
        try:
            at_once(self._keep_snapshot, wave.acts)
        except SelfbalanceError as error:
            raise OperationError(
                f"{error}; keepalived was not touched on {', '.join(sorted(self.pending))}; "
                "mend that, or describe another store: snapshots"
            ) from None

    def _keep_snapshot(self, name: str) -> None:
        store = self.ready.plugins.snapshot_stores[self.ready.cluster.snapshots]
        host = self.hosts[name]
        try:
            if isinstance(store, ControllerStore):
                keep_here(self.ready, store, host, BEFORE)
            else:
                keep_there(store, host, BEFORE)
        except SelfbalanceError as error:
            raise type(error)(f"{name}: no snapshot could be kept: {error}") from None

    def _act(self, wave: Wave) -> None:
        acting = {self.hosts[name]: act for name, act in wave.acts.items()}
        acted = set(wave.acts)
        try:
            if wave.same_second:
                in_one_moment(
                    {host: partial(self._command, host.name, act) for host, act in acting.items()}
                )
            else:
                at_once(self._do, acting.items())
        except NobodyActedError:
            acted = set()
            raise
        finally:
            for host in acting:
                SIGHTS.forget(host)
            self.moved |= acted
            self.pending -= acted - self._later(wave)

    def _do(self, each: tuple[Host, Act]) -> None:
        host, act = each
        say(f"{host.print_prefix}{act.value} keepalived")
        try:
            do(host, self._command(host.name, act))
        except OperationError as error:
            raise OperationError(
                f"{host.name}: keepalived did not {act.value}: {error}; "
                f"on {host.name}: journalctl -u keepalived -n 50"
            ) from None

    def _command(self, name: str, act: Act, at: str = "") -> str:
        plan = self.plans[name]
        config = plan.config if name not in self.moved else None
        spread = () if self.live else self.ready.desired[name].own_instances
        return shell.activate(config, act, spread, at)

    def _later(self, wave: Wave) -> set[str]:
        """Return the nodes that act again in a later wave."""
        rest = self.rollout.waves[self.rollout.waves.index(wave) + 1 :]
        return {name for each in rest for name in each.acts}

    # --- and back

    def _undo(self, wave: Wave) -> str:
        """Give the wave, and whoever was only prepared, its previous configuration; in words."""
        back = {
            name: wave.acts[name] if name in wave.acts and name in self.moved else Act.NONE
            for name in sorted(self.kept - self.done)
        }
        if not self.live or not back:
            return self._states()
        acted = [name for name, act in back.items() if act is not Act.NONE]
        say(f"put back: {_names(back)}")
        try:
            self._put_back(back, wave.same_second and bool(acted))
            self._see_restored(back)
            at_once(lambda name: do(self.hosts[name], shell_kept.forget()), back)
        except PyinfraError as error:
            return f"{error}; {self._states()}; go back: {with_data('rollback=true')}"
        return f"put back, and as before: {_names(acted) or 'none'}; {self._states()}"

    def _put_back(self, acts: Mapping[str, Act], same_second: bool) -> None:
        hosts = {self.hosts[name]: act for name, act in acts.items()}
        try:
            if same_second:
                in_one_moment({h: partial(shell_kept.put_back, act) for h, act in hosts.items()})
            else:
                at_once(self._put_one_back, hosts.items())
        finally:
            for host in hosts:
                SIGHTS.forget(host)

    def _put_one_back(self, each: tuple[Host, Act]) -> None:
        host, act = each
        try:
            do(host, shell_kept.put_back(act))
        except OperationError as error:
            raise OperationError(f"{host.name} could not be put back: {error}") from None

    def _see_restored(self, names: Iterable[str]) -> None:
        """Look until nodes are as they were.

        Raises `OperationError` when patience is at its end.
        """
        deadline = time.monotonic() + self.gates.patience_s
        while wrong := self._unrestored(look_at_all(self.hosts.values()), names):
            if time.monotonic() >= deadline:
                raise OperationError(wrong)
            time.sleep(1)

    def _unrestored(self, state: ClusterState, names: Iterable[str]) -> str:
        for name in names:
            now = state[name]
            if not isinstance(now, NodeState):
                return f"{name} was put back, but could not be observed: {now.reason}"
            if name in self.before and (wrong := unrestored(self.before[name], now)):
                return f"{name} has its previous files, but is not as before: {wrong}"
        return ""

    def _states(self) -> str:
        """Say how far nodes are: which have the new configuration, and which were not touched."""
        done = [f"done: {', '.join(sorted(self.done))}"] if self.done else []
        return "; ".join([*done, untouched(self.pending)])


def settle(hosts: Iterable[Host], ready: Deployment, plans: Mapping[str, NodePlan]) -> None:
    """End a change that is proven: what nodes had before is an earlier configuration now.

    VIPs that are not described any more go, too.
    """
    state = SIGHTS.of_all(hosts)
    ending = [
        host
        for host in hosts
        for seen in [state[host.name]]
        if host.name in taking_part() and isinstance(seen, NodeState)
        if seen.changing or plans[host.name].strays
    ]
    at_once(partial(_settle, ready=ready, plans=plans), ending)
    for host in ending:
        SIGHTS.forget(host)


def _settle(host: Host, ready: Deployment, plans: Mapping[str, NodePlan]) -> None:
    want, strays = ready.desired[host.name], plans[host.name].strays
    gone = f"{shell_kept.take_away(strays, want.vip_interface, want.interface)}; " if strays else ""
    try:
        do(host, gone + shell_kept.settle(goes_back(host)))
    except OperationError as error:
        raise OperationError(
            f"{host.name} has the new configuration, but the change could not be ended: {error}; "
            "run this again"
        ) from None


def _names(names: Iterable[str]) -> str:
    return " and ".join(names)
