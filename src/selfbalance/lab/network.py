"""The lab's network: a holder process whose namespaces hold bridges, the client and every port.

Nothing is mounted, nothing is named in /run/netns: when the holder dies, the kernel takes it all.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from selfbalance.lab import host
from selfbalance.lab.errors import LabError
from selfbalance.lab.model import (
    CLIENT_HOST,
    FAR_NETWORK,
    FAR_NETWORK6,
    HUB_HOST,
    ROUTER_HOST,
    LabNode,
    address,
    address6,
)
from selfbalance.lab.processes import Process, recorded, recording, start_detached
from selfbalance.lab.state import StateFolder

BRIDGE = "hub"
FAR_BRIDGE = "far"
CLIENT_PORT = "port-client"
ROUTER_PORTS = ("port-router", "far-router")
#: Sleeps for ever; ignoring SIGCHLD, the kernel reaps for it, so it can be pid 1 of a namespace.
HOLD = ("env", "--ignore-signal=CHLD", "sleep", "infinity")
#: All that a veth end or bridge may leave to a card. With any of it on, bulk transfers over UML's
#: raw transport hang while small packets pass.
_OFFLOADS = [
    word for offload in ("rx", "tx", "sg", "tso", "gso", "gro") for word in (offload, "off")
]


@dataclass(frozen=True)
class Namespaces:
    """The way into the lab: the holder's network and pid namespaces, or the client's."""

    holder: int
    network: int
    user: bool

    def command(self, *argv: str) -> list[str]:
        """`argv`, run inside: what it starts dies with the lab."""
        return [*self._enter(), f"--pid=/proc/{self.holder}/ns/pid", "--", *argv]

    def look(self, *argv: str) -> list[str]:
        """`argv` on the lab's network only; processes of the machine stay visible by their pids."""
        return [*self._enter(), "--", *argv]

    def _enter(self) -> list[str]:
        user = (
            [f"--user=/proc/{self.holder}/ns/user", "--preserve-credentials"] if self.user else []
        )
        return ["nsenter", *user, f"--net=/proc/{self.network}/ns/net"]


def start_holder(folder: StateFolder) -> Process:
    """The root of the lab's process tree: pid 1 of a pid namespace, owner of the hub's network."""
    user = [] if host.is_root() else ["--user", "--map-root-user"]
    record = folder.record("holder")
    command = [
        "unshare",
        *user,
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        *recording(record, HOLD),
    ]
    return start_detached(command, folder.log("holder"), record)


def start_client(folder: StateFolder, hub: Namespaces) -> Process:
    """The client's own network, held by a process inside the lab's tree."""
    record = folder.record("client")
    command = hub.command("unshare", "--net", *recording(record, HOLD))
    return start_detached(command, folder.log("client"), record)


def start_router(folder: StateFolder, hub: Namespaces) -> Process:
    """The network of the router between the two bridges, held by a process like the client's."""
    record = folder.record("router")
    command = hub.command("unshare", "--net", *recording(record, HOLD))
    return start_detached(command, folder.log("router"), record)


def namespaces(folder: StateFolder, user: bool, of: str = "holder") -> Namespaces:
    """The way into a running lab's hub (`holder`), its `client` or its `router`."""
    holder, network = recorded(folder.record("holder")), recorded(folder.record(of))
    if holder is None or network is None or not (holder.alive and network.alive):
        raise LabError(f"Lab {folder.name!r} is not running. Next: selfbalance lab up")
    return Namespaces(holder.pid, network.pid, user)


def build_hub(hub: Namespaces, client_pid: int, transport: str, nodes: Iterable[LabNode]) -> None:
    """The bridge with its addresses, a port for the client, a port per node.

    Where a node is far, a second bridge, on which the hub itself has no address.
    """
    nodes = tuple(nodes)
    far = any(node.far for node in nodes)
    # Multicast snooping off: VRRP's multicast must reach ports whose node joined without IGMP.
    lines = [
        "link set lo up",
        f"link add {BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
        f"link set {BRIDGE} address 02:5b:00:00:00:fe up",
        f"address add {address(HUB_HOST)}/24 dev {BRIDGE}",
        f"address add {address6(HUB_HOST)}/64 dev {BRIDGE} nodad",
        f"link add {CLIENT_PORT} type veth peer name eth0 netns {client_pid}",
        f"link set {CLIENT_PORT} addrgenmode none master {BRIDGE} up",
    ]
    if far:
        lines += [
            f"link add {FAR_BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            f"link set {FAR_BRIDGE} address 02:5b:00:00:00:fd addrgenmode none arp off up",
            *_routes_to_far(BRIDGE),
        ]
    for node in nodes:
        lines += _port(node, transport)
    _ip(hub, lines)
    if transport == "raw":
        ends = [
            BRIDGE,
            *([FAR_BRIDGE] if far else []),
            CLIENT_PORT,
            *(name for node in nodes for name in (node.port, guest_end(node))),
        ]
        _offloads_off(hub, ends)


def _port(node: LabNode, transport: str) -> list[str]:
    if transport == "tap":
        made = [f"tuntap add mode tap name {node.port}"]
    else:
        # The guest answers ARP itself; the hub must not answer for it at the guest's end.
        end = guest_end(node)
        made = [
            f"link add {node.port} type veth peer name {end}",
            f"link set {end} addrgenmode none arp off up",
        ]
    return [*made, f"link set {node.port} addrgenmode none master {_bridge(node)} up"]


def _bridge(node: LabNode) -> str:
    return FAR_BRIDGE if node.far else BRIDGE


def guest_end(node: LabNode) -> str:
    """Without tap: the end of the veth pair that UML's packet socket is on."""
    return f"guest-{node.name}"


def build_client(client: Namespaces, transport: str, routed: bool) -> None:
    """The client's address, and room for thousands of short connections.

    It may use a source port again whose last connection is in TIME_WAIT (ip-sysctl.rst), as a busy
    NAT does.
    """
    _ip(
        client,
        [
            "link set lo up",
            "link set eth0 address 02:5b:00:00:00:c8 up",
            f"address add {address(CLIENT_HOST)}/24 dev eth0",
            f"address add {address6(CLIENT_HOST)}/64 dev eth0 nodad",
            *(_routes_to_far("eth0") if routed else []),
        ],
    )
    ports = ("net.ipv4.ip_local_port_range=1100 65000", "net.ipv4.tcp_tw_reuse=1")
    _check(client.look("sysctl", "-q", "-w", *ports))
    if transport == "raw":
        _offloads_off(client, ["eth0"])


def build_router(hub: Namespaces, router: Namespaces, pid: int, transport: str) -> None:
    """The router, whose network process `pid` holds: one port in each bridge."""
    near_port, far_port = ROUTER_PORTS
    _ip(
        hub,
        [
            f"link add {near_port} type veth peer name near netns {pid}",
            f"link set {near_port} addrgenmode none master {BRIDGE} up",
            f"link add {far_port} type veth peer name far netns {pid}",
            f"link set {far_port} addrgenmode none master {FAR_BRIDGE} up",
        ],
    )
    _ip(
        router,
        [
            "link set lo up",
            *(
                line
                for name, far in (("near", False), ("far", True))
                for line in (
                    f"link set {name} address 02:5b:00:00:01:{int(far):02x} up",
                    f"address add {address(ROUTER_HOST, far)}/24 dev {name}",
                    f"address add {address6(ROUTER_HOST, far)}/64 dev {name} nodad",
                )
            ),
        ],
    )
    # A VIP's answers come from the far network though its address is of the near one: no rp_filter.
    unfiltered = (f"net.ipv4.conf.{name}.rp_filter=0" for name in ("all", "near", "far"))
    routing = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", *unfiltered)
    _check(router.look("sysctl", "-q", "-w", *routing))
    if transport == "raw":
        _offloads_off(hub, ROUTER_PORTS)
        _offloads_off(router, ["near", "far"])


def _routes_to_far(device: str) -> list[str]:
    return [
        f"route add {FAR_NETWORK} via {address(ROUTER_HOST)} dev {device}",
        f"route add {FAR_NETWORK6} via {address6(ROUTER_HOST)} dev {device}",
    ]


def plug(hub: Namespaces, node: LabNode, plugged: bool) -> None:
    """Put the node's port into its bridge, or take it out.

    Never down and up: UML's receiver stays dead after that until the node boots again.
    """
    master = f"master {_bridge(node)}" if plugged else "nomaster"
    _ip(hub, [f"link set {node.port} {master}"])


def plugged(hub: Namespaces) -> dict[str, bool]:
    """For every port in the hub: whether it is in a bridge."""
    done = _check(hub.look("ip", "-j", "link", "show"))
    links: list[dict[str, Any]] = json.loads(done.stdout)
    return {str(link["ifname"]): link.get("master") in (BRIDGE, FAR_BRIDGE) for link in links}


def _offloads_off(where: Namespaces, links: Sequence[str]) -> None:
    for link in links:
        # ethtool fails where a link lacks one of them; what it has is off all the same.
        command = where.look("ethtool", "-K", link, *_OFFLOADS)
        subprocess.run(command, env=host.environment(), capture_output=True, check=False)


def _ip(where: Namespaces, lines: Iterable[str]) -> None:
    _check(where.look("ip", "-batch", "-"), input="".join(f"{line}\n" for line in lines))


def _check(command: list[str], input: str | None = None) -> subprocess.CompletedProcess[str]:  # noqa: A002
    done = subprocess.run(
        command, env=host.environment(), input=input, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LabError(f"The lab's network: `{' '.join(command)}` failed: {done.stderr.strip()}")
    return done
