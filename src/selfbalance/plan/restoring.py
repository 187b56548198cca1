"""Whether a node that was put back is as it was: looks before and after, compared. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from selfbalance.observed import NodeState, Role, SeenService


def unrestored(before: NodeState, now: NodeState) -> str:
    """Say what of a node is not as it was before a change; empty where all of it is.

    Its files are compared on the node itself, with what was kept of them.
    """
    return next(_differences(before, now), "")


def _differences(before: NodeState, now: NodeState) -> Iterator[str]:
    if before.keepalived_active != now.keepalived_active:
        yield "keepalived runs" if now.keepalived_active else "keepalived does not run"
    if odd := {"units", "sysctls", "table", "kept"} & now.unknown.keys():
        yield f"{' and '.join(sorted(odd))} could not be observed"
    for name, value in before.sysctls.items():
        if now.sysctls.get(name) != value:
            yield f"{name} is {now.sysctls.get(name)}; it was {value}"
    for instance in now.instances if before.keepalived_active else ():
        if instance.role in (Role.FAULT, Role.INIT):
            yield f"keepalived is in {instance.role.value}"
    if before.changing or not before.keepalived_active:
        return  # What its table was before an earlier run, nobody has seen.
    if _services(_filled(before)) != _services(_filled(now)):
        yield "its IPVS table has other services"
    if lost := _served(before) - _served(now):
        yield f"{' '.join(sorted(lost))} has weight 0 there"


def _filled(seen: NodeState) -> tuple[SeenService, ...]:
    """Return the table that keepalived fills: the node's own follows from its role."""
    return seen.kept or seen.table


def _services(table: Iterable[SeenService]) -> frozenset[object]:
    return frozenset(
        (s.key, s.scheduler, s.flags, r.address, r.port, r.method)
        for s in table
        for r in s.realservers
    )


def _served(seen: NodeState) -> set[str]:
    """Return the realservers that are sent clients."""
    return {
        f"{real.address}"
        for service in _filled(seen)
        for real in service.realservers
        if real.weight
    }
