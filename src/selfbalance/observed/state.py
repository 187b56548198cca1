"""What was seen on the nodes, as plain data. Unknown is a value, and never a healthy one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from selfbalance.model.words import IPAddress
from selfbalance.observed.founding import SeenFounding
from selfbalance.observed.marks import SeenMarks
from selfbalance.observed.upgrades import UpgradeMark
from selfbalance.observed.volumes import (
    CONNECTED_IN_CLUSTER,
    SeenCopy,
    SeenPeer,
    SeenSettings,
    SeenVolume,
)
from selfbalance.plugins import Facts


class Role(str, Enum):
    """A VRRP instance's state, as keepalived prints it (keepalived/include/vrrp.h)."""

    INIT = "INIT"
    BACKUP = "BACKUP"
    MASTER = "MASTER"
    FAULT = "FAULT"


@dataclass(frozen=True)
class SeenInstance:
    """A VRRP instance in keepalived's own dump."""

    name: str
    role: Role
    base_priority: int
    effective_priority: int


@dataclass(frozen=True)
class SeenFile:
    """A file on the node: SHA-256 in hex, permission bits, owner and group ids."""

    sha256: str
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True)
class SeenUnit:
    """A systemd unit, in the words of `systemctl show`."""

    load: str
    active: str
    sub: str
    enabled: str
    needs_reload: bool


@dataclass(frozen=True)
class SeenRealserver:
    """A line of the kernel's IPVS table."""

    address: IPAddress
    port: int
    method: str
    weight: int
    active_connections: int
    inactive_connections: int


@dataclass(frozen=True)
class SeenService:
    """A virtual service of the kernel's IPVS table, with its realservers.

    One of a firewall mark has protocol `fwm`, the mark as `port`, and as `vip` the unspecified
    address of its family.
    """

    protocol: str
    vip: IPAddress
    port: int
    scheduler: str
    flags: frozenset[str]
    realservers: tuple[SeenRealserver, ...]

    @property
    def key(self) -> tuple[str, object, int]:
        """What makes it one service: the same as `DesiredService.key`."""
        if self.protocol == "fwm":
            return ("fwm", self.port, self.vip.version)
        return (self.protocol, self.vip, self.port)

    @property
    def endpoint(self) -> str:
        """The service in a few words, for a person."""
        if self.protocol == "fwm":
            return f"of firewall mark {self.port} (IPv{self.vip.version})"
        return f"{self.protocol} {self.vip}:{self.port}"


@dataclass(frozen=True)
class Drain:
    """Who drained a realserver, and when, in seconds since 1970; None where that is not written."""

    by: str
    since: int | None


@dataclass(frozen=True)
class NodeState:
    """One look at one node.

    `unknown` names what could not be seen, with the reason; the field of that name then holds
    nothing, and gates call it a problem. `held_resets` are the VIPs for which resets of unknown
    sessions are held back. `mtu` is the data interface's, `up` the tunnels' interfaces that are up;
    `segments` is the TCP segment size that clients of a VIP are told, where it is rewritten. `kept`
    is the IPVS table that keepalived fills apart from the node's `table`, where the standby mode
    has one. `drop_in_read` says that keepalived started since its drop-in was written.
    `unavailable` are modules that its kernel does not have. `recorded` are the facts of every node
    that the last change left here. `claims` holds the MACs that answered for each VIP, `answers`
    the MAC that answered a TCP connection sent to a peer's MAC, by (VIP, port, peer).

    `clock` is the node's, in seconds since 1970; `drained` are the realservers that this director
    has been told to send no new clients; `upgrade` is its part in one that has not ended.
    `dialect` stands for what VRRP peers have to agree on, as the node's configuration has it;
    `changing` says that a change of that configuration has not ended.
    `sessions` are the connections that this node serves, by address and port, that still have or
    may have something to send.

    `founding` is a keepalived.conf that somebody else wrote. While the node is taken over,
    `adopting` is how far it stands back after a start, and `left` are files of the old design that
    are still in their places.

    Where volumes are described: `gluster_peers` and `volumes` are what this node's glusterd says,
    `copies` what the node itself has of each, `op_version` the number by which its glusterd works.
    """

    name: str
    boot_id: str = ""
    kernel: str = ""
    distribution: str = ""
    version_codename: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, SeenFile] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    modules: frozenset[str] = frozenset()
    unavailable: frozenset[str] = frozenset()
    cores: int = 0
    memory_bytes: int = 0
    recorded: Mapping[str, Facts] = field(default_factory=dict)
    addresses: Mapping[str, frozenset[IPAddress]] = field(default_factory=dict)
    mac: str = ""
    mtu: int = 0
    up: frozenset[str] = frozenset()
    held_resets: frozenset[IPAddress] = frozenset()
    segments: Mapping[IPAddress, int] = field(default_factory=dict)
    marks: SeenMarks = field(default_factory=SeenMarks)
    units: Mapping[str, SeenUnit] = field(default_factory=dict)
    table: tuple[SeenService, ...] = ()
    kept: tuple[SeenService, ...] = ()
    sync: frozenset[str] = frozenset()
    demotion: int | None = None
    clock: int = 0
    drained: Mapping[str, Drain] = field(default_factory=dict)
    upgrade: UpgradeMark | None = None
    dialect: str = ""
    changing: bool = False
    sessions: Mapping[tuple[IPAddress, int], int] = field(default_factory=dict)
    founding: SeenFounding | None = None
    adopting: int | None = None
    left: tuple[str, ...] = ()
    drop_in_read: bool = False
    listening: frozenset[tuple[IPAddress, int]] = frozenset()
    instances: tuple[SeenInstance, ...] = ()
    claims: Mapping[IPAddress, frozenset[str]] = field(default_factory=dict)
    peer_macs: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[tuple[IPAddress, int, str], str] = field(default_factory=dict)
    gluster_peers: tuple[SeenPeer, ...] = ()
    volumes: Mapping[str, SeenSettings] = field(default_factory=dict)
    copies: Mapping[str, SeenCopy] = field(default_factory=dict)
    op_version: int = 0
    unknown: Mapping[str, str] = field(default_factory=dict)

    def holds(self, address: IPAddress, interface: str) -> bool:
        """Whether the address is on that interface."""
        return address in self.addresses.get(interface, frozenset())

    def role_in(self, instance: str) -> Role | None:
        """Return the node's role in a VRRP instance, None where keepalived did not say."""
        return next((each.role for each in self.instances if each.name == instance), None)

    @property
    def role(self) -> Role | None:
        """Role of the node's first VRRP instance, None where keepalived did not say."""
        return self.instances[0].role if self.instances else None

    @property
    def well_connected(self) -> tuple[SeenPeer, ...]:
        """The peers that this node's glusterd has a connection to, and agrees with."""
        return tuple(
            peer
            for peer in self.gluster_peers
            if peer.connected and peer.state == CONNECTED_IN_CLUSTER
        )

    @property
    def keepalived_active(self) -> bool:
        """Whether systemd calls keepalived active."""
        unit = self.units.get("keepalived.service")
        return unit is not None and unit.active == "active"


@dataclass(frozen=True)
class Unobserved:
    """A node that could not be observed at all. That is a problem, never an empty healthy node."""

    name: str
    reason: str


@dataclass(frozen=True)
class Shared:
    """The volumes as a whole, in the words of one node, the `observer`; `unknown` is why not."""

    observer: str = ""
    volumes: Mapping[str, SeenVolume] = field(default_factory=dict)
    unknown: str = ""


@dataclass(frozen=True)
class ClusterState:
    """One look at every node of the cluster, in the order of the description.

    `shared` are the volumes, where there are any.
    """

    nodes: tuple[NodeState | Unobserved, ...]
    shared: Shared = Shared()

    @property
    def seen(self) -> tuple[NodeState, ...]:
        """The nodes that were observed."""
        return tuple(node for node in self.nodes if isinstance(node, NodeState))

    @property
    def unobserved(self) -> tuple[Unobserved, ...]:
        """The nodes that were not."""
        return tuple(node for node in self.nodes if isinstance(node, Unobserved))

    @property
    def observer(self) -> str | None:
        """The node to ask about the volumes as a whole: whose glusterd sees most of the others."""
        seen = [node for node in self.seen if not {"pool", "volumes"} & node.unknown.keys()]
        best = max(seen, key=lambda node: len(node.well_connected), default=None)
        return best.name if best else None

    def __getitem__(self, name: str) -> NodeState | Unobserved:
        return {node.name: node for node in self.nodes}[name]
