"""Operation `prepared`: everything on a node that changes no behaviour. Safe on all at once."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra.api import StringCommand, operation
from pyinfra.api.exceptions import OperationError
from pyinfra.context import ctx_host
from pyinfra.operations import apt

from selfbalance.desired import DesiredNode
from selfbalance.observed import NodeState, Unobserved
from selfbalance.operations import shell
from selfbalance.operations.looking import SIGHTS, deployment_of
from selfbalance.operations.saying import say_plan
from selfbalance.plan import Act, NodePlan, plan_node

NEED_RESTART: set[str] = set()
"""Nodes whose keepalived runs under an older drop-in: written now, it acts at the next start."""


@operation()
def prepared() -> Generator[StringCommand, None, None]:
    """Install packages, write files, set the kernel, and prove the staged keepalived.conf.

    keepalived itself is left alone. On a node that is as described, nothing is changed.
    """
    host = ctx_host.get()
    want = deployment_of(host).desired[host.name]
    seen = SIGHTS.of(host)
    if isinstance(seen, Unobserved):
        raise OperationError(f"{host.name} could not be observed: {seen.reason}; nothing was done")
    _refuse_unsupported(seen)
    plan = plan_node(want, seen)
    say_plan(host, plan)
    if not plan.harmless:
        host.noop("nothing to prepare")
        return
    yield from _prepare(plan, want)
    if plan.act is Act.RESTART:
        NEED_RESTART.add(host.name)
    SIGHTS.forget(host)


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


def _refuse_unsupported(seen: NodeState) -> None:
    """Raise on what this was never proven on: a clear error, not a guess."""
    if seen.distribution not in ("debian", "ubuntu"):
        raise OperationError(
            f"{seen.name} runs '{seen.distribution}'; nodes are Debian 11 to 13 or Ubuntu"
        )
