"""What one node must have, as plain data."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from selfbalance.model.standing import Standing
from selfbalance.model.words import IPAddress

_SECRET = re.compile(r"(auth_pass )\S+")


@dataclass(frozen=True)
class File:
    """A file of root's, with its permission bits. `secret` files are shown masked."""

    path: str
    content: str = field(repr=False)
    mode: int
    secret: bool = False

    @property
    def sha256(self) -> str:
        """Hex digest of the content in UTF-8, as sha256sum(1) prints it."""
        return hashlib.sha256(self.content.encode()).hexdigest()


@dataclass(frozen=True)
class DesiredService:
    """One virtual service of the IPVS table: weights by realserver address.

    With a firewall `mark`, the kernel knows the service by that alone, and its realservers without
    a port (ipvsadm(8), --fwmark-service). `method` is how ipvsadm's list calls the way that packets
    are forwarded.
    """

    vip: IPAddress
    port: int
    protocol: str
    scheduler: str
    flags: tuple[str, ...]
    weights: Mapping[IPAddress, int]
    consistent: bool = False
    method: str = "Route"
    mark: int | None = None

    @property
    def key(self) -> tuple[str, object, int]:
        """What makes it one service of the kernel's table."""
        if self.mark is not None:
            return ("fwm", self.mark, self.vip.version)
        return (self.protocol, self.vip, self.port)

    @property
    def realserver_port(self) -> int:
        """The port of its realservers in the kernel's table."""
        return self.port if self.mark is None else 0


@dataclass(frozen=True)
class DesiredVolume:
    """A volume, as one node has it.

    `bricks` are all of its copies in gluster's words, "ADDRESS:FOLDER", in the order in which they
    joined; `holders` are the addresses in them; `brick` is this node's own folder, None where it
    only mounts. `options` have a value each, others are left as they are.
    """

    name: str
    mount: str
    mount_unit: str
    brick: str | None
    bricks: tuple[str, ...]
    arbiter: bool
    options: Mapping[str, str]
    on_root: bool

    @property
    def holders(self) -> tuple[str, ...]:
        """The addresses of the nodes that have a copy."""
        return tuple(brick.partition(":")[0] for brick in self.bricks)


@dataclass(frozen=True)
class DesiredNode:
    """Everything that a node of the cluster has when it is as described.

    One that is no `director` has no VRRP instance and an empty IPVS table; `services` are what it
    serves. `peers` are asked by frames on the network; where packets are `wrapped`, realservers are
    asked in a tunnel to their addresses, `tunnelled`. `unwrapping` are interfaces that have to be
    up; `headers` is what of the interface's MTU is no segment of a client's, by the VIP's version.

    `dialect` stands for all that VRRP peers have to agree on to understand each other's adverts.

    `pool` has the address of each node by which gluster knows it, this one's too, where there are
    `volumes`.
    """

    name: str
    interface: str
    priority: int
    packages: tuple[str, ...]
    modules: tuple[str, ...]
    sysctls: Mapping[str, str]
    files: tuple[File, ...]
    config: File
    units: tuple[str, ...]
    vips: tuple[IPAddress, ...]
    vip_interface: str
    sync_daemon: bool
    services: tuple[DesiredService, ...]
    standings: Mapping[int, Standing]
    peers: Mapping[str, IPAddress]
    dialect: str = ""
    apart: bool = False
    own_instances: tuple[str, ...] = ()
    sync_roles: int = 1
    peer_macs: Mapping[str, str] = field(default_factory=dict)
    director: bool = True
    wrapped: str = ""
    tunnelled: Mapping[str, tuple[IPAddress, ...]] = field(default_factory=dict)
    unwrapping: tuple[str, ...] = ()
    headers: Mapping[int, int] = field(default_factory=dict)
    volumes: tuple[DesiredVolume, ...] = ()
    pool: Mapping[str, str] = field(default_factory=dict)

    @property
    def marks(self) -> bool:
        """Whether this node marks what comes from clients."""
        return bool(self.marked)

    @property
    def marked(self) -> Mapping[int, tuple[IPAddress, int]]:
        """The VIP and the port of each firewall mark."""
        return {s.mark: (s.vip, s.port) for s in self.services if s.mark is not None}

    def segment(self, vip: IPAddress, mtu: int) -> int | None:
        """Return the TCP segment size that clients of a VIP are told, None for the link's own.

        `mtu` is that of the node's interface, in bytes.
        """
        return mtu - self.headers[vip.version] if vip.version in self.headers else None

    @property
    def all_files(self) -> tuple[File, ...]:
        """Every managed file, keepalived.conf last."""
        return (*self.files, self.config)


def masked(text: str) -> str:
    """Return a configuration with every password hidden."""
    return _SECRET.sub(r"\1********", text)
