"""Operation `prepared`: everything on a node that changes no behaviour. Safe on all at once."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.context import ctx_host
from pyinfra.operations import apt

from selfbalance.deployment import Deployment
from selfbalance.desired import DesiredNode
from selfbalance.errors import SelfbalanceError
from selfbalance.observed import ClusterState, Unobserved
from selfbalance.operations import adopting, shell
from selfbalance.operations.context import refusal
from selfbalance.operations.looking import SIGHTS, cluster_hosts, deployment_of, taking_part
from selfbalance.operations.saying import say_plan
from selfbalance.plan import (
    LACKING_REMEDY,
    NodePlan,
    brick_objections,
    lacking_modules,
    plan_node,
    spared,
)


@operation()
def prepared(replace: bool = False) -> Generator[StringCommand | FunctionCommand, None, None]:
    """Install packages, write files, set the kernel, and prove the staged keepalived.conf.

    keepalived itself is left alone. On a node that is as described, nothing is changed.

    + replace: whether a keepalived.conf that somebody else wrote may be overwritten
    """
    host = ctx_host.get()
    state = SIGHTS.of_all(cluster_hosts(host))
    seen = state[host.name]
    if isinstance(seen, Unobserved):
        yield refusal(
            f"{host.name} could not be observed: {seen.reason}; nothing was done to it; "
            f"try: ssh {host.name}; then run this again"
        )
        return
    if seen.distribution not in ("debian", "ubuntu"):
        yield refusal(
            f"{host.name} runs '{seen.distribution}'; nodes are Debian 11 to 13 or Ubuntu"
        )
        return
    try:
        ready = deployment_of(host).informed(state)
    except SelfbalanceError as error:
        yield refusal(f"{error}; nothing was done to {host.name}")
        return
    if objection := _objection(ready, state, host.name, replace):
        yield refusal(objection)
        return
    want = ready.desired[host.name]
    plan = spared(plan_node(want, seen), want, seen)
    say_plan(host, plan)
    if not plan.harmless:
        host.noop("nothing to prepare")
        return
    yield from _prepare(plan, want)
    SIGHTS.forget(host)


def _objection(ready: Deployment, state: ClusterState, name: str, replace: bool) -> str:
    """Say why no node of the cluster is prepared; empty if each may be."""
    if lacking := lacking_modules(ready.desired, state, taking_part()):
        return f"{lacking}; nothing was done to {name}; {LACKING_REMEDY}"
    if impossible := brick_objections(ready.desired, state, taking_part()):
        return f"{impossible}; nothing was done to {name}"
    return adopting.objection(ready, state, replace)


def _prepare(plan: NodePlan, want: DesiredNode) -> Generator[StringCommand, None, None]:
    if plan.packages:
        yield from apt.packages._inner(
            packages=list(plan.packages), update=True, no_recommends=True
        )
    # The proof comes first: what keepalived refuses leaves every other file as it was.
    if plan.config:
        yield shell.write_files([shell.staged(plan.config)])
        yield shell.test_config()
    if plan.files:
        yield shell.write_files(plan.files)
    if plan.kernel:
        yield shell.tell_kernel(plan, want.modules, want.units)
