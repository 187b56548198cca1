"""Looks at a cluster as no operator wants to see it: what every gate has to answer to.

Each starts from one in which all is as described, and takes something away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, replace
from ipaddress import ip_address
from typing import Any

from selfbalance import Cluster
from selfbalance.desired import DesiredNode, DesiredService, desire
from selfbalance.gates import View
from selfbalance.model.standing import Standing
from selfbalance.observed import (
    ClusterState,
    NodeState,
    Role,
    SeenFile,
    SeenInstance,
    SeenRealserver,
    SeenService,
    SeenUnit,
    Unobserved,
    parse,
)
from selfbalance.plugins import Plugins

SECTIONS = tuple(parse("web1", "##format\n1\n##end\n").unknown)
"""Everything that may be unknown of a node."""


def nasty_views(cluster: Cluster, plugins: Plugins) -> Iterator[tuple[str, View]]:
    """Yield looks at a cluster, each with a word on what is odd about it."""
    desired = desire(cluster, plugins, {})
    whole = {name: _as_described(cluster, want) for name, want in desired.items()}
    for what, nodes in _states(whole):
        yield what, View(cluster, desired, ClusterState(nodes))


def _states(
    whole: Mapping[str, NodeState],
) -> Iterator[tuple[str, tuple[NodeState | Unobserved, ...]]]:
    everybody = tuple(whole.values())
    yield "all as described", everybody
    yield "no node at all", ()
    yield "nobody observed", tuple(Unobserved(name, "ssh timed out") for name in whole)
    yield "nothing known", tuple(_blind(name) for name in whole)
    yield "blank nodes", tuple(NodeState(name) for name in whole)
    first, *others = everybody
    yield "MASTER not observed", (Unobserved(first.name, "ssh timed out"), *others)
    yield "MASTER blank", (NodeState(first.name), *others)
    yield "only MASTER observed", (first, *(Unobserved(n.name, "no route") for n in others))
    for field, empty in _emptied():
        yield f"{field} empty", tuple(replace(node, **{field: empty}) for node in everybody)
        yield f"{field} empty on MASTER", (replace(first, **{field: empty}), *others)
    for section in SECTIONS:
        unknown = {section: f"{section} went wrong"}
        yield f"{section} unknown", tuple(replace(node, unknown=unknown) for node in everybody)
        yield (
            f"{section} unknown of MASTER",
            (replace(_blind(first.name), unknown=unknown), *others),
        )
    for role in Role:
        yield f"all {role.value}", tuple(_in_role(node, role) for node in everybody)
    yield "no realserver", tuple(_with_realservers(node, ()) for node in everybody)
    yield "a stranger for realserver", tuple(_with_realservers(node, _ODD) for node in everybody)


def _emptied() -> Iterator[tuple[str, Any]]:
    """Yield each part of what is seen of a node, with the value that says nothing."""
    for field in fields(NodeState):
        if field.default is not MISSING:
            yield field.name, field.default
        elif field.default_factory is not MISSING:
            yield field.name, field.default_factory()


def _blind(name: str) -> NodeState:
    """A node of which every section went wrong."""
    return NodeState(name, unknown={section: f"{section} went wrong" for section in SECTIONS})


def _in_role(node: NodeState, role: Role) -> NodeState:
    return replace(node, instances=tuple(replace(each, role=role) for each in node.instances))


_ODD = (
    SeenRealserver(ip_address("203.0.113.9"), 81, "Masq", 0, 0, 0),
    SeenRealserver(ip_address("2001:db8::9"), 80, "Tunnel", 65535, 1, 1),
)


def _with_realservers(node: NodeState, real: tuple[SeenRealserver, ...]) -> NodeState:
    table = tuple(replace(service, realservers=real) for service in node.table)
    return replace(node, table=table)


_MTU_BYTES = 1500


def _as_described(cluster: Cluster, want: DesiredNode) -> NodeState:
    """A node that has what it must have; the first one of the description is MASTER."""
    node, first = cluster.node(want.name), cluster.nodes[0]
    is_master = node == first
    standing = Standing.SERVING if is_master else Standing.FRESH
    role = Role.MASTER if is_master else Role.BACKUP
    own = frozenset(each for each in (node.address, node.address6) if each is not None)
    macs = {each.name: f"02:5b:00:00:00:{at:02x}" for at, each in enumerate(cluster.nodes)}
    return NodeState(
        name=want.name,
        boot_id="00000000-0000-4000-8000-000000000000",
        kernel="6.1.176",
        distribution="debian",
        version_codename="bookworm",
        packages=dict.fromkeys(want.packages, "1.0"),
        files={f.path: SeenFile(f.sha256, f.mode, uid=0, gid=0) for f in want.all_files},
        sysctls=dict(want.sysctls),
        modules=frozenset(want.modules),
        addresses={
            want.vip_interface: frozenset(want.vips),
            want.interface: own | frozenset(want.vips if is_master else ()),
        },
        mac=macs[want.name],
        mtu=_MTU_BYTES,
        up=frozenset(want.unwrapping),
        segments={
            vip: segment
            for vip in want.vips
            for segment in [want.segment(vip, _MTU_BYTES)]
            if segment is not None
        },
        held_resets=frozenset(want.vips),
        units={
            unit: SeenUnit("loaded", "active", "running", "enabled", needs_reload=False)
            for unit in want.units
        },
        table=tuple(_seen(service) for service in want.services),
        sync=frozenset({"master" if is_master else "backup"}),
        demotion=cluster.demotion_of(node, standing),
        drop_in_read=True,
        listening=frozenset((ip_address("0.0.0.0"), s.port) for s in want.services),  # noqa: S104
        instances=(SeenInstance(cluster.name, role, want.priority, want.priority),),
        claims={} if is_master else {vip: frozenset({macs[first.name]}) for vip in want.vips},
        peer_macs={peer: macs[peer] for peer in want.peers},
    )


def _seen(service: DesiredService) -> SeenService:
    return SeenService(
        service.protocol,
        service.vip,
        service.port,
        service.scheduler,
        frozenset(service.flags),
        tuple(
            SeenRealserver(address, service.port, service.method, weight, 0, 0)
            for address, weight in service.weights.items()
        ),
    )
