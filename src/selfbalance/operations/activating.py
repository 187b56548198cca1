"""Letting keepalived take what was prepared, wave by wave, and putting back where a gate fails."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
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
        self.acted: list[Wave] = []

    def carry_out(self) -> None:
        """Let every wave act, behind gates. Raises `OperationError` where it has to stop.

        Then all is as it was: no node has the new configuration.
        """
        lock = Lock.of_cluster(list(self.hosts.values()), harm="keepalived was touched nowhere")
        with lock.held():
            for wave in self.rollout.waves:
                if lock.lost:
                    raise OperationError(f"stopped: {lock.lost}; {untouched(self.pending)}")
                self._keep_snapshots(wave)
                try:
                    self._act(wave)
                    self._prove(wave)
                except OperationError as error:
                    raise OperationError(f"{error}; {self._undo()}") from None

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
        earlier = {name for each in self.acted for name in each.acts}
        commands = {
            self.hosts[name]: partial(self._command, name, act, name in earlier)
            for name, act in wave.acts.items()
        }
        self.acted.append(wave)  # It may have, whatever goes wrong.
        later = {n for each in self.rollout.waves[len(self.acted) :] for n in each.acts}
        try:
            if wave.same_second:
                in_one_moment(commands)
            elif self.live:
                for host in commands:
                    self._do(host, wave, commands)
            else:
                at_once(partial(self._do, wave=wave, commands=commands), commands)
        except NobodyActedError:
            self.acted.remove(wave)
            raise
        finally:
            for host in commands:
                SIGHTS.forget(host)
            self.pending -= {*wave.acts} - later if wave in self.acted else set()

    def _do(self, host: Host, wave: Wave, commands: Mapping[Host, partial[str]]) -> None:
        verb = wave.acts[host.name].value
        say(f"{host.print_prefix}{verb} keepalived")
        try:
            do(host, commands[host]())
        except OperationError as error:
            raise OperationError(
                f"{host.name}: keepalived did not {verb}: {error}; "
                f"on {host.name}: journalctl -u keepalived -n 50"
            ) from None

    def _command(self, name: str, act: Act, in_place: bool, at: str = "") -> str:
        config = None if in_place else self.plans[name].config
        spread = () if self.live else self.ready.desired[name].own_instances
        return shell.activate(config, act, spread, at)

    def _prove(self, wave: Wave) -> None:
        """Ask the gates. The first wave with a configuration proves its checks for all others.

        keepalived takes realservers for alive until a check has its verdict.
        """
        first = self.live and wave is self.rollout.waves[0]
        new = any(self.plans[name].config for name in wave.acts)
        steady_s = self.ready.cluster.timers.check_verdict_s if first and new else 0.0
        self.gates.wait(self.pending, after=_names(wave.acts), steady_s=steady_s)
        if self.live:
            say(f"keepalived: {wave.words}: done, and well")

    # --- and back

    def _undo(self) -> str:
        """Give everybody the previous configuration again, and see them as before; in words."""
        if not self.live or not (self.kept or self.acted):
            return untouched(self.pending)
        acts = self._acts_to_undo()
        say(f"put back: {_names(acts)}")
        try:
            for wave in self._way_back(acts):
                self._put_back(wave)
            self._see_restored(acts)
            at_once(lambda name: do(self.hosts[name], shell_kept.forget()), sorted(self.kept))
        except PyinfraError as error:
            return f"{error}; go back: {with_data('rollback=true')}"
        acted = [name for name, act in acts.items() if act is not Act.NONE]
        return f"put back, and as before: {_names(acted) or 'none'}; {untouched(self.pending)}"

    def _acts_to_undo(self) -> dict[str, Act]:
        """Return each node's last act; who acted last comes first, who was only prepared last."""
        done = {name: act for wave in self.acted for name, act in wave.acts.items()}
        order = [name for wave in reversed(self.acted) for name in reversed(list(wave.acts))]
        only_prepared = dict.fromkeys(sorted(self.kept - {*done}), Act.NONE)
        return {**{name: done[name] for name in order}, **only_prepared}

    def _way_back(self, acts: Mapping[str, Act]) -> Iterator[Wave]:
        """Yield what nodes undo: in one moment what they did in one, all else in turn."""
        moment = {name for wave in self.acted if wave.same_second for name in wave.acts}
        if moment:
            yield Wave(dict.fromkeys(sorted(moment), Act.RELOAD), same_second=True)
        for name, act in acts.items():
            if name not in moment or act is Act.RESTART:
                yield Wave({name: act})

    def _put_back(self, wave: Wave) -> None:
        commands = {self.hosts[name]: self._back(name, act) for name, act in wave.acts.items()}
        try:
            if wave.same_second:
                in_one_moment(commands)
            else:
                at_once(lambda host: do(host, commands[host]()), commands)
        except OperationError as error:
            raise OperationError(f"{_names(wave.acts)} could not be put back: {error}") from None
        finally:
            for host in commands:
                SIGHTS.forget(host)

    def _back(self, name: str, act: Act) -> partial[str]:
        """Return what undoes an act; a node of which nothing is kept had nothing before."""
        if name in self.kept:
            return partial(shell_kept.put_back, act)
        return partial(shell_kept.undo, act)

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
