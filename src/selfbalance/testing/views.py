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
    HealCount,
    NodeState,
    Role,
    SeenBrick,
    SeenCopy,
    SeenFile,
    SeenInstance,
    SeenPeer,
    SeenRealserver,
    SeenService,
    SeenSettings,
    SeenUnit,
    SeenVolume,
    Shared,
    Unobserved,
    parse,
)
from selfbalance.plugins import Plugins

SECTIONS = tuple(parse("web1", "##format\n1\n##end\n").unknown)
"""Everything that may be unknown of a node."""

SECTIONS_WITH_VOLUMES = tuple(parse("web1", "##format\n1\n##pool\n!gone\n##end\n").unknown)
"""The same where volumes are described."""


def nasty_views(cluster: Cluster, plugins: Plugins) -> Iterator[tuple[str, View]]:
    """Yield looks at a cluster, each with a word on what is odd about it."""
    desired = desire(cluster, plugins, {})
    whole = {name: _as_described(cluster, want) for name, want in desired.items()}
    shared = _shared(next(iter(desired.values())))
    for what, nodes in _states(whole, SECTIONS_WITH_VOLUMES if cluster.volumes else SECTIONS):
        yield what, View(cluster, desired, ClusterState(nodes, shared))
    for what, odd in _states_of_volumes(shared) if cluster.volumes else ():
        yield what, View(cluster, desired, ClusterState(tuple(whole.values()), odd))
    for what, copies in _COPIES.items() if cluster.volumes else ():
        nodes = tuple(_with_copies(node, copies) for node in whole.values())
        yield what, View(cluster, desired, ClusterState(nodes, shared))


def _states(
    whole: Mapping[str, NodeState], sections: tuple[str, ...]
) -> Iterator[tuple[str, tuple[NodeState | Unobserved, ...]]]:
    everybody = tuple(whole.values())
    yield "all as described", everybody
    yield "no node at all", ()
    yield "nobody observed", tuple(Unobserved(name, "ssh timed out") for name in whole)
    yield "nothing known", tuple(_blind(name, sections) for name in whole)
    yield "blank nodes", tuple(NodeState(name) for name in whole)
    first, *others = everybody
    yield "MASTER not observed", (Unobserved(first.name, "ssh timed out"), *others)
    yield "MASTER blank", (NodeState(first.name), *others)
    yield "only MASTER observed", (first, *(Unobserved(n.name, "no route") for n in others))
    for field, empty in _emptied():
        yield f"{field} empty", tuple(replace(node, **{field: empty}) for node in everybody)
        yield f"{field} empty on MASTER", (replace(first, **{field: empty}), *others)
    for section in sections:
        unknown = {section: f"{section} went wrong"}
        yield f"{section} unknown", tuple(replace(node, unknown=unknown) for node in everybody)
        yield (
            f"{section} unknown of MASTER",
            (replace(_blind(first.name, sections), unknown=unknown), *others),
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


def _blind(name: str, sections: tuple[str, ...]) -> NodeState:
    """A node of which every section went wrong."""
    return NodeState(name, unknown={section: f"{section} went wrong" for section in sections})


def _in_role(node: NodeState, role: Role) -> NodeState:
    return replace(node, instances=tuple(replace(each, role=role) for each in node.instances))


_ODD = (
    SeenRealserver(ip_address("203.0.113.9"), 81, "Masq", 0, 0, 0),
    SeenRealserver(ip_address("2001:db8::9"), 80, "Tunnel", 65535, 1, 1),
)


def _with_realservers(node: NodeState, real: tuple[SeenRealserver, ...]) -> NodeState:
    table = tuple(replace(service, realservers=real) for service in node.table)
    return replace(node, table=table)


def _states_of_volumes(shared: Shared) -> Iterator[tuple[str, Shared]]:
    """Yield what the volumes as a whole may be said to be, all nodes being as described."""
    yield "nobody asked of the volumes", Shared()
    yield "volumes unknown", Shared(shared.observer, {}, "gluster does not answer")
    yield "no volume told of", Shared(shared.observer)
    for answer in ("status", "heal", "again"):
        yield f"{answer} of volumes unknown", _each(shared, unknown={answer: "it went wrong"})
    for field in ("bricks", "healers", "heals"):
        empty: object = () if field == "heals" else {}
        yield f"{field} of volumes empty", _each(shared, **{field: empty})
    for what, count in (
        ("counts unknown", "Transport endpoint is not connected"),
        ("something to heal", HealCount(pending=1, split_brain=0)),
        ("split-brain", HealCount(pending=0, split_brain=2)),
    ):
        heals = [dict.fromkeys(seen.bricks, count) for seen in shared.volumes.values()]
        yield f"volumes with {what}", _each(shared, heals=(*heals[:1], {}))
    offline = [dict.fromkeys(seen.bricks, False) for seen in shared.volumes.values()]
    yield "no copy online", _each(shared, bricks=offline[0])


def _each(shared: Shared, **changes: Any) -> Shared:  # noqa: ANN401 - fields of any type
    volumes = {name: replace(seen, **changes) for name, seen in shared.volumes.items()}
    return replace(shared, volumes=volumes)


_COPIES = {
    "copies gone": SeenCopy(SeenBrick("gone", on_root=True, total=0, free=0)),
    "copies bare": SeenCopy(SeenBrick("bare", on_root=False, total=1, free=1), "ext4"),
    "mounts that fail": SeenCopy(None, "fails"),
}


def _with_copies(node: NodeState, copy: SeenCopy) -> NodeState:
    return replace(node, copies=dict.fromkeys(node.copies, copy))


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
        dialect=want.dialect,
        listening=frozenset((ip_address("0.0.0.0"), s.port) for s in want.services),  # noqa: S104
        instances=(SeenInstance(cluster.name, role, want.priority, want.priority),),
        claims={} if is_master else {vip: frozenset({macs[first.name]}) for vip in want.vips},
        peer_macs={peer: macs[peer] for peer in want.peers},
        **_sharing(want),
    )


def _sharing(want: DesiredNode) -> dict[str, Any]:
    """What a node has of its volumes, and what its glusterd says; nothing without one."""
    if not want.volumes:
        return {}
    return {
        "gluster_peers": tuple(
            SeenPeer(frozenset({address}), connected=True, state=3, words="Peer in Cluster")
            for name, address in want.pool.items()
            if name != want.name
        ),
        "volumes": {
            each.name: SeenSettings(
                started=True,
                bricks=each.bricks,
                replica=len(each.bricks),
                arbiter=int(each.arbiter),
                options=dict(each.options),
            )
            for each in want.volumes
        },
        "copies": {
            each.name: SeenCopy(
                SeenBrick("marked", on_root=each.on_root, total=2**30, free=2**29)
                if each.brick
                else None,
                mount="works",
            )
            for each in want.volumes
        },
        "op_version": 100000,
    }


def _shared(want: DesiredNode) -> Shared:
    """What this node says of the volumes as a whole, all being well."""
    if not want.volumes:
        return Shared()
    return Shared(
        want.name,
        {
            each.name: SeenVolume(
                bricks=dict.fromkeys(each.bricks, True),
                healers=dict.fromkeys(each.holders, True),
                heals=(dict.fromkeys(each.bricks, HealCount(0, 0)),) * 2,
            )
            for each in want.volumes
        },
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
