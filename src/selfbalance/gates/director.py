"""Gate `director`: IPVS tables are as described and equal, the sync daemon runs as it should."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from selfbalance.desired import DesiredNode, DesiredService
from selfbalance.gates.view import View, names
from selfbalance.model.words import IPAddress
from selfbalance.observed import NodeState, SeenService
from selfbalance.plugins import Problem, Verdict


def director(view: View) -> Verdict:
    """Every node could direct this second: same services, same weights, connections in sync.

    A node whose keepalived does not run is the gate `nodes`' problem, and not told again here.
    """
    problems = [*_equal(view)]
    for want, seen in view.pairs():
        problems += table_problems(want, seen)
        problems += _sync(view, want, seen)
    directors = [seen for want, seen in view.pairs() if want.director]
    return Verdict(
        f"tables equal on {len(directors)} nodes, sync master on {names(view.masters)}",
        tuple(problems),
    )


def _essence(seen: NodeState) -> frozenset[object]:
    """What must be equal everywhere: services and weights, not counters nor order."""
    return frozenset(
        (s.protocol, s.vip, s.port, s.scheduler, s.flags, r.address, r.port, r.method, r.weight)
        for s in seen.table
        for r in s.realservers
    )


def _equal(view: View) -> Iterator[Problem]:
    """Compare the tables that are as described otherwise; of the others each is a problem."""
    tables = [
        seen
        for want, seen in view.pairs()
        if want.director and seen.keepalived_active and "table" not in seen.unknown
        if not any(table_problems(want, seen))
    ]
    if len({_essence(seen) for seen in tables}) > 1:
        yield Problem(
            f"IPVS tables differ: {'; '.join(map(_weights, tables))}",
            remedy="a difference lasts while a check is in flight; if it stays, on the odd node: "
            "systemctl restart keepalived",
        )


def _weights(seen: NodeState) -> str:
    rows = (
        f"{real.address}={real.weight}" for service in seen.table for real in service.realservers
    )
    return f"{seen.name} has {' '.join(rows)}"


def table_problems(want: DesiredNode, seen: NodeState) -> Iterator[Problem]:
    """Yield how a node's services differ from what is desired. Weights are the checks' to say."""
    if "table" in seen.unknown or not seen.keepalived_active:
        return
    table = {(each.protocol, each.vip, each.port): each for each in seen.table}
    for service in want.services if want.director else ():
        found = table.pop((service.protocol, service.vip, service.port), None)
        wrong = "is missing" if found is None else _wrong(service, found)
        if wrong:
            yield Problem(
                f"{seen.name}: virtual service {service.vip}:{service.port} {wrong}",
                seen.name,
                f"on {seen.name}: systemctl restart keepalived",
            )
    for protocol, vip, port in table:
        yield Problem(
            f"{seen.name}: virtual service {protocol} {vip}:{port} is in the table "
            "but not described",
            seen.name,
            "add it to the description, or remove it with ipvsadm",
        )


def _wrong(want: DesiredService, found: SeenService) -> str | None:
    if found.scheduler != want.scheduler or found.flags != frozenset(want.flags):
        scheduler = " ".join((found.scheduler, *sorted(found.flags)))
        return f"has scheduler {scheduler}; it should be {' '.join((want.scheduler, *want.flags))}"
    described = {(address, want.port) for address in want.weights}
    has = {(real.address, real.port) for real in found.realservers}
    if described - has:
        return f"lacks realserver {_endpoints(described - has)}"
    if has - described:
        return f"has realserver {_endpoints(has - described)}, which is not described"
    methods = {real.method for real in found.realservers} - {want.method}
    if methods:
        return f"forwards by {' and '.join(sorted(methods))}; it should be {want.method}"
    return None


def _endpoints(some: Iterable[tuple[IPAddress, int]]) -> str:
    return " ".join(sorted(f"{address} port {port}" for address, port in some))


def _sync(view: View, want: DesiredNode, seen: NodeState) -> Iterator[Problem]:
    """Exactly one daemon a node. backup_only acts only while that one is `backup`."""
    if not want.sync_daemon or {"sync", "keepalived"} & seen.unknown.keys():
        return
    if not seen.keepalived_active:
        return
    expected = "master" if seen in view.masters else "backup"
    if seen.sync != {expected}:
        has = " and ".join(sorted(seen.sync)) or "none"
        yield Problem(
            f"{seen.name}: IPVS sync daemon: {has}; it should be {expected}",
            seen.name,
            f"on {seen.name}: systemctl restart keepalived",
        )
