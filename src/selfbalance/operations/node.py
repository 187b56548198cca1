"""Operations on one node, safe on all at once: `tested` proves, `prepared` changes no behaviour."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.api.host import Host
from pyinfra.context import ctx_host
from pyinfra.operations import apt

from selfbalance.deployment import Deployment
from selfbalance.desired import DesiredNode, places
from selfbalance.errors import SelfbalanceError
from selfbalance.gates import View
from selfbalance.observed import ClusterState, Drain, NodeState, Unobserved
from selfbalance.operations import adopting, shell, shell_kept, shell_teardown
from selfbalance.operations.context import refusal
from selfbalance.operations.looking import (
    SIGHTS,
    cluster_hosts,
    deployment_of,
    goes_back,
    lost_hosts,
    taking_part,
)
from selfbalance.operations.saying import say_plan
from selfbalance.plan import (
    LACKING_REMEDY,
    NodePlan,
    brick_objections,
    in_adoption,
    inherited,
    is_new,
    lacking_modules,
    plan_node,
    spared,
)


@operation()
def tested(replace: bool) -> Generator[StringCommand | FunctionCommand, None, None]:
    """Install packages, and let the node's own keepalived prove the staged keepalived.conf.

    What any node refuses is known before a file is changed on one. A node that is as described is
    left alone.

    + replace: whether a keepalived.conf that somebody else wrote may be overwritten
    """
    host = ctx_host.get()
    state = SIGHTS.of_all(cluster_hosts(host))
    if objection := _objection(host, state, replace):
        yield refusal(objection)
        return
    plan, want, seen = _planned(host, state)
    say_plan(host, plan)
    if not (plan.packages or plan.config):
        host.noop("nothing to prove")
        return
    if is_new(want, seen):
        yield StringCommand(shell_teardown.record(want))
    if plan.packages:
        yield from apt.packages._inner(
            packages=list(plan.packages), update=True, no_recommends=True
        )
    if plan.config:
        yield shell.write_files([shell.staged(plan.config)])
        yield shell.test_config()
    SIGHTS.forget(host)


def _objection(host: Host, state: ClusterState, replace: bool) -> str:
    """Say why nothing may be done to the node; empty if it may."""
    seen = state[host.name]
    if isinstance(seen, Unobserved):
        return (
            f"{host.name} could not be observed: {seen.reason}; nothing was done to it; "
            f"try: ssh {host.name}; then run this again"
        )
    if seen.distribution not in ("debian", "ubuntu"):
        return f"{host.name} runs '{seen.distribution}'; nodes are Debian 11 to 13 or Ubuntu"
    try:
        ready = deployment_of(host).informed(state)
    except SelfbalanceError as error:
        return f"{error}; nothing was done to {host.name}"
    if lacking := lacking_modules(ready.desired, state, taking_part()):
        return f"{lacking}; nothing was done to {host.name}; {LACKING_REMEDY}"
    if impossible := brick_objections(ready.desired, state, taking_part()):
        return f"{impossible}; nothing was done to {host.name}"
    return adopting.objection(ready, state, replace)


def _planned(host: Host, state: ClusterState) -> tuple[NodePlan, DesiredNode, NodeState]:
    ready: Deployment = deployment_of(host).informed(state)
    want, seen = ready.desired[host.name], state[host.name]
    assert isinstance(seen, NodeState)  # noqa: S101 - `_objection` has said so
    return spared(plan_node(want, seen), want, seen), want, seen


def _tell_drains(drains: Mapping[str, Drain]) -> Generator[StringCommand, None, None]:
    """Tell a new director who gets no new clients: the others have been told."""
    for node, drain in drains.items():
        since = "" if drain.since is None else f"{drain.since} {drain.by}"
        yield StringCommand(shell.drain(node, since))


@operation()
def prepared(replace: bool) -> Generator[StringCommand | FunctionCommand, None, None]:
    """Write files and set the kernel, once every node has proven its configuration.

    What the node had is kept before. keepalived itself is left alone.

    + replace: whether a keepalived.conf that somebody else wrote may be overwritten
    """
    host = ctx_host.get()
    state = SIGHTS.of_all(cluster_hosts(host))
    if lost := lost_hosts(host):
        yield refusal(f"{' and '.join(lost)} failed, see above; nothing was changed on {host.name}")
        return
    if objection := _objection(host, state, replace):
        yield refusal(objection)
        return
    plan, want, seen = _planned(host, state)
    if not plan.harmless:
        host.noop("nothing to prepare")
        return
    if is_new(want, seen):
        ready = deployment_of(host).informed(state)
        yield from _tell_drains(inherited(View(ready.cluster, ready.desired, state), host.name))
    ours = places.VIP_UNIT in seen.files and not in_adoption(want, seen)
    if ours and (plan.files or plan.config):
        yield StringCommand(shell_kept.keep(want, goes_back(host)))
    if plan.files:
        yield shell.write_files(plan.files)
    if plan.kernel:
        yield shell.tell_kernel(plan, want.modules, want.units)
    SIGHTS.forget(host)
