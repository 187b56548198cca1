"""Operations on a whole cluster. The controller's host carries them; gates stand between nodes."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from pathlib import Path

from pyinfra.api import FunctionCommand, operation
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_host, ctx_state
from pyinfra.operations import server

from selfbalance.deployment import Deployment
from selfbalance.gates import View, judge
from selfbalance.observed import ClusterState
from selfbalance.operations import shell
from selfbalance.operations.context import Step
from selfbalance.operations.looking import SIGHTS, cluster_hosts, deployment_of, look_at_all
from selfbalance.operations.node import NEED_RESTART
from selfbalance.operations.saying import say
from selfbalance.plan import Act, NodePlan, Rollout, plan_node, plan_rollout
from selfbalance.plugins import Problem, Verdict
from selfbalance.status import as_json, show

PATIENCE_S = 30.0
"""How long a change asks the gates again before it gives up, in seconds."""


@operation(_set_in_op=False)
def activated() -> Generator[FunctionCommand, None, None]:
    """Let keepalived take what was prepared, node by node behind gates, then prove the cluster.

    Where nothing serves yet, all nodes start at once. Raises `OperationError` at the first gate
    that stays shut, so that no later node is touched.
    """
    host = ctx_host.get()
    ready = deployment_of(host)
    hosts = cluster_hosts(host)
    state = SIGHTS.of_all(hosts)
    plans = _plans(ready, state)
    rollout = plan_rollout(View(ready.cluster, ready.desired, state), plans)
    if rollout:
        say(f"{host.print_prefix}keepalived: {_in_words(rollout, plans)}")
        yield from _roll(ready, hosts, rollout, plans)
    else:
        host.noop("keepalived on every node runs what is described")
    if _executing():
        _prove(ready, hosts, PATIENCE_S)


def _plans(ready: Deployment, state: ClusterState) -> dict[str, NodePlan]:
    """Plan the nodes that take part: `--limit` bounds what is changed, not what is observed."""
    taking_part = {each.name for each in ctx_state.get().activated_hosts}
    plans = {
        seen.name: plan_node(ready.desired[seen.name], seen)
        for seen in state.seen
        if seen.name in taking_part
    }
    return {
        name: replace(plan, act=Act.RESTART)
        if name in NEED_RESTART and plan.act in (Act.NONE, Act.RELOAD)
        else plan
        for name, plan in plans.items()
    }


def _in_words(rollout: Rollout, plans: dict[str, NodePlan]) -> str:
    return ", then ".join(
        " and ".join(f"{plans[name].act.value} {name}" for name in wave) for wave in rollout.waves
    )


def _roll(
    ready: Deployment, hosts: list[Host], rollout: Rollout, plans: dict[str, NodePlan]
) -> Generator[FunctionCommand, None, None]:
    by_name = {each.name: each for each in hosts}
    pending = {name for wave in rollout.waves for name in wave}
    live = any(seen.keepalived_active for seen in SIGHTS.of_all(hosts).seen)
    for wave in rollout.waves:
        for name in wave:
            step = Step(by_name[name], partial(_activate, ready, plans[name], live))
            yield step.command()
            SIGHTS.forget(by_name[name])
            if step.error:
                raise OperationError(
                    f"{name}: keepalived did not {plans[name].act.value}, see above; "
                    f"nodes after it were not touched; on {name}: journalctl -u keepalived -n 50"
                )
        pending -= set(wave)
        _wait_until_well(ready, hosts, pending, after=" and ".join(wave))


def _activate(ready: Deployment, plan: NodePlan, live: bool) -> None:
    store = ready.plugins.snapshot_stores[ready.cluster.snapshots]
    keep = [shell.snapshot(store, "before-activation")] if live else []
    server.shell(
        name=f"{plan.act.value.capitalize()} keepalived on {plan.node}",
        commands=[*keep, shell.activate(plan)],
        _retries=0,
    )


def _wait_until_well(ready: Deployment, hosts: list[Host], pending: set[str], after: str) -> None:
    """Look until every gate lets pass. Raises `OperationError` once patience is at its end.

    What the gates say of a `pending` node does not count: it still has to become as described.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        view = View(ready.cluster, ready.desired, look_at_all(hosts))
        verdicts = judge(view, ready.plugins)
        problems = [each for each in _problems(verdicts) if each.node not in pending]
        if not problems:
            return
        if time.monotonic() > deadline:
            show(view, verdicts)
            raise OperationError(
                f"after {after}: {problems[0].what}; nodes after it were not touched; "
                "look at the cluster: status.py"
            )


@operation(_set_in_op=False)
def proven(output: str | None = None) -> Generator[FunctionCommand, None, None]:
    """Look at every node, change nothing, show every gate's word. Raises `OperationError` if bad.

    + output: a path that the same is written to as JSON
    """
    host = ctx_host.get()
    host.noop("looked")
    if _executing():
        _prove(deployment_of(host), cluster_hosts(host), output=output)
    yield from ()


def _prove(
    ready: Deployment, hosts: list[Host], patience_s: float = 0.0, output: str | None = None
) -> None:
    """Show every gate's word. Raises `OperationError` on a problem that outlasts the patience."""
    deadline = time.monotonic() + patience_s
    state = SIGHTS.of_all(hosts)
    while True:
        view = View(ready.cluster, ready.desired, state)
        verdicts = judge(view, ready.plugins)
        if not _problems(verdicts) or time.monotonic() > deadline:
            break
        time.sleep(1)
        state = look_at_all(hosts)
    show(view, verdicts)
    if output:
        Path(output).write_text(as_json(view, verdicts), encoding="utf-8")
    problems = _problems(verdicts)
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise OperationError(f"cluster {ready.cluster.name} has {count}, see above")


def _problems(verdicts: dict[str, Verdict]) -> list[Problem]:
    return [problem for verdict in verdicts.values() for problem in verdict.problems]


def _executing() -> bool:
    return ctx_state.get().current_stage is StateStage.Execute
