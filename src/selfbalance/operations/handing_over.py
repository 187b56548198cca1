"""Operation `handed_over`: a MASTER gives up its VIPs to the next node, and stands back."""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Iterable
from functools import partial

from pyinfra.api import FunctionCommand, operation
from pyinfra.api.exceptions import OperationError
from pyinfra.context import ctx_host

from selfbalance.gates import View
from selfbalance.model import VrrpInstance
from selfbalance.operations import shell
from selfbalance.operations.context import carried_out, do, executing, refusal
from selfbalance.operations.gating import Gates, left_out, problems_of
from selfbalance.operations.locking import Lock
from selfbalance.operations.looking import (
    SIGHTS,
    cluster_hosts,
    deployment_of,
    look_at_all,
    taking_part,
)
from selfbalance.operations.saying import say, say_nothing_to_do
from selfbalance.plan import handover_objection, heirs, mastered


@operation(_set_in_op=False)
def handed_over(node: str, patience_s: float = 30.0) -> Generator[FunctionCommand, None, None]:
    """Let a MASTER hand over to the next node, and prove the cluster.

    It does so by a restart of its keepalived (docs/decisions/0017-drain-and-hand-over.md). Refuses
    where nobody could take over. Raises `OperationError` if nobody did.

    + node: name of the MASTER
    + patience_s: how long the gates are asked again before they count as shut, in seconds
    """
    host = ctx_host.get()
    hosts = cluster_hosts(host)
    view, verdicts = Gates(deployment_of(host), hosts).judged(SIGHTS.of_all(hosts))
    if objection := handover_objection(view, node, taking_part(), problems_of(verdicts)):
        yield refusal(f"{objection}; nothing was changed")
        return
    instances = mastered(view, node)
    if not instances:
        say_nothing_to_do(host, f"{node} is not MASTER")
        return
    gates = Gates(deployment_of(host), hosts, patience_s, left_out(verdicts))
    say(f"{host.print_prefix}{node}: give {_vips(instances)} to {_names(heirs(view, node))}")
    yield from carried_out(partial(hand_over, gates, node))
    if executing():
        gates.prove(state=None)


def hand_over(gates: Gates, node: str) -> None:
    """Let the node hand over, if it still may: another run may have ended since the plan was made.

    Raises `OperationError` unless somebody else is MASTER afterwards.
    """
    with Lock.of_cluster(gates.hosts).held():
        view, verdicts = gates.judged(look_at_all(gates.hosts))
        if objection := handover_objection(view, node, taking_part(), problems_of(verdicts)):
            raise OperationError(f"{objection}; nothing was changed")
        if not (instances := mastered(view, node)):
            say(f"{node} is not MASTER any more")
            return
        give_up(gates, node)
        look_at_all(gates.hosts)
        see_taken(gates, node, instances)


def give_up(gates: Gates, node: str) -> None:
    """Let the node give up what it is MASTER of: what was seen of roles before is old by then.

    Raises `OperationError` if it cannot.
    """
    host = next(each for each in gates.hosts if each.name == node)
    try:
        do(host, shell.hand_over())
    except OperationError as error:
        raise OperationError(
            f"{node}: keepalived could not be restarted ({error}); "
            f"on {node}: systemctl status keepalived; then look at the cluster: status.py"
        ) from None


def see_taken(gates: Gates, node: str, instances: Collection[VrrpInstance]) -> None:
    """See that others are MASTER of what the node gave up, by a look after that or by later ones.

    Raises `OperationError` if nobody is when patience is at its end.
    """
    host = next(each for each in gates.hosts if each.name == node)
    view = _look_for_heirs(gates, node, instances)
    if still := _not_taken(view, node, instances):
        raise OperationError(
            f"{node} was to hand over, but {still}; look at the cluster: status.py"
        )
    taken_by = [seen.name for instance in instances for seen in view.masters_of(instance)]
    say(f"{host.print_prefix}handed over to {_names(taken_by)}")


def _look_for_heirs(gates: Gates, node: str, instances: Iterable[VrrpInstance]) -> View:
    """Look until others are MASTER of all of these, or patience is at its end."""
    deadline = time.monotonic() + gates.patience_s
    state = SIGHTS.of_all(gates.hosts)
    while True:
        view, _ = gates.viewed(state)
        if not _not_taken(view, node, instances) or time.monotonic() >= deadline:
            return view
        time.sleep(0.5)
        state = look_at_all(gates.hosts)


def _not_taken(view: View, node: str, instances: Iterable[VrrpInstance]) -> str:
    """Say what is not as it should be after a hand-over; empty where somebody else is MASTER."""
    for instance in instances:
        masters = [seen.name for seen in view.masters_of(instance)]
        if node in masters or not masters:
            return "is MASTER still" if masters else "nobody is MASTER now"
    return ""


def _vips(instances: Iterable[VrrpInstance]) -> str:
    return " ".join(str(vip) for instance in instances for vip in instance.vips)


def _names(nodes: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(nodes))
