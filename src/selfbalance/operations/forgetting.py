"""Operation `forgotten`: what directors remember of nodes that are described no more."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

from pyinfra.api import FunctionCommand, operation
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host
from pyinfra.context import ctx_host

from selfbalance.operations import shell
from selfbalance.operations.context import carried_out, do
from selfbalance.operations.looking import SIGHTS, cluster_hosts, taking_part
from selfbalance.operations.saying import say
from selfbalance.plan import ghosts


@operation(_set_in_op=False)
def forgotten() -> Generator[FunctionCommand, None, None]:
    """Remove the drains of nodes that are described no more.

    A node of that name that is described again would begin drained, and nobody would know by whom.
    Comes after `activated`: as long as keepalived knows the node, its drain keeps clients away.
    Raises `OperationError` if a director cannot be told.
    """
    host = ctx_host.get()
    hosts = cluster_hosts(host)
    described = [each.name for each in hosts]
    left = {
        seen.name: gone
        for seen in SIGHTS.of_all(hosts).seen
        if seen.name in taking_part() and (gone := ghosts(described, seen))
    }
    if not left:
        host.noop("no director remembers a node that is described no more")
        return
    names = " ".join(dict.fromkeys(node for gone in left.values() for node in gone))
    say(f"{host.print_prefix}{names}: described no more; {' '.join(left)} forget its drain")
    for each in hosts:
        for node in left.get(each.name, ()):
            yield from carried_out(partial(_forget, each, node))


def _forget(host: Host, node: str) -> None:
    try:
        do(host, shell.undrain(node))
    except OperationError as error:
        raise OperationError(
            f"{host.name} could not forget that {node} was drained ({error}); a node of that name "
            "would be drained there; run this again"
        ) from None
    finally:
        SIGHTS.forget(host)
