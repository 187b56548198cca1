"""Operations on a whole cluster. The controller's host carries them; gates stand between nodes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping

from pyinfra.api import FunctionCommand, operation
from pyinfra.api.host import Host
from pyinfra.context import ctx_host

from selfbalance.deployment import Deployment
from selfbalance.errors import SelfbalanceError
from selfbalance.gates import View, judge
from selfbalance.observed import ClusterState
from selfbalance.operations import adopting
from selfbalance.operations.activating import Activating, settle
from selfbalance.operations.context import carried_out, executing, refusal
from selfbalance.operations.gating import Gates, left_out
from selfbalance.operations.looking import (
    SIGHTS,
    cluster_hosts,
    deployment_of,
    taking_part,
)
from selfbalance.operations.saying import say
from selfbalance.plan import NodePlan, Rollout, agreement_objection, plan_node, plan_rollout


@operation(_set_in_op=False)
def activated(
    patience_s: float = 30.0, replace: bool = False
) -> Generator[FunctionCommand, None, None]:
    """Let keepalived take what was prepared, node by node behind gates, then prove the cluster.

    Where nothing serves yet, all nodes start at once. Where a gate stays shut, the node gets its
    previous configuration again, and so does everyone who was only prepared; then it raises
    `OperationError`.

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
    if rollout and (objection := _objection(before, plans)):
        yield refusal(objection)
        return
    if rollout:
        say(f"{host.print_prefix}keepalived: {rollout.words}")
        yield from carried_out(lambda: _activate(ready, hosts, plans, rollout, gates))
    else:
        host.noop("keepalived on every node runs what is described")
    if executing():
        now = None if rollout else state
        if _unsettled(state, plans) and gates.all_open(now):
            settle(hosts, ready, plans)
            now = None
        gates.prove(now)


def _unsettled(state: ClusterState, plans: Mapping[str, NodePlan]) -> bool:
    """Whether a change has begun that has to be ended, or has left something to take away."""
    return any(seen.changing for seen in state.seen) or any(p.strays for p in plans.values())


def _activate(
    ready: Deployment,
    hosts: list[Host],
    plans: Mapping[str, NodePlan],
    rollout: Rollout,
    gates: Gates,
) -> None:
    Activating(ready, hosts, plans, rollout, gates).carry_out()


def _plans(ready: Deployment, state: ClusterState) -> dict[str, NodePlan]:
    """Plan the nodes that take part: `--limit` bounds what is changed, not what is observed."""
    return {
        seen.name: plan_node(ready.desired[seen.name], seen)
        for seen in state.seen
        if seen.name in taking_part()
    }


def _objection(view: View, plans: Mapping[str, NodePlan]) -> str:
    """Say why keepalived may be touched nowhere; empty if it may."""
    if blind := "; ".join(_blind_spots(view.state)):
        return f"{blind}; keepalived was touched nowhere; leave it out with --limit, or mend it"
    if objection := agreement_objection(view, plans, taking_part()):
        return f"{objection}; keepalived was touched nowhere"
    return ""


def _blind_spots(state: ClusterState) -> Iterable[str]:
    return (
        f"{node.name} could not be observed: {node.reason}"
        for node in state.unobserved
        if node.name in taking_part()
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
