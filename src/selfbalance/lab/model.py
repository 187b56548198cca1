"""What a lab consists of: addresses, names and choices. Pure values, no processes."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from selfbalance.lab.errors import LabError

#: TEST-NET-1 (RFC 5737) and a slice of the documentation prefix (RFC 3849): never routed anywhere.
NETWORK = ipaddress.IPv4Network("192.0.2.0/24")
NETWORK6 = ipaddress.IPv6Network("2001:db8:5b::/64")
#: TEST-NET-2 and the next slice: where the far nodes are, behind the router.
FAR_NETWORK = ipaddress.IPv4Network("198.51.100.0/24")
FAR_NETWORK6 = ipaddress.IPv6Network("2001:db8:5c::/64")
ROUTER_HOST = 1
HUB_HOST = 254
CLIENT_HOST = 200
FIRST_NODE_HOST = 11
MOST_NODES = 60
REPOSITORY_PORT = 8000
SUITES = ("bullseye", "bookworm", "trixie")
INTERFACES = ("eth0", "bond0")


def address(host: int, far: bool = False) -> str:
    """The IPv4 address of host number `host`: `address(11) == "192.0.2.11"`."""
    return str((FAR_NETWORK if far else NETWORK)[host])


def address6(host: int, far: bool = False) -> str:
    """The IPv6 address whose last group reads like the IPv4 one: `address6(11)` ends in `::11`."""
    return str((FAR_NETWORK6 if far else NETWORK6)[int(str(host), 16)])


@dataclass(frozen=True)
class LabNode:
    """One node: its name, its addresses and the MAC that it keeps over power cycles.

    A `far` one is on the network behind the router.
    """

    name: str
    address: str
    address6: str
    mac: str
    far: bool = False

    @property
    def port(self) -> str:
        """The node's port on its bridge."""
        return f"port-{self.name}"


def nodes(count: int, far: int = 0) -> tuple[LabNode, ...]:
    """`count` nodes: web1 at 192.0.2.11 and 2001:db8:5b::11, web2 at .12, and so on.

    The last `far` of them are behind the router: web3 at 198.51.100.13 and 2001:db8:5c::13.
    """
    if not 1 <= count <= MOST_NODES:
        raise LabError(f"{count} nodes: a lab has between 1 and {MOST_NODES} nodes.")
    if not 0 <= far < count:
        raise LabError(f"{far} far nodes of {count}: at least one node is near, beside the client.")
    return tuple(_node(number, number > count - far) for number in range(1, count + 1))


def _node(number: int, far: bool) -> LabNode:
    host = FIRST_NODE_HOST - 1 + number
    mac = f"02:5b:00:00:00:{host:02x}"  # 02: locally administered, so no vendor owns it
    return LabNode(f"web{number}", address(host, far), address6(host, far), mac, far)
