"""The cluster as described: nodes, virtual addresses, services, and how VRRP speaks of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from selfbalance.model.described import Described
from selfbalance.model.detection import PROFILES, Detection
from selfbalance.model.secret import Secret
from selfbalance.model.standing import MAX_NODES, Standing, demotion, priority
from selfbalance.model.volume import Volume, objection
from selfbalance.model.words import (
    Address,
    HostName,
    Interface,
    IPAddress,
    Listed,
    Name,
    PluginName,
    Port,
    UrlPath,
    Vrid,
)

MAX_VIPS = 64
"""An advert is one packet (RFC 5798, section 5.2).

keepalived puts 89 IPv6 addresses into one of 1500 bytes and refuses more; 64 leave room for a
smaller MTU.
"""


class Node(Described):
    """A web server: realserver always, director while it is MASTER.

    `address` is its own, on the network of the virtual addresses; `address6` a second one for IPv6
    services where `address` is IPv4. `interface` overrides the cluster's; `ssh` is the host that
    ssh connects to where that is not the name. One that is no `director` only serves: it may be on
    another network, where the virtual addresses are not.
    """

    name: Name
    address: Address
    address6: Address | None = None
    interface: Interface | None = None
    ssh: HostName | None = None
    director: Annotated[bool, Field(strict=True)] = True

    @model_validator(mode="after")
    def _one_address_a_family(self) -> Node:
        if self.address6 is not None and self.address6.version != 6:
            raise ValueError(f"address6 '{self.address6}' is IPv4; write an IPv6 address there")
        if self.address6 is not None and self.address.version == 6:
            raise ValueError("address is IPv6 already; leave address6 out")
        return self

    def address_of(self, family: int) -> IPAddress | None:
        """Return the node's address of IP version 4 or 6, None where it has none."""
        if self.address.version == family:
            return self.address
        return self.address6


class Vip(Described):
    """A virtual address. VIPs that name no VRID of their own move together."""

    address: Address
    vrid: Vrid | None = None


class Check(Described):
    """How a realserver's service is checked, beside BFD: a TCP connect, or an HTTP request."""

    kind: Literal["tcp", "http"] = "tcp"
    path: UrlPath = "/"
    host: HostName | None = None
    status: Annotated[int, Field(ge=100, le=599, strict=True)] = 200
    port: Port | None = None

    @model_validator(mode="after")
    def _http_only(self) -> Check:
        stray = self.model_fields_set & {"path", "host", "status"}
        if self.kind == "tcp" and stray:
            raise ValueError(
                f"{', '.join(sorted(stray))} belongs to an HTTP check; write kind = 'http'"
            )
        return self


class Service(Described):
    """A port of the virtual addresses, served by every node on the same port."""

    name: Name
    port: Port
    protocol: Literal["tcp"] = "tcp"
    scheduler: PluginName = "mh"
    scheduler_flags: Listed[PluginName] | None = None
    check: Check = Check()

    @model_validator(mode="after")
    def _flags_once(self) -> Service:
        _no_twins("scheduler_flags:", self.scheduler_flags or ())
        return self


class VrrpOptions(Described):
    """How the nodes speak VRRP.

    `password` is sent in clear text with every advert: it keeps an accidental second cluster with
    the same VRID out, no attacker. It exists in version 2 only (RFC 5798, section 9). So does
    `advert_s`, the whole seconds from one advert to the next: others than 1 are for a cluster that
    speaks so already, as each of its nodes drops what is not its own (RFC 2338, section 7.1).
    """

    vrid: Vrid = 51
    version: Literal[2, 3] = 3
    password: Secret | None = None
    unicast: Annotated[bool, Field(strict=True)] = True
    advert_s: Annotated[int, Field(ge=1, le=255, strict=True)] = 1

    @model_validator(mode="after")
    def _password_wants_version_2(self) -> VrrpOptions:
        if self.password is not None and self.version == 3:
            raise ValueError(
                "VRRPv3 knows no password and keepalived would ignore it; "
                "leave password out, or write version = 2"
            )
        if "advert_s" in self.model_fields_set and self.version == 3:
            raise ValueError(
                "advert_s belongs to version 2; in version 3 detection says how often adverts come"
            )
        return self


@dataclass(frozen=True)
class VrrpInstance:
    """VIPs that move together, as one `vrrp_instance` of keepalived."""

    name: str
    vrid: int
    vips: tuple[IPAddress, ...]

    @property
    def family(self) -> int:
        """IP version of its adverts: IPv4 where a VIP is IPv4. The other family is `excluded`."""
        return min(vip.version for vip in self.vips)

    @property
    def advertised(self) -> IPAddress:
        """The one VIP that adverts name: others may come and go without the peers' consent."""
        return next(vip for vip in self.vips if vip.version == self.family)


class Cluster(Described):
    """Everything that one self-balancing cluster is.

    Raises `DescriptionError`, before anything is contacted, on input that could not work.
    """

    name: Name
    interface: Interface
    nodes: Listed[Node]
    vips: Listed[Vip]
    services: Listed[Service]
    detection: Literal["fast", "calm"] = "fast"
    vrrp: VrrpOptions = VrrpOptions()
    forwarding: PluginName = "dr"
    standby: PluginName = "backup-only"
    snapshots: PluginName = "local"
    volumes: Listed[Volume] = ()

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Cluster:
        for check in (
            _complete,
            _distinct,
            _vips_apart,
            _vrids_apart,
            _families,
            _version_2,
            _volumes,
        ):
            check(self)
        return self

    def to_json(self) -> object:
        """Serialise for pyinfra's `debug-inventory`. Secrets appear as references only."""
        return self.model_dump(mode="json")

    def to_text(self) -> str:
        """Return what is described beyond the defaults, as JSON for `from_json`.

        Secrets appear as references only.
        """
        said = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(said, indent=1, ensure_ascii=False) + "\n"

    @property
    def timers(self) -> Detection:
        """The timers of the chosen detection profile."""
        return PROFILES[self.detection]

    @property
    def advert_interval_s(self) -> float:
        """Seconds from one advert to the next."""
        if self.vrrp.version == 2:
            return float(self.vrrp.advert_s)
        return self.timers.advert_interval_s

    def node(self, name: str) -> Node:
        """Return the node of that name. Raises `KeyError`."""
        return {node.name: node for node in self.nodes}[name]

    def interface_of(self, node: Node) -> str:
        """Return the interface that carries the node's adverts and, on the MASTER, the VIPs."""
        return node.interface or self.interface

    def priority_of(self, node: Node, instance: VrrpInstance | None = None) -> int:
        """Return the node's base priority in an instance, the first without one.

        By its place among the directors, highest first; in the second instance the second one
        comes first, and so on, so that several instances have their MASTERs on several nodes.
        """
        return priority(self._rank(node, instance))

    def demotion_of(
        self, node: Node, standing: Standing, instance: VrrpInstance | None = None
    ) -> int:
        """Return what the node takes off its base priority in that standing."""
        return demotion(self._rank(node, instance), standing)

    def _rank(self, node: Node, instance: VrrpInstance | None) -> int:
        ranked = sorted(self.nodes, key=lambda each: not each.director)
        directors = sum(each.director for each in self.nodes)
        place = ranked.index(node)
        first = self.instances.index(instance) % directors if instance else 0
        return 0 if place == first else place + (place < first)

    def instance_of(self, vip: IPAddress) -> VrrpInstance:
        """Return the VRRP instance that a VIP belongs to."""
        return next(instance for instance in self.instances if vip in instance.vips)

    def peers_of(self, node: Node) -> tuple[Node, ...]:
        """Return every other node, in the order of the description."""
        return tuple(peer for peer in self.nodes if peer != node)

    def watched_by(self, node: Node) -> tuple[Node, ...]:
        """Return the nodes that BFD watches from this one: one end of each pair is a director."""
        return tuple(peer for peer in self.peers_of(node) if node.director or peer.director)

    def holders_of(self, volume: Volume) -> tuple[Node, ...]:
        """Return the nodes that have a copy of a volume: the first ones."""
        return self.nodes[: volume.replica]

    @property
    def instances(self) -> tuple[VrrpInstance, ...]:
        """VRRP instances: one of the VIPs without a VRID of their own, one for each other VIP."""
        together = tuple(vip.address for vip in self.vips if vip.vrid is None)
        shared = [VrrpInstance(self.name, self.vrrp.vrid, together)] if together else []
        alone = [
            VrrpInstance(f"{self.name}-{vip.vrid}", vip.vrid, (vip.address,))
            for vip in self.vips
            if vip.vrid is not None
        ]
        return (*shared, *alone)


def _complete(cluster: Cluster) -> None:
    for key in ("nodes", "vips", "services"):
        if not getattr(cluster, key):
            raise ValueError(f"{key} is empty; a cluster needs at least one of them")
    if not any(node.director for node in cluster.nodes):
        raise ValueError("nodes: none may be director; leave director out where the VIPs are to be")
    if len(cluster.nodes) > MAX_NODES:
        raise ValueError(
            f"nodes: {len(cluster.nodes)} nodes would collide in their VRRP priorities; "
            f"a cluster has at most {MAX_NODES}"
        )
    if len(cluster.vips) > MAX_VIPS:
        raise ValueError(
            f"vips: {len(cluster.vips)} VIPs are more than was ever tried; "
            f"a cluster has at most {MAX_VIPS}"
        )


def _distinct(cluster: Cluster) -> None:
    own = [
        address
        for node in cluster.nodes
        for address in (node.address, node.address6)
        if address is not None
    ]
    _no_twins("nodes: name", (node.name for node in cluster.nodes))
    _no_twins("nodes: address", own)
    _no_twins("vips: address", (vip.address for vip in cluster.vips))
    _no_twins("services: name", (service.name for service in cluster.services))
    _no_twins("services: port", ((s.protocol, s.port) for s in cluster.services))


def _no_twins(key: str, values: Iterable[Hashable]) -> None:
    for value, times in Counter(values).items():
        if times > 1:
            shown = "/".join(map(str, value)) if isinstance(value, tuple) else value
            raise ValueError(f"{key} '{shown}' is given {times} times; each must be its own")


def _vips_apart(cluster: Cluster) -> None:
    for node in cluster.nodes:
        for vip in cluster.vips:
            if vip.address in (node.address, node.address6):
                raise ValueError(
                    f"vips: '{vip.address}' is the address of node {node.name}; "
                    "a VIP is one more address, which no node has as its own"
                )


def _vrids_apart(cluster: Cluster) -> None:
    for vrid, times in Counter(instance.vrid for instance in cluster.instances).items():
        if times > 1:
            raise ValueError(
                f"vips: VRID {vrid} is used twice; leave vrid out for VIPs that move together, "
                "or give each its own"
            )


def _families(cluster: Cluster) -> None:
    for vip in cluster.vips:
        for node in cluster.nodes:
            if node.address_of(vip.address.version) is None:
                key = "address6" if vip.address.version == 6 else "address"
                raise ValueError(
                    f"nodes: {node.name} has no IPv{vip.address.version} address, "
                    f"but VIP '{vip.address}' needs one on every node; give {key}"
                )


def _version_2(cluster: Cluster) -> None:
    if cluster.vrrp.version == 3:
        return
    if cluster.detection == "fast":
        raise ValueError(
            "vrrp.version 2 counts whole seconds, too slow for detection 'fast'; "
            "write detection = 'calm', or version = 3"
        )
    for instance in cluster.instances:
        if instance.family == 6:
            vips = " ".join(map(str, instance.vips))
            raise ValueError(
                f"vrrp.version 2 knows no IPv6, and VRID {instance.vrid} has no other VIP than "
                f"{vips}; write version = 3"
            )


def _volumes(cluster: Cluster) -> None:
    names = tuple(node.name for node in cluster.nodes)
    _no_twins("volumes: name", (volume.name for volume in cluster.volumes))
    for volume in cluster.volumes:
        if said := objection(volume, names):
            raise ValueError(f"volumes: {volume.name}: {said}")
    for node in cluster.nodes if cluster.volumes else ():
        if node.address.version != 4:
            raise ValueError(
                f"volumes: {node.name} has no IPv4 address, by which gluster's daemons find each "
                "other; give it one as address"
            )
        _folders_apart(cluster, node)


def _folders_apart(cluster: Cluster, node: Node) -> None:
    """Refuse a brick or mount point inside of another: what is in it would be seen twice."""
    folders = dict[str, str]()
    for what, folder in _folders(cluster, node):
        for other, known in folders.items():
            if f"{folder}/".startswith(f"{other}/") or f"{other}/".startswith(f"{folder}/"):
                raise ValueError(
                    f"volumes: on {node.name}, {what} '{folder}' and {known} '{other}' are one in "
                    "the other; give each a folder of its own"
                )
        folders[folder] = what


def _folders(cluster: Cluster, node: Node) -> Iterator[tuple[str, str]]:
    for volume in cluster.volumes:
        yield f"{volume.name}'s mount", volume.mount
        if node in cluster.holders_of(volume):
            yield f"{volume.name}'s brick", volume.brick_on(node.name)
