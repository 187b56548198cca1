"""Operation `prepared`: everything on a node that changes no behaviour. Safe on all at once."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.context import ctx_host
from pyinfra.operations import apt

from selfbalance.desired import DesiredNode
from selfbalance.errors import SelfbalanceError
from selfbalance.gates import View
from selfbalance.observed import Drain, Unobserved
from selfbalance.operations import shell, shell_teardown
from selfbalance.operations.context import refusal
from selfbalance.operations.looking import SIGHTS, cluster_hosts, deployment_of, taking_part
from selfbalance.operations.saying import say_plan
from selfbalance.plan import (
    LACKING_REMEDY,
    NodePlan,
    brick_objections,
    inherited,
    is_new,
    lacking_modules,
    plan_node,
)


@operation()
def prepared() -> Generator[StringCommand | FunctionCommand, None, None]:
    """Install packages, write files, set the kernel, and prove the staged keepalived.conf.

    keepalived itself is left alone. On a node that is as described, nothing is changed.
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
    if lacking := lacking_modules(ready.desired, state, taking_part()):
        yield refusal(f"{lacking}; nothing was done to {host.name}; {LACKING_REMEDY}")
        return
    if impossible := brick_objections(ready.desired, state, taking_part()):
        yield refusal(f"{impossible}; nothing was done to {host.name}")
        return
    want = ready.desired[host.name]
    plan = plan_node(want, seen)
    say_plan(host, plan)
    if not plan.harmless:
        host.noop("nothing to prepare")
        return
    if is_new(want, seen):
        yield StringCommand(shell_teardown.record(want))
        yield from _tell_drains(inherited(View(ready.cluster, ready.desired, state), host.name))
    yield from _prepare(plan, want)
    SIGHTS.forget(host)


def _tell_drains(drains: Mapping[str, Drain]) -> Generator[StringCommand, None, None]:
    """Tell a new director who gets no new clients: the others have been told."""
    for node, drain in drains.items():
        since = "" if drain.since is None else f"{drain.since} {drain.by}"
        yield StringCommand(shell.drain(node, since))


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
