"""Operations on a whole cluster. The controller's host carries them; gates stand between nodes."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pyinfra.api import FunctionCommand, operation
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_host, ctx_state
from pyinfra.operations import server

from selfbalance.deployment import Deployment
from selfbalance.errors import SelfbalanceError
from selfbalance.gates import View, judge
from selfbalance.observed import ClusterState
from selfbalance.operations import shell
from selfbalance.operations.context import Step, refusal
from selfbalance.operations.looking import (
    SIGHTS,
    cluster_hosts,
    deployment_of,
    look_at_all,
    taking_part,
)
from selfbalance.operations.saying import say
from selfbalance.plan import NodePlan, Rollout, plan_node, plan_rollout
from selfbalance.plugins import Problem, Verdict
from selfbalance.status import as_json, show


@operation(_set_in_op=False)
def activated(patience_s: float = 30.0) -> Generator[FunctionCommand, None, None]:
    """Let keepalived take what was prepared, node by node behind gates, then prove the cluster.

    Where nothing serves yet, all nodes start at once. Raises `OperationError` at the first gate
    that stays shut, so that no later node is touched.

    + patience_s: how long each gate is asked again before it counts as shut, in seconds
    """
    host = ctx_host.get()
    hosts = cluster_hosts(host)
    state = SIGHTS.of_all(hosts)
    try:
        ready = deployment_of(host).informed(state)
    except SelfbalanceError as error:
        yield refusal(f"{error}; keepalived was touched nowhere")
        return
    plans = _plans(ready, state)
    before = View(ready.cluster, ready.desired, state)
    rollout = plan_rollout(before, plans)
    gates = _Gates(ready, hosts, patience_s, _left_out(before, ready))
    if rollout and (blind := _blind_spots(state)):
        yield refusal(
            f"{blind}; keepalived was touched nowhere; leave it out with --limit, or mend it"
        )
        return
    if rollout:
        say(f"{host.print_prefix}keepalived: {_in_words(rollout, plans)}")
        yield from _roll(ready, hosts, rollout, plans, gates)
    else:
        host.noop("keepalived on every node runs what is described")
    if _executing():
        gates.prove(state=None if rollout else state)


def _plans(ready: Deployment, state: ClusterState) -> dict[str, NodePlan]:
    """Plan the nodes that take part: `--limit` bounds what is changed, not what is observed."""
    return {
        seen.name: plan_node(ready.desired[seen.name], seen)
        for seen in state.seen
        if seen.name in taking_part()
    }


def _blind_spots(state: ClusterState) -> str:
    return "; ".join(
        f"{node.name} could not be observed: {node.reason}"
        for node in state.unobserved
        if node.name in taking_part()
    )


def _left_out(view: View, ready: Deployment) -> frozenset[str]:
    """Return what is wrong beforehand with nodes that `--limit` leaves out: no wait mends it."""
    problems = _problems(judge(view, ready.plugins))
    return frozenset(each.what for each in problems if each.node not in (None, *taking_part()))


def _in_words(rollout: Rollout, plans: dict[str, NodePlan]) -> str:
    return ", then ".join(
        " and ".join(f"{plans[name].act.value} {name}" for name in wave) for wave in rollout.waves
    )


def _roll(
    ready: Deployment,
    hosts: list[Host],
    rollout: Rollout,
    plans: dict[str, NodePlan],
    gates: _Gates,
) -> Generator[FunctionCommand, None, None]:
    by_name = {each.name: each for each in hosts}
    pending = {name for wave in rollout.waves for name in wave}
    live = any(seen.keepalived_active for seen in SIGHTS.of_all(hosts).seen)
    for wave in rollout.waves:
        for name in wave:
            step = Step(by_name[name], partial(_activate, ready, plans[name], live))
            yield step.command()
            SIGHTS.forget(by_name[name])
            pending.discard(name)
            if step.error:
                raise OperationError(
                    f"{name}: keepalived did not {plans[name].act.value}, see above; "
                    f"{_untouched(pending)}; on {name}: journalctl -u keepalived -n 50"
                )
        gates.wait(pending, after=" and ".join(wave))


def _untouched(pending: set[str]) -> str:
    return f"not touched: {', '.join(sorted(pending))}" if pending else "no node is left to touch"


def _activate(ready: Deployment, plan: NodePlan, live: bool) -> None:
    store = ready.plugins.snapshot_stores[ready.cluster.snapshots]
    keep = [shell.snapshot(store, "before-activation")] if live else []
    spread = () if live else ready.desired[plan.node].own_instances
    server.shell(
        name=f"{plan.act.value.capitalize()} keepalived on {plan.node}",
        commands=[*keep, shell.activate(plan, spread)],
        _retries=0,
    )


@operation(_set_in_op=False)
def proven(output: str | None = None) -> Generator[FunctionCommand, None, None]:
    """Look at every node, change nothing, show every gate's word. Raises `OperationError` if bad.

    + output: a path that the same is written to as JSON
    """
    host = ctx_host.get()
    host.noop("looked")
    if _executing():
        hosts = cluster_hosts(host)
        _Gates(deployment_of(host), hosts).prove(SIGHTS.of_all(hosts), output)
    yield from ()


@dataclass(frozen=True)
class _Gates:
    """The gates of a cluster, asked again and again for so many seconds.

    What is `known` is shown but not waited for.
    """

    ready: Deployment
    hosts: list[Host]
    patience_s: float = 0.0
    known: frozenset[str] = frozenset()

    def wait(self, pending: set[str], after: str) -> None:
        """Wait for every gate. Raises `OperationError` once patience is at its end.

        What the gates say of a `pending` node does not count: it still has to become as described.
        """
        view, verdicts = self._ask(pending, None)
        problems = self._new(verdicts, pending)
        if problems:
            show(view, verdicts)
            raise OperationError(
                f"after {after}: {problems[0].what}; {_untouched(pending)}; "
                "look at the cluster: status.py"
            )

    def prove(self, state: ClusterState | None, output: str | None = None) -> None:
        """Show every gate's word. Raises `OperationError` on a problem that outlasts patience."""
        view, verdicts = self._ask(set(), state)
        show(view, verdicts)
        if output:
            Path(output).write_text(as_json(view, verdicts), encoding="utf-8")
        problems = _problems(verdicts)
        if problems:
            count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
            raise OperationError(f"cluster {self.ready.cluster.name} has {count}, see above")

    def _ask(
        self, pending: set[str], state: ClusterState | None
    ) -> tuple[View, dict[str, Verdict]]:
        """Judge a state, and if it is bad, or there is none yet, look again, a second apart."""
        deadline = time.monotonic() + self.patience_s
        while True:
            seen = state or look_at_all(self.hosts)
            view, verdicts = self._judge(seen)
            if not self._new(verdicts, pending) or time.monotonic() >= deadline:
                return view, verdicts
            time.sleep(1)
            state = None

    def _judge(self, seen: ClusterState) -> tuple[View, dict[str, Verdict]]:
        """Judge by what follows from this very look; what it leaves open is a problem itself."""
        ready, more = self.ready, dict[str, Verdict]()
        try:
            ready = ready.informed(seen)
        except SelfbalanceError as error:
            more["facts"] = Verdict("not known", (Problem(str(error), None, _FACTS_REMEDY),))
        view = View(ready.cluster, ready.desired, seen)
        return view, {**judge(view, ready.plugins), **more}

    def _new(self, verdicts: dict[str, Verdict], pending: set[str]) -> list[Problem]:
        return [
            each
            for each in _problems(verdicts)
            if each.node not in pending and each.what not in self.known
        ]


_FACTS_REMEDY = "mend that first: until then, files that follow from facts seem changed"


def _problems(verdicts: dict[str, Verdict]) -> list[Problem]:
    return [problem for verdict in verdicts.values() for problem in verdict.problems]


def _executing() -> bool:
    return ctx_state.get().current_stage is StateStage.Execute
