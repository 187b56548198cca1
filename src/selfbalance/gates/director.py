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
        problems += _apart(view, want, seen) if want.apart else _sync(view, want, seen)
    directors = [seen for want, seen in view.pairs() if want.director]
    return Verdict(f"tables equal on {len(directors)} nodes, {_who_tells(view)}", tuple(problems))


_BOTH = 2
"""Sync daemons of a node that is master and backup of each other."""


def _who_tells(view: View) -> str:
    if any(want.apart for want in view.desired.values()):
        return f"only {names(view.masters)} balances"
    if any(want.sync_roles == _BOTH for want in view.desired.values()):
        return "sync master and backup on each"
    return f"sync master on {names(view.masters)}"


def filled(want: DesiredNode, seen: NodeState) -> tuple[SeenService, ...]:
    """Return the table that keepalived fills: the node's, or one apart from it."""
    return seen.kept if want.apart else seen.table


def _essence(table: Iterable[SeenService]) -> frozenset[object]:
    """What must be equal everywhere: services and weights, not counters nor order."""
    return frozenset(
        (s.key, s.scheduler, s.flags, r.address, r.port, r.method, r.weight)
        for s in table
        for r in s.realservers
    )


def _equal(view: View) -> Iterator[Problem]:
    """Compare the tables that are as described otherwise; of the others each is a problem.

    What is pending has the table of an earlier description.
    """
    tables = {
        seen.name: filled(want, seen)
        for want, seen in view.pairs()
        if want.director and seen.keepalived_active and not seen.founding
        if seen.name not in view.pending
        if not {"table", "kept"} & seen.unknown.keys()
        if not any(table_problems(want, seen))
    }
    if len({_essence(table) for table in tables.values()}) > 1:
        has = (
            f"{name} has {_weights(view.desired[name], table)}" for name, table in tables.items()
        )
        yield Problem(
            f"IPVS tables differ: {'; '.join(has)}",
            remedy="a difference lasts while a check is in flight; if it stays, on the odd node: "
            "systemctl restart keepalived",
        )


def _weights(want: DesiredNode, table: Iterable[SeenService]) -> str:
    methods = {service.method for service in want.services}
    return " ".join(
        f"{real.address}={real.weight}{'' if real.method in methods else f' by {real.method}'}"
        for service in table
        for real in service.realservers
    )


def table_problems(want: DesiredNode, seen: NodeState) -> Iterator[Problem]:
    """Yield how a node's services differ from what is desired. Weights are the checks' to say."""
    if {"table", "kept"} & seen.unknown.keys() or not seen.keepalived_active:
        return
    table = {each.key: each for each in filled(want, seen)}
    for service in want.services if want.director else ():
        found = table.pop(service.key, None)
        wrong = "is missing" if found is None else _wrong(service, found)
        if wrong:
            yield Problem(
                f"{seen.name}: virtual service {service.vip}:{service.port} {wrong}",
                seen.name,
                f"on {seen.name}: systemctl restart keepalived",
            )
    for stray in table.values():
        yield Problem(
            f"{seen.name}: virtual service {stray.endpoint} is in the table but not described",
            seen.name,
            "add it to the description, or remove it with ipvsadm",
        )


def _wrong(want: DesiredService, found: SeenService) -> str | None:
    if found.scheduler != want.scheduler or found.flags != frozenset(want.flags):
        scheduler = " ".join((found.scheduler, *sorted(found.flags)))
        return f"has scheduler {scheduler}; it should be {' '.join((want.scheduler, *want.flags))}"
    described = {(address, want.realserver_port) for address in want.weights}
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


def _apart(view: View, want: DesiredNode, seen: NodeState) -> Iterator[Problem]:
    """The MASTER's own table is the one that keepalived fills, everybody else's is empty."""
    if {"table", "kept", "sync", "keepalived"} & seen.unknown.keys() or not seen.keepalived_active:
        return
    remedy = f"on {seen.name}: systemctl restart selfbalance-watch"
    if seen.sync:
        has = " and ".join(sorted(seen.sync))
        yield Problem(
            f"{seen.name}: IPVS sync daemon: {has}; it should be none",
            seen.name,
            f"on {seen.name}: systemctl restart keepalived",
        )
    if seen not in view.masters and seen.table:
        yield Problem(
            f"{seen.name} is not MASTER, but its IPVS table is not empty: "
            f"{_weights(want, seen.table)}; "
            "it balances again what the MASTER has balanced",
            seen.name,
            remedy,
        )
    elif seen in view.masters and _essence(seen.table) != _essence(filled(want, seen)):
        yield Problem(
            f"{seen.name} is MASTER, but balances by "
            f"{_weights(want, seen.table) or 'an empty table'}; "
            f"keepalived knows {_weights(want, seen.kept) or 'nothing'}",
            seen.name,
            remedy,
        )


def _sync(view: View, want: DesiredNode, seen: NodeState) -> Iterator[Problem]:
    """Exactly one daemon a node, as backup_only acts only while that one is `backup`; or both."""
    if not want.sync_daemon or {"sync", "keepalived"} & seen.unknown.keys():
        return
    if not seen.keepalived_active:
        return
    expected = _expected_sync(view, want, seen)
    if seen.sync != expected:
        yield Problem(
            f"{seen.name}: IPVS sync daemon: {_listed(seen.sync)}; it should be "
            f"{_listed(expected)}",
            seen.name,
            f"on {seen.name}: systemctl restart keepalived",
        )


def _expected_sync(view: View, want: DesiredNode, seen: NodeState) -> set[str]:
    if want.sync_roles == _BOTH:
        return {"master", "backup"}
    return {"master"} if seen in view.masters else {"backup"}


def _listed(roles: Iterable[str]) -> str:
    return " and ".join(sorted(roles)) or "none"
