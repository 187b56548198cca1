"""Whether a node may be drained, or may hand over: what would be lost if it did. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from selfbalance.gates import View
from selfbalance.model import VrrpInstance
from selfbalance.observed import NodeState, Role, Unobserved
from selfbalance.plugins import Problem


def stranger(view: View, name: str) -> str | None:
    """Say that a name is no node's, and which names are; None where it is one."""
    known = [node.name for node in view.cluster.nodes]
    return None if name in known else f"there is no node '{name}'; there are {' '.join(known)}"


def untold(view: View, active: Collection[str]) -> str | None:
    """Say which directors could not be told of a drain, and would go on as before; None if none.

    A node that cannot be observed may be left out of `active` by somebody who knows that it is
    down; one that works may not.
    """
    for node in view.cluster.nodes:
        seen = view.state[node.name]
        if not node.director:
            continue
        if isinstance(seen, Unobserved) and node.name in active:
            return _unobserved(seen)
        if isinstance(seen, NodeState) and node.name not in active:
            return f"{node.name} directs too, and has to be told: do not leave it out by --limit"
        if isinstance(seen, NodeState) and seen.founding:
            return (
                f"{node.name} was set up by another design, and its keepalived takes no drain; "
                "migrate it first: docs/migrate-from-2013.md"
            )
    return None


def _unobserved(node: Unobserved) -> str:
    return (
        f"{node.name} could not be observed: {node.reason}; mend it or, if it is down, "
        "leave it out with --limit"
    )


def drain_objection(view: View, name: str, active: Collection[str]) -> str | None:
    """Say why a realserver may not be drained; None if it may."""
    return (
        stranger(view, name)
        or untold(view, active)
        or _too_old(view, active)
        or _last_one(view, name)
    )


def _too_old(view: View, active: Collection[str]) -> str | None:
    """Say which director's keepalived takes no file for a weight of 0: before 2.2, 1 is the least.

    keepalived 2.1.5, keepalived/check/ipwrapper.c, `update_svr_wgt`.
    """
    for want, seen in view.pairs():
        package = seen.packages.get("keepalived", "")
        version = re.match(r"(?:\d+:)?(\d+)\.(\d+)", package)
        old = version is not None and tuple(map(int, version.groups())) < (2, 2)
        if old and want.director and seen.name in active:
            return (
                f"{seen.name} has keepalived {package}, which lowers no weight below 1; "
                "draining needs 2.2, as in Debian 12 or Ubuntu 22.04"
            )
    return None


def _last_one(view: View, name: str) -> str | None:
    """Say where nobody else would serve: no other realserver has weight there."""
    own = view.cluster.node(name)
    tables = {
        director.name: director.kept if want.apart else director.table
        for want, director in view.pairs()
        if want.director
    }
    for director, table in tables.items():
        for service in table:
            ours = [r for r in service.realservers if r.address in (own.address, own.address6)]
            if ours and not any(r.weight for r in service.realservers if r not in ours):
                return (
                    f"nobody else would serve {view.endpoint_of(service)}: on {director} no other "
                    "realserver has weight"
                )
    if not any(tables.values()):
        return "no director has a table: whether somebody else would serve is not known"
    return None


def mastered(view: View, name: str) -> tuple[VrrpInstance, ...]:
    """Return the VRRP instances of which a node is MASTER."""
    return tuple(
        instance
        for instance in view.cluster.instances
        if any(seen.name == name for seen in view.masters_of(instance))
    )


def heirs(view: View, name: str) -> tuple[str, ...]:
    """Return who would take over what a node is MASTER of."""
    found = (_heir(view, name, instance) for instance in mastered(view, name))
    return tuple(dict.fromkeys(heir.name for heir in found if heir))


def handover_objection(
    view: View, name: str, active: Collection[str], problems: Collection[Problem]
) -> str | None:
    """Say why a MASTER may not hand over; None if it may. `problems` are what the gates found."""
    if said := stranger(view, name):
        return said
    if name not in active:
        return f"{name} is left out by --limit"
    if said := _unseen(view, active):
        return said
    for instance in mastered(view, name):
        heir = _heir(view, name, instance)
        if heir is None:
            return f"nobody could take over {' '.join(map(str, instance.vips))} from {name}"
        for problem in problems:
            if problem.node == heir.name:
                return f"{heir.name} would take over from {name}, but: {problem.what}"
    return None


def _unseen(view: View, active: Collection[str]) -> str | None:
    """Say of which node it is not known whether it is MASTER, or could be."""
    for node in view.state.unobserved:
        if node.name in active:
            return _unobserved(node)
    for want, seen in view.pairs():
        if want.director and seen.name in active and "keepalived" in seen.unknown:
            return f"{seen.name}: its role is not known: {seen.unknown['keepalived']}"
    return None


def _heir(view: View, name: str, instance: VrrpInstance) -> NodeState | None:
    """Return the BACKUP of the highest priority (RFC 5798, section 6.4.3)."""
    return max(_backups(view, name, instance), key=lambda each: each[0], default=(0, None))[1]


def _backups(view: View, name: str, instance: VrrpInstance) -> Iterator[tuple[int, NodeState]]:
    for seen in view.state.seen:
        for each in seen.instances:
            if seen.name != name and each.name == instance.name and each.role is Role.BACKUP:
                yield each.effective_priority, seen
