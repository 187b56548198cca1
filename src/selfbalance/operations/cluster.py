"""Operations on a whole cluster. The controller's host carries them; gates stand between nodes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import nullcontext
from functools import partial

from pyinfra.api import FunctionCommand, operation
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host
from pyinfra.context import ctx_host
from pyinfra.operations import server

from selfbalance.deployment import Deployment
from selfbalance.errors import SelfbalanceError
from selfbalance.gates import View, judge
from selfbalance.observed import ClusterState
from selfbalance.operations import adopting, shell
from selfbalance.operations.context import Step, executing, refusal
from selfbalance.operations.gating import Gates, left_out, untouched
from selfbalance.operations.keeping import BEFORE, keep_here, keep_there
from selfbalance.operations.locking import Lock
from selfbalance.operations.looking import (
    SIGHTS,
    cluster_hosts,
    deployment_of,
    taking_part,
)
from selfbalance.operations.saying import say
from selfbalance.plan import NodePlan, Rollout, plan_node, plan_rollout
from selfbalance.plugins import ControllerStore


@operation(_set_in_op=False)
def activated(
    patience_s: float = 30.0, replace: bool = False
) -> Generator[FunctionCommand, None, None]:
    """Let keepalived take what was prepared, node by node behind gates, then prove the cluster.

    Where nothing serves yet, all nodes start at once. Raises `OperationError` at the first gate
    that stays shut, so that no later node is touched.

    + patience_s: how long each gate is asked again before it counts as shut, in seconds
    + replace: whether a keepalived.conf that somebody else wrote may be overwritten
    """
    host = ctx_host.get()
    hosts = cluster_hosts(host)
    state = SIGHTS.of_all(hosts)
    try:
        ready = deployment_of(host).informed(state)
    except SelfbalanceError as error:
        yield refusal(f"{error}; keepalived was touched nowhere")
        return
    if objection := adopting.objection(ready, state, replace):
        yield refusal(objection)
        return
    later = yield from adopting.taken_over(Gates(ready, hosts, patience_s), state)
    if later and not executing():
        return
    state = later or state
    plans = _plans(ready, state)
    before = View(ready.cluster, ready.desired, state)
    rollout = plan_rollout(before, plans)
    gates = Gates(ready, hosts, patience_s, left_out(judge(before, ready.plugins)))
    if rollout and (blind := _blind_spots(state)):
        yield refusal(
            f"{blind}; keepalived was touched nowhere; leave it out with --limit, or mend it"
        )
        return
    if rollout:
        say(f"{host.print_prefix}keepalived: {_in_words(rollout, plans)}")
        lock = Lock.of_cluster(hosts, harm="keepalived was touched nowhere")
        with lock.held() if executing() else nullcontext(lock):
            yield from _roll(ready, hosts, rollout, plans, gates, lock)
    else:
        host.noop("keepalived on every node runs what is described")
    if executing():
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


def _in_words(rollout: Rollout, plans: dict[str, NodePlan]) -> str:
    return ", then ".join(
        " and ".join(f"{plans[name].act.value} {name}" for name in wave) for wave in rollout.waves
    )


def _roll(
    ready: Deployment,
    hosts: list[Host],
    rollout: Rollout,
    plans: dict[str, NodePlan],
    gates: Gates,
    lock: Lock,
) -> Generator[FunctionCommand, None, None]:
    by_name = {each.name: each for each in hosts}
    pending = {name for wave in rollout.waves for name in wave}
    live = any(seen.keepalived_active for seen in SIGHTS.of_all(hosts).seen)
    for wave in rollout.waves:
        if lock.lost:
            raise OperationError(f"stopped: {lock.lost}; {untouched(pending)}")
        for name in wave:
            if live:
                yield from _keep_here(ready, by_name[name], pending)
            step = Step(by_name[name], partial(_activate, ready, plans[name], live))
            yield step.command()
            SIGHTS.forget(by_name[name])
            pending.discard(name)
            if step.error:
                raise OperationError(
                    f"{name}: keepalived did not {plans[name].act.value}, see above; "
                    f"{untouched(pending)}; on {name}: journalctl -u keepalived -n 50"
                )
        gates.wait(pending, after=" and ".join(wave))


def _keep_here(
    ready: Deployment, host: Host, pending: set[str]
) -> Generator[FunctionCommand, None, None]:
    """Have the node's snapshot kept, wherever that is, before anything is done to it."""
    store = ready.plugins.snapshot_stores[ready.cluster.snapshots]
    keep = (
        partial(keep_here, ready, store, host, BEFORE)
        if isinstance(store, ControllerStore)
        else partial(keep_there, store, host, BEFORE)
    )
    step = Step(host, keep)
    yield step.command()
    if step.error:
        raise OperationError(
            f"{host.name}: no snapshot could be kept: {step.error}; keepalived was not touched "
            f"on {', '.join(sorted(pending))}; mend that, or describe another store: snapshots"
        )


def _activate(ready: Deployment, plan: NodePlan, live: bool) -> None:
    spread = () if live else ready.desired[plan.node].own_instances
    server.shell(
        name=f"{plan.act.value.capitalize()} keepalived on {plan.node}",
        commands=[shell.activate(plan, spread)],
        _retries=0,
    )


@operation(_set_in_op=False)
def proven(output: str | None = None) -> Generator[FunctionCommand, None, None]:
    """Look at every node, change nothing, show every gate's word. Raises `OperationError` if bad.

    + output: a path that the same is written to as JSON
    """
    host = ctx_host.get()
    host.noop("looked")
    if executing():
        hosts = cluster_hosts(host)
        Gates(deployment_of(host), hosts).prove(SIGHTS.of_all(hosts), output)
    yield from ()
