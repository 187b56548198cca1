"""What to do on one node: the difference between what it must have and what was seen."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from selfbalance.desired import DesiredNode, File, places
from selfbalance.gates.director import filled, table_problems
from selfbalance.model.words import IPAddress
from selfbalance.observed import ClusterState, NodeState, SeenMarks


class Act(str, Enum):
    """What keepalived has to do on a node. Each is lossless on a node that is not the last one."""

    NONE = "leave alone"
    START = "start"
    RELOAD = "reload"
    RESTART = "restart"


@dataclass(frozen=True)
class NodePlan:
    """The changes of one node: harmless ones, made everywhere at once, and keepalived's act.

    `files` are written in place; keepalived.conf, where `config` is set, is staged, tested, and put
    in place by the act. `agreed` says that its VRRP peers have to change at the same second, `new`
    that the node has had no configuration so far. `strays` are VIPs that it still takes although
    they are not described any more.
    """

    node: str
    packages: tuple[str, ...]
    files: tuple[File, ...]
    config: File | None
    modules: tuple[str, ...]
    sysctls: Mapping[str, str]
    units: tuple[str, ...]
    vips: bool
    act: Act
    agreed: bool = False
    new: bool = False
    strays: tuple[IPAddress, ...] = ()

    @property
    def harmless(self) -> bool:
        """Whether there is something to prepare that changes no behaviour."""
        return bool(self.packages or self.kernel or self.files or self.config)

    @property
    def kernel(self) -> bool:
        """Whether kernel or systemd have to be told something."""
        return bool(
            self.files or self.modules or self.sysctls or self.units or self.vips or self.packages
        )

    @property
    def empty(self) -> bool:
        """Whether the node is as described."""
        return not (self.harmless or self.strays) and self.act is Act.NONE

    def lines(self) -> tuple[str, ...]:
        """Say each change in a few words, for a person who reads a plan."""
        settings = (f"{name}={value}" for name, value in self.sysctls.items())
        return (
            *_line("install", self.packages),
            *(f"write {file.path}" for file in (*self.files, *filter(None, [self.config]))),
            *_line("load module", self.modules),
            *_line("set", settings),
            *_line("enable", self.units),
            *(("put the VIPs on their interface",) if self.vips else ()),
            *((f"{self.act.value} keepalived",) if self.act is not Act.NONE else ()),
            *_line("take away", map(str, self.strays)),
        )


def _line(verb: str, things: Iterable[str]) -> tuple[str, ...]:
    listed = " ".join(things)
    return (f"{verb} {listed}",) if listed else ()


def plan_node(want: DesiredNode, seen: NodeState) -> NodePlan:
    """Compare a node with what it must have. The same input gives the same plan."""
    files = tuple(file for file in want.files if _differs(file, seen))
    config = want.config if _differs(want.config, seen) else None
    return NodePlan(
        node=want.name,
        packages=tuple(p for p in want.packages if p not in seen.packages),
        files=files,
        config=config,
        modules=tuple(m for m in want.modules if m not in seen.modules),
        sysctls={n: v for n, v in want.sysctls.items() if seen.sysctls.get(n) != v},
        units=tuple(unit for unit in want.units if not _set_up(seen, unit)),
        vips=not all(_ready_for(vip, want, seen) for vip in want.vips)
        or not seen.up >= {*want.unwrapping}
        or _marks_are_odd(want, seen)
        or _inactive(seen, "selfbalance-vip.service"),
        act=_act(want, seen, files, config),
        agreed=config is not None
        and want.director
        and seen.keepalived_active
        and seen.dialect != want.dialect,
        new=places.CONFIG not in seen.files,
        strays=tuple(sorted(seen.held_resets - {*want.vips}, key=str)),
    )


LACKING_REMEDY = "choose what that kernel has, or give the node a kernel that has it"


def lacking_modules(
    desired: Mapping[str, DesiredNode], state: ClusterState, names: Container[str]
) -> str:
    """Say which of the named nodes' kernels lack a module that is desired; empty if none does.

    A node that was seen but did not tell which modules it has is named too.
    """
    named = [seen for seen in state.seen if seen.name in names]
    return "; ".join(
        f"{seen.name}: which modules its kernel has could not be observed: "
        f"{seen.unknown['modules']}"
        if "modules" in seen.unknown
        else f"{seen.name}: its kernel {seen.kernel} has no module {' nor '.join(lacking)}"
        for seen in named
        for lacking in [[m for m in desired[seen.name].modules if m in seen.unavailable]]
        if lacking or "modules" in seen.unknown
    )


def _ready_for(vip: IPAddress, want: DesiredNode, seen: NodeState) -> bool:
    """Whether the node takes what is sent to a VIP, and answers as it should."""
    return (
        seen.holds(vip, want.vip_interface)
        and vip in seen.held_resets
        and seen.segments.get(vip) == want.segment(vip, seen.mtu)
    )


def _differs(file: File, seen: NodeState) -> bool:
    found = seen.files.get(file.path)
    return found is None or (found.sha256, found.mode, found.uid, found.gid) != (
        file.sha256,
        file.mode,
        0,
        0,
    )


def _set_up(seen: NodeState, unit: str) -> bool:
    """Whether a unit is enabled, as systemd knows it, and active.

    keepalived and a mount may be inactive: their turn comes later.
    """
    found = seen.units.get(unit)
    if found is None or found.enabled != "enabled" or found.needs_reload:
        return False
    return begins_later(unit) or found.active == "active"


def begins_later(unit: str) -> bool:
    """Whether a unit is not started while nodes are prepared.

    keepalived's turn comes behind gates, a mount's when there is a volume.
    """
    return unit == "keepalived.service" or unit.endswith(".mount")


def _inactive(seen: NodeState, unit: str) -> bool:
    return unit not in seen.units or seen.units[unit].active != "active"


def _act(want: DesiredNode, seen: NodeState, files: tuple[File, ...], config: File | None) -> Act:
    if {"units", "files", "drop_in"} & seen.unknown.keys():
        # A guess: to start what runs would leave it with the old configuration in force.
        return Act.NONE
    if not seen.keepalived_active:
        return Act.START
    # systemd takes a changed drop-in's environment and folders at the next start only. What an
    # interrupted run has written and not started shows on the node itself.
    if not seen.drop_in_read or any(file.path == places.DROP_IN for file in files):
        return Act.RESTART
    if config and want.director and _forwards_otherwise(want, seen):
        return Act.RESTART
    if config and not _sync_is_odd(want, seen):
        return Act.RELOAD
    # What somebody took out of the kernel behind keepalived's back it never puts back by itself.
    return Act.RESTART if want.director and _ipvs_is_odd(want, seen) else Act.NONE


def _ipvs_is_odd(want: DesiredNode, seen: NodeState) -> bool:
    return (
        any(table_problems(want, seen)) or _sync_is_odd(want, seen) or _weights_are_odd(want, seen)
    )


def _marks_are_odd(want: DesiredNode, seen: NodeState) -> bool:
    peers = {mac: frozenset(want.marked) for mac in want.peer_macs.values()}
    return want.marks and seen.marks != SeenMarks(seen.marks.tool, want.marked, peers)


def _weights_are_odd(want: DesiredNode, seen: NodeState) -> bool:
    """Whether the table holds a weight that no check of keepalived has put there."""
    wanted = {service.key: service.weights for service in want.services}
    return any(
        real.weight not in (0, wanted[service.key].get(real.address))
        for service in filled(want, seen)
        if service.key in wanted
        for real in service.realservers
    )


def _forwards_otherwise(want: DesiredNode, seen: NodeState) -> bool:
    """Whether packets go another way to realservers than they should.

    A reload would leave connections of both ways in the kernel, which keeps one route a realserver
    for both; by a tunnel's, direct routing asks the network for the VIP itself, and nobody answers
    (net/netfilter/ipvs/ip_vs_xmit.c, IP_VS_RT_MODE_KNOWN_NH). On a node that takes over, those that
    sync has told go the way of its own realservers (ip_vs_conn.c, ip_vs_bind_dest).
    """
    methods = {service.key: service.method for service in want.services}
    return any(
        real.method != methods[service.key]
        for service in filled(want, seen)
        if service.key in methods
        for real in service.realservers
    )


def _sync_is_odd(want: DesiredNode, seen: NodeState) -> bool:
    return want.sync_daemon and "sync" not in seen.unknown and len(seen.sync) != want.sync_roles
