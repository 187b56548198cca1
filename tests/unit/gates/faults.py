"""Faults, by the name an operator would give them, and what the gates are to say of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_address

from looks import (
    ACTIVE,
    APART,
    CLUSTER,
    DUAL,
    MASTER,
    ROUTED,
    STRANGER,
    VIP,
    VIP6,
    Look,
    healthy,
    mac,
)

from selfbalance.model.words import IPAddress
from selfbalance.observed import (
    Drain,
    NodeState,
    Role,
    SeenMarks,
    SeenRealserver,
    SeenService,
    SeenUnit,
)

WEB1, WEB2, WEB3 = (mac(CLUSTER, name) for name in ("web1", "web2", "web3"))


@dataclass(frozen=True)
class Fault:
    """What is wrong, and each problem to be found: gate, node, words in it."""

    put: Callable[[Look], object]
    found: tuple[tuple[str, str | None, str], ...]
    look: Callable[[], Look] = Look


def _node(look: Look, name: str) -> NodeState:
    state = look.nodes[name]
    assert isinstance(state, NodeState)
    return state


def _has(name: str, interface: str, *addresses: IPAddress) -> Callable[[Look], object]:
    """Put addresses on an interface."""

    def put(look: Look) -> object:
        seen = _node(look, name).addresses
        return look.change(name, addresses={**seen, interface: seen[interface] | {*addresses}})

    return put


def _lacks(name: str, interface: str, *addresses: IPAddress) -> Callable[[Look], object]:
    def put(look: Look) -> object:
        seen = _node(look, name).addresses
        return look.change(name, addresses={**seen, interface: seen[interface] - {*addresses}})

    return put


def _service(name: str, **changes: object) -> Callable[[Look], object]:
    """Change the first virtual service of a node."""

    def put(look: Look) -> object:
        first, *rest = _node(look, name).table
        return look.change(name, table=(replace(first, **changes), *rest))

    return put


def _realservers(
    name: str, change: Callable[[tuple[SeenRealserver, ...]], tuple[SeenRealserver, ...]]
) -> Callable[[Look], object]:
    def put(look: Look) -> object:
        real = _node(look, name).table[0].realservers
        return _service(name, realservers=change(real))(look)

    return put


def _more(name: str, protocol: str, port: int) -> Callable[[Look], object]:
    """Add a virtual service that is a copy of the first but for protocol and port."""

    def put(look: Look) -> object:
        table = _node(look, name).table
        more: SeenService = replace(table[0], protocol=protocol, port=port)
        return look.change(name, table=(*table, more))

    return put


def _sysctl(name: str, key: str, value: str) -> Callable[[Look], object]:
    return lambda look: look.change(name, sysctls={**_node(look, name).sysctls, key: value})


def _unit(name: str, unit: str, **changes: object) -> Callable[[Look], object]:
    def put(look: Look) -> object:
        units = _node(look, name).units
        return look.change(name, units={**units, unit: replace(units[unit], **changes)})

    return put


def _file(name: str, path: str, **changes: object) -> Callable[[Look], object]:
    def put(look: Look) -> object:
        files = _node(look, name).files
        return look.change(name, files={**files, path: replace(files[path], **changes)})

    return put


def _without(name: str, field: str, key: object) -> Callable[[Look], object]:
    def put(look: Look) -> object:
        rest = {k: v for k, v in getattr(_node(look, name), field).items() if k != key}
        return look.change(name, **{field: rest})

    return put


def _role(name: str, role: Role) -> Callable[[Look], object]:
    def put(look: Look) -> object:
        first = _node(look, name).instances[0]
        return look.change(name, instances=(replace(first, role=role),))

    return put


def _and(*puts: Callable[[Look], object]) -> Callable[[Look], object]:
    return lambda look: [put(look) for put in puts]


def _hears(address: IPAddress, **heard: set[str]) -> Callable[[Look], object]:
    """Let nodes hear MACs answer for a VIP."""

    def put(look: Look) -> object:
        return [
            look.change(name, claims={**_node(look, name).claims, address: frozenset(macs)})
            for name, macs in heard.items()
        ]

    return put


def _answers(name: str, **answers: str | None) -> Callable[[Look], object]:
    """Let peers answer the owner from a MAC, or not at all."""

    def put(look: Look) -> object:
        found = dict(_node(look, name).answers)
        for peer, from_mac in answers.items():
            for key in [key for key in found if key[2] == peer]:
                found[key] = from_mac
        heard = {key: from_mac for key, from_mac in found.items() if from_mac}
        return look.change(name, answers=heard)

    return put


def _listens(name: str, *sockets: tuple[str, int]) -> Callable[[Look], object]:
    return lambda look: look.change(
        name, listening=frozenset((ip_address(address), port) for address, port in sockets)
    )


def dual() -> Look:
    """A cluster of two VIPs, IPv4 and IPv6, and two services."""
    return Look(DUAL)


def active() -> Look:
    """Two VIPs, the one of IPv4 with its MASTER on web1, the one of IPv6 on web2."""
    return Look(ACTIVE, ("web1", "web2"))


def _role_in(name: str, instance: int, role: Role) -> Callable[[Look], object]:
    def put(look: Look) -> object:
        instances = list(_node(look, name).instances)
        instances[instance] = replace(instances[instance], role=role)
        return look.change(name, instances=tuple(instances))

    return put


def _answers_for(vip: IPAddress, name: str) -> Callable[[Look], object]:
    """Let every peer answer a node for a VIP, as they do whoever asks."""

    def put(look: Look) -> object:
        more = {
            (vip, service.port, peer): mac(look.cluster, peer)
            for service in look.cluster.services
            for peer in look.nodes
            if peer != name
        }
        return look.change(name, answers={**_node(look, name).answers, **more})

    return put


def _marks(name: str, **changes: object) -> Callable[[Look], object]:
    return lambda look: look.change(name, marks=replace(_node(look, name).marks, **changes))


def _knows(name: str, *macs: str, but: str | None = None) -> Callable[[Look], object]:
    """Let a node take more MACs for nodes of the cluster, and one less."""

    def put(look: Look) -> object:
        marks = _node(look, name).marks
        peers = {mac: kept for mac, kept in marks.peers.items() if mac != but}
        peers.update(dict.fromkeys(macs, frozenset(marks.services)))
        return look.change(name, marks=replace(marks, peers=peers))

    return put


def _remembers(name: str, peer: str, address: str) -> Callable[[Look], object]:
    """Let a node's record have another MAC of a peer."""

    def put(look: Look) -> object:
        recorded = _node(look, name).recorded
        return look.change(name, recorded={**recorded, peer: replace(recorded[peer], mac=address)})

    return put


def _had_another_mac(name: str, former: str) -> Callable[[Look], object]:
    """Let a node's MAC be a new one since the last deploy: the others know the former."""

    def put(look: Look) -> object:
        now = mac(look.cluster, name)
        for each in look.nodes:
            _remembers(each, name, former)(look)
            if each != name:
                _knows(each, former, but=now)(look)
        return look

    return put


def routed() -> Look:
    """A cluster whose third node is behind a router."""
    return Look(ROUTED)


_CONF = "/etc/keepalived/keepalived.conf"
_GUARD = "/etc/keepalived/selfbalance-guard"
_DAEMON = "keepalived.service"
_TWO = frozenset({"mh-port"})
_MISSING = SeenUnit("not-found", "inactive", "dead", "", needs_reload=False)


BY_HAND = Drain("somebody by hand", None)


def apart() -> Look:
    return Look(APART)


FAULTS = {
    # --- a table apart ---
    "a BACKUP's table is not empty": Fault(
        lambda look: look.change("web1", table=healthy(APART)["web2"].table[:1], sync=set()),
        (
            (
                "director",
                "web1",
                "web1 is not MASTER, but its IPVS table is not empty: 192.0.2.11=1 192.0.2.12=1 "
                "192.0.2.13=1",
            ),
        ),
        apart,
    ),
    "the MASTER's table is empty": Fault(
        lambda look: look.change("web2", table=()),
        (("director", "web2", "web2 is MASTER, but balances by an empty table; keepalived knows"),),
        apart,
    ),
    "the MASTER does not know of a weight": Fault(
        _realservers("web2", lambda real: (replace(real[0], weight=7), *real[1:])),
        (("director", "web2", "web2 is MASTER, but balances by 192.0.2.11=7 192.0.2.12=1"),),
        apart,
    ),
    "a table apart that is empty": Fault(
        lambda look: look.change("web1", kept=(), table=()),
        (("director", "web1", "web1: virtual service 192.0.2.10:80 is missing"),),
        apart,
    ),
    "a sync daemon beside a table apart": Fault(
        lambda look: look.change("web1", sync={"master", "backup"}),
        (("director", "web1", "web1: IPVS sync daemon: backup and master; it should be none"),),
        apart,
    ),
    # --- the VIP ---
    "VIP on two NICs": Fault(
        _and(_has("web1", "eth0", VIP), _hears(VIP, web1={WEB2}, web2={WEB1}, web3={WEB1, WEB2})),
        (("vip", None, "192.0.2.10 is on the network interface of web1 and web2"),),
    ),
    "VIP on no NIC": Fault(
        _and(_lacks("web2", "eth0", VIP), _hears(VIP, web1=set(), web3=set())),
        (("vip", None, "192.0.2.10 is on no node's network interface: nobody answers"),),
    ),
    "VIP6 on no NIC": Fault(
        _and(_lacks("web2", "eth0", VIP6), _hears(VIP6, web1=set(), web3=set())),
        (("vip", None, "2001:db8:5b::10 is on no node's network interface"),),
        dual,
    ),
    "VIPs apart": Fault(
        _and(
            _lacks("web2", "eth0", VIP6),
            _has("web3", "eth0", VIP6),
            _hears(VIP6, web1={WEB3}, web2={WEB3}, web3=set()),
            lambda look: look.change(
                "web3",
                answers={
                    (VIP6, port, peer): mac(DUAL, peer)
                    for port in (80, 443)
                    for peer in ("web1", "web2")
                },
            ),
        ),
        (("vip", None, "2001:db8:5b::10 is on web3, but keepalived is MASTER on web2"),),
        dual,
    ),
    "owner by address is not keepalived's MASTER": Fault(
        _and(_role("web2", Role.BACKUP), _role("web1", Role.MASTER)),
        (
            ("vip", None, "192.0.2.10 is on web2, but keepalived is MASTER on web1"),
            ("director", "web1", "web1: IPVS sync daemon: backup; it should be master"),
            ("director", "web2", "web2: IPVS sync daemon: master; it should be backup"),
        ),
    ),
    "two MASTERs": Fault(
        _and(_role("web1", Role.MASTER), lambda look: look.change("web1", sync={"master"})),
        (("vip", None, "MASTER on web1 and web2; it should be on exactly one node"),),
    ),
    "two MASTERs, each with the VIP": Fault(
        _and(
            _role("web1", Role.MASTER),
            lambda look: look.change("web1", sync={"master"}),
            _has("web1", "eth0", VIP),
            _hears(VIP, web1={WEB2}, web2={WEB1}, web3={WEB2}),
        ),
        (
            ("vip", None, "keepalived is MASTER on web1 and web2"),
            ("vip", None, "192.0.2.10 is on the network interface of web1 and web2"),
        ),
    ),
    "no MASTER": Fault(
        _and(
            _role("web2", Role.BACKUP),
            _lacks("web2", "eth0", VIP),
            lambda look: look.change("web2", sync={"backup"}),
            _hears(VIP, web1=set(), web3=set()),
        ),
        (
            ("vip", None, "MASTER on nobody; it should be on exactly one node"),
            ("vip", None, "192.0.2.10 is on no node's network interface"),
        ),
    ),
    "FAULT": Fault(_role("web3", Role.FAULT), (("vip", "web3", "web3: keepalived is in FAULT"),)),
    "INIT": Fault(_role("web1", Role.INIT), (("vip", "web1", "web1: keepalived is in INIT"),)),
    "keepalived without its configuration": Fault(
        lambda look: look.change("web3", instances=()),
        (("vip", "web3", "web3: keepalived runs but has no VRRP instance"),),
    ),
    "a foreign MAC answers too": Fault(
        _hears(VIP, web1={WEB2, STRANGER}, web3={WEB2}),
        (("vip", "web1", f"unknown ({STRANGER}), web2 ({WEB2}) answered; only web2 should"),),
    ),
    "a foreign MAC answers the owner": Fault(
        _hears(VIP, web2={STRANGER}),
        (("vip", "web2", f"unknown ({STRANGER}) answered; nobody else should"),),
    ),
    "a foreign MAC answers where nobody holds it": Fault(
        _and(_lacks("web2", "eth0", VIP), _hears(VIP, web1={STRANGER}, web3=set())),
        (
            ("vip", None, "192.0.2.10 is on no node's network interface"),
            ("vip", "web1", f"unknown ({STRANGER}) answered; nobody should"),
        ),
    ),
    "a foreign MAC answers where two hold it": Fault(
        _and(_has("web1", "eth0", VIP), _hears(VIP, web3={STRANGER, WEB1, WEB2})),
        (
            ("vip", None, "192.0.2.10 is on the network interface of web1 and web2"),
            ("vip", "web3", f"unknown ({STRANGER})"),
        ),
    ),
    "a BACKUP answers ARP for the VIP on its lo": Fault(
        _hears(VIP, web1={WEB2, WEB3}, web2={WEB3}),
        (
            ("vip", "web1", f"web2 ({WEB2}), web3 ({WEB3}) answered; only web2 should"),
            ("vip", "web2", f"web3 ({WEB3}) answered; nobody else should"),
        ),
    ),
    "nobody answers ARP": Fault(
        _hears(VIP, web1=set(), web3=set()),
        (
            ("vip", "web1", "who has 192.0.2.10: nobody answered; only web2 should"),
            ("vip", "web3", "who has 192.0.2.10: nobody answered; only web2 should"),
        ),
    ),
    # --- the tables ---
    "a weight that one node sees otherwise": Fault(
        lambda look: look.weigh(7, "web1", seen_by=["web3"]),
        (("director", None, "web3 has 192.0.2.11=7 192.0.2.12=1 192.0.2.13=1"),),
    ),
    "masquerading on one node": Fault(
        _realservers("web1", lambda real: (replace(real[0], method="Masq"), *real[1:])),
        (("director", "web1", "192.0.2.10:80 forwards by Masq; it should be Route"),),
    ),
    "another scheduler": Fault(
        _service("web1", scheduler="wrr", flags=frozenset()),
        (("director", "web1", "has scheduler wrr; it should be mh mh-port mh-fallback"),),
    ),
    "a scheduler's flag is missing": Fault(
        _service("web1", flags=_TWO),
        (("director", "web1", "has scheduler mh mh-port; it should be mh mh-port mh-fallback"),),
    ),
    "a persistent service": Fault(
        _service("web2", flags=frozenset({"mh-port", "mh-fallback", "persistent 300"})),
        (("director", "web2", "has scheduler mh mh-fallback mh-port persistent 300"),),
    ),
    "a realserver is missing": Fault(
        _realservers("web3", lambda real: real[:2]),
        (("director", "web3", "192.0.2.10:80 lacks realserver 192.0.2.13 port 80"),),
    ),
    "a realserver too many": Fault(
        _realservers(
            "web3", lambda real: (*real, replace(real[0], address=IPv4Address("192.0.2.99")))
        ),
        (("director", "web3", "has realserver 192.0.2.99 port 80, which is not described"),),
    ),
    "a realserver of another port": Fault(
        _realservers("web3", lambda real: (replace(real[0], port=8080), *real[1:])),
        (("director", "web3", "lacks realserver 192.0.2.11 port 80"),),
    ),
    "all realservers are missing": Fault(
        _service("web1", realservers=()),
        (("director", "web1", "lacks realserver 192.0.2.11 port 80 192.0.2.12 port 80"),),
    ),
    "a service is missing": Fault(
        lambda look: look.change("web1", table=_node(look, "web1").table[1:]),
        (("director", "web1", "web1: virtual service 192.0.2.10:80 is missing"),),
        dual,
    ),
    "the whole table is missing": Fault(
        lambda look: look.change("web2", table=()),
        (("director", "web2", "web2: virtual service 192.0.2.10:80 is missing"),),
    ),
    "a service too many": Fault(
        _more("web3", "tcp", 8080),
        (("director", "web3", "tcp 192.0.2.10:8080 is in the table but not described"),),
    ),
    "a UDP service of the same port": Fault(
        _more("web3", "udp", 80),
        (("director", "web3", "udp 192.0.2.10:80 is in the table but not described"),),
    ),
    "UDP instead of TCP": Fault(
        _service("web3", protocol="udp"),
        (
            ("director", "web3", "virtual service 192.0.2.10:80 is missing"),
            ("director", "web3", "udp 192.0.2.10:80 is in the table but not described"),
        ),
    ),
    # --- the sync daemon ---
    "sync daemon missing": Fault(
        lambda look: look.change("web1", sync=frozenset()),
        (("director", "web1", "web1: IPVS sync daemon: none; it should be backup"),),
    ),
    "sync daemon missing on the MASTER": Fault(
        lambda look: look.change("web2", sync=frozenset()),
        (("director", "web2", "web2: IPVS sync daemon: none; it should be master"),),
    ),
    "both sync daemons": Fault(
        lambda look: look.change("web1", sync=frozenset({"master", "backup"})),
        (("director", "web1", "sync daemon: backup and master; it should be backup"),),
    ),
    "the wrong sync daemon": Fault(
        lambda look: look.change("web3", sync=frozenset({"master"})),
        (("director", "web3", "web3: IPVS sync daemon: master; it should be backup"),),
    ),
    # --- a node behind a router ---
    "the far node does not answer what it is sent in a tunnel": Fault(
        _answers("web2", web3=None),
        (
            ("realservers", "web3", "web3 does not answer for 192.0.2.10:80 what web2 sends it"),
            ("realservers", "web3", "web3 does not answer for 2001:db8:5b::10:80"),
        ),
        routed,
    ),
    "the far node's tunnel is down": Fault(
        lambda look: look.change("web3", up=frozenset({"tunl0"})),
        (("realservers", "web3", "web3: ip6tnl0 is not up: what the MASTER sends here"),),
        routed,
    ),
    "the far node's VIP is on lo only": Fault(
        _and(_lacks("web3", "tunl0", VIP), _has("web3", "lo", VIP)),
        (("realservers", "web3", "web3: 192.0.2.10 is missing on tunl0"),),
        routed,
    ),
    "the far node holds a VIP on its network": Fault(
        _has("web3", "eth0", VIP),
        (("vip", None, "192.0.2.10 is on the network interface of web2 and web3"),),
        routed,
    ),
    "the far node has an IPVS table": Fault(
        lambda look: look.change("web3", table=healthy(ROUTED)["web1"].table[:1]),
        (("director", "web3", "tcp 192.0.2.10:80 is in the table but not described"),),
        routed,
    ),
    "weight 0 for the far node": Fault(
        lambda look: look.weigh(0, "web3", seen_by=["web1", "web2"]),
        (
            ("realservers", "web3", "web3 has weight 0 for 192.0.2.10:80 on web1 and web2"),
            ("realservers", "web3", "web3 has weight 0 for 2001:db8:5b::10:80 on web1 and web2"),
        ),
        routed,
    ),
    "clients are told segments that do not fit": Fault(
        lambda look: look.change("web3", segments={VIP: 1440, VIP6: 1440}),
        (("kernel", "web3", "clients of 2001:db8:5b::10 is 1440; it should be 1400"),),
        routed,
    ),
    "the interface's MTU has changed": Fault(
        lambda look: look.change("web1", mtu=1400),
        (
            ("kernel", "web1", "clients of 192.0.2.10 is 1440; it should be 1340"),
            ("kernel", "web1", "clients of 2001:db8:5b::10 is 1400; it should be 1300"),
        ),
        routed,
    ),
    "clients are told nothing of the tunnel": Fault(
        lambda look: look.change("web2", segments={VIP6: 1400}),
        (("kernel", "web2", "clients of 192.0.2.10 is not rewritten; it should be 1440"),),
        routed,
    ),
    "direct routing where a tunnel should be": Fault(
        _realservers("web1", lambda real: tuple(replace(r, method="Route") for r in real)),
        (("director", "web1", "192.0.2.10:80 forwards by Route; it should be Tunnel"),),
        routed,
    ),
    # --- realservers ---
    "VIP missing on lo": Fault(
        _lacks("web3", "lo", VIP),
        (("realservers", "web3", "web3: 192.0.2.10 is missing on lo"),),
    ),
    "VIP6 missing on lo": Fault(
        _lacks("web1", "lo", VIP6),
        (("realservers", "web1", "web1: 2001:db8:5b::10 is missing on lo"),),
        dual,
    ),
    "nothing listens": Fault(
        _listens("web2", ("0.0.0.0", 22)),
        (("realservers", "web2", "web2: nothing listens on 192.0.2.10 port 80"),),
    ),
    "listens on localhost only": Fault(
        _listens("web1", ("127.0.0.1", 80), ("::1", 80)),
        (("realservers", "web1", "web1: nothing listens on 192.0.2.10 port 80"),),
    ),
    "IPv4 only, for a VIP of IPv6": Fault(
        _listens("web1", ("0.0.0.0", 80), ("::", 443)),
        (("realservers", "web1", "web1: nothing listens on 2001:db8:5b::10 port 80"),),
        dual,
    ),
    "weight 0, seen by all": Fault(
        lambda look: look.weigh(0, "web1"),
        (("realservers", "web1", "web1 has weight 0 for 192.0.2.10:80 on web1 and web2 and web3"),),
    ),
    "weight 0, seen by one": Fault(
        lambda look: look.weigh(0, "web1", seen_by=["web3"]),
        (
            ("director", None, "IPVS tables differ: web1 has 192.0.2.11=1"),
            ("realservers", "web1", "web1 has weight 0 for 192.0.2.10:80 on web3: its check"),
        ),
    ),
    "a peer does not answer": Fault(
        _answers("web2", web3=None),
        (("realservers", "web3", "web3 does not answer for 192.0.2.10:80 what web2 sends it"),),
    ),
    "a peer answers from the MASTER's MAC": Fault(
        _answers("web2", web1=WEB3),
        (("realservers", "web1", f"web1 sent a connection for 192.0.2.10:80 on to {WEB3}"),),
    ),
    # --- the kernel ---
    "backup_only 0": Fault(
        _sysctl("web1", "net.ipv4.vs.backup_only", "0"),
        (("kernel", "web1", "net.ipv4.vs.backup_only is 0; it should be 1"),),
    ),
    "arp_ignore 0": Fault(
        _sysctl("web3", "net.ipv4.conf.all.arp_ignore", "0"),
        (("kernel", "web3", "net.ipv4.conf.all.arp_ignore is 0; it should be 1"),),
    ),
    "a sysctl is not there": Fault(
        _without("web2", "sysctls", "net.ipv4.vs.sloppy_tcp"),
        (("kernel", "web2", "net.ipv4.vs.sloppy_tcp is not there; it should be 1"),),
    ),
    "a module is not loaded": Fault(
        lambda look: look.change("web1", modules=frozenset({"ip_vs"})),
        (("kernel", "web1", "web1: module ip_vs_mh is not loaded"),),
    ),
    # --- what is deployed ---
    "keepalived.conf edited": Fault(
        _file("web1", _CONF, sha256="0" * 64),
        (("drift", "web1", f"web1: {_CONF} was changed by hand"),),
    ),
    "mode changed": Fault(
        _file("web1", _CONF, mode=0o644),
        (("drift", "web1", f"{_CONF} has mode 644 and owner 0:0; it should be 600 and root's"),),
    ),
    "owner changed": Fault(
        _file("web1", _GUARD, uid=33),
        (("drift", "web1", f"{_GUARD} has mode 700 and owner 33:0; it should be 700"),),
    ),
    "group changed": Fault(
        _file("web1", _GUARD, gid=33), (("drift", "web1", "owner 0:33; it should be 700"),)
    ),
    "a file is missing": Fault(
        _without("web3", "files", _GUARD), (("drift", "web3", f"web3: {_GUARD} is missing"),)
    ),
    "a package is missing": Fault(
        _without("web3", "packages", "ipvsadm"),
        (("drift", "web3", "web3: package ipvsadm is not installed"),),
    ),
    # --- nodes and their units ---
    "keepalived dead on a BACKUP": Fault(
        lambda look: look.dead("web1"),
        (
            ("nodes", "web1", "web1: keepalived.service is failed (failed)"),
            ("realservers", "web1", "web1 has weight 0 for 192.0.2.10:80 on web2 and web3"),
        ),
    ),
    "keepalived dead, it was MASTER": Fault(
        lambda look: look.dead("web2", takes_over="web1"),
        (
            ("nodes", "web2", "web2: keepalived.service is failed (failed)"),
            ("realservers", "web2", "web2 has weight 0 for 192.0.2.10:80 on web1 and web3"),
        ),
    ),
    "keepalived would not start at boot": Fault(
        _unit("web1", _DAEMON, enabled="disabled"),
        (("nodes", "web1", "keepalived.service runs but is disabled: it would not start at"),),
    ),
    "a unit that systemd has not read again": Fault(
        _unit("web1", _DAEMON, needs_reload=True),
        (("nodes", "web1", "keepalived.service was changed on disk, and systemd does not"),),
    ),
    "keepalived did not start since its drop-in was written": Fault(
        lambda look: look.change("web1", drop_in_read=False),
        (("nodes", "web1", "web1: keepalived runs since before its drop-in was written"),),
    ),
    "resets are not held back": Fault(
        lambda look: look.change("web1", held_resets=frozenset()),
        (("kernel", "web1", "web1: resets from 192.0.2.10 are not held back"),),
    ),
    "the VIP's unit failed": Fault(
        _unit("web1", "selfbalance-vip.service", active="failed", sub="failed"),
        (("nodes", "web1", "web1: selfbalance-vip.service is failed (failed)"),),
    ),
    "a unit is not there": Fault(
        lambda look: look.change(
            "web1", units={**_node(look, "web1").units, "selfbalance-watch.service": _MISSING}
        ),
        (("nodes", "web1", "web1: selfbalance-watch.service is not installed"),),
    ),
    "a unit that systemctl did not tell of": Fault(
        _without("web1", "units", "selfbalance-watch.service"),
        (("nodes", "web1", "web1: selfbalance-watch.service is not installed"),),
    ),
    "a BACKUP does not answer": Fault(
        lambda look: look.unobserved("web3", "no route to host"),
        (("nodes", "web3", "web3 could not be observed: no route to host"),),
    ),
    "the MASTER does not answer ssh": Fault(
        lambda look: look.unobserved("web2"),
        (
            ("nodes", "web2", "web2 could not be observed: ssh timed out"),
            ("vip", None, "MASTER on nobody (web2 could not be asked)"),
        ),
    ),
    "a node is down": Fault(
        lambda look: _and(_answers("web2", web3=None))(look.weigh(0, "web3").unobserved("web3")),
        (
            ("nodes", "web3", "web3 could not be observed"),
            ("realservers", "web3", "web3 has weight 0 for 192.0.2.10:80 on web1 and web2"),
            ("realservers", "web3", "web3 does not answer for 192.0.2.10:80 what web2 sends it"),
        ),
    ),
    "the MASTER's dump did not come": Fault(
        lambda look: look.unknown(MASTER, "keepalived"),
        (
            ("nodes", "web2", "web2: keepalived could not be observed: keepalived went wrong"),
            ("vip", None, "MASTER on nobody (web2 could not be asked)"),
        ),
    ),
    "the MASTER's addresses could not be read": Fault(
        lambda look: look.unknown(MASTER, "addresses"),
        (
            ("nodes", "web2", "web2: addresses could not be observed"),
            ("vip", None, "192.0.2.10 is on no node's network interface (web2 could not be asked)"),
        ),
    ),
    # --- standby source-mac ---
    "a changed MAC": Fault(
        _had_another_mac("web3", STRANGER),
        (
            (
                "kernel",
                "web1",
                f"web1 takes web3 for a client: it does not know that its MAC is "
                f"{WEB3}, not {STRANGER}; what web3 sends it is balanced again",
            ),
            ("kernel", "web2", "web2 takes web3 for a client: it does not know that its MAC is"),
        ),
        active,
    ),
    "a peer that one node does not know": Fault(
        _knows("web2", but=WEB1),
        (
            (
                "kernel",
                "web2",
                f"web2 takes web1 for a client: it does not know that its MAC is {WEB1};",
            ),
        ),
        active,
    ),
    "a peer that is known for one service only": Fault(
        lambda look: _marks(
            "web2",
            peers={
                **_node(look, "web2").marks.peers,
                WEB3: frozenset([next(iter(_node(look, "web2").marks.services))]),
            },
        )(look),
        (("kernel", "web2", "web2 takes web3 for a client"),),
        active,
    ),
    "a stranger's MAC": Fault(
        _knows("web1", STRANGER),
        (
            (
                "kernel",
                "web1",
                f"web1 takes {STRANGER} for a node of the cluster, which has no such",
            ),
        ),
        active,
    ),
    "no marks": Fault(
        lambda look: look.change("web2", marks=SeenMarks()),
        (("kernel", "web2", "web2: what comes from clients is not marked as it should be"),),
        active,
    ),
    "a mark too many": Fault(
        lambda look: _marks(
            "web3", services={**_node(look, "web3").marks.services, 7: (VIP, 8080)}
        )(look),
        (("kernel", "web3", "web3: what comes from clients is not marked as it should be"),),
        active,
    ),
    "backup_only where every node directs": Fault(
        _sysctl("web1", "net.ipv4.vs.backup_only", "1"),
        (("kernel", "web1", "web1: net.ipv4.vs.backup_only is 1; it should be 0"),),
        active,
    ),
    "one sync daemon where there are two": Fault(
        lambda look: look.change("web1", sync=frozenset({"backup"})),
        (("director", "web1", "IPVS sync daemon: backup; it should be backup and master"),),
        active,
    ),
    "no sync daemon where there are two": Fault(
        lambda look: look.change("web3", sync=frozenset()),
        (("director", "web3", "IPVS sync daemon: none; it should be backup and master"),),
        active,
    ),
    "a marked service is missing": Fault(
        lambda look: look.change("web3", table=_node(look, "web3").table[1:]),
        (("director", "web3", "web3: virtual service 192.0.2.10:80 is missing"),),
        active,
    ),
    "a mark that no service is described for": Fault(
        lambda look: look.change(
            "web3",
            table=(*_node(look, "web3").table, replace(_node(look, "web3").table[3], port=7)),
        ),
        (
            (
                "director",
                "web3",
                "virtual service of firewall mark 7 (IPv6) is in the table but not described",
            ),
        ),
        active,
    ),
    "two MASTERs in one instance": Fault(
        _role_in("web3", 1, Role.MASTER),
        (
            (
                "vip",
                None,
                "MASTER on web2 and web3 in VRRP instance web-52; it should be on exactly one",
            ),
        ),
        active,
    ),
    "no MASTER in one instance": Fault(
        _and(
            _role_in("web2", 1, Role.BACKUP),
            _lacks("web2", "eth0", VIP6),
            _hears(VIP6, web1=set(), web3=set()),
        ),
        (
            ("vip", None, "MASTER on nobody in VRRP instance web-52; it should be on exactly one"),
            ("vip", None, "2001:db8:5b::10 is on no node's network interface"),
        ),
        active,
    ),
    "a VIP of one instance on two nodes": Fault(
        _and(
            _has("web3", "eth0", VIP6),
            _hears(VIP6, web1={WEB2, WEB3}, web2={WEB3}, web3={WEB2}),
            _answers_for(VIP6, "web3"),
        ),
        (("vip", None, "2001:db8:5b::10 is on the network interface of web2 and web3"),),
        active,
    ),
    "a VIP on the MASTER of the other instance": Fault(
        _and(
            _lacks("web2", "eth0", VIP6),
            _has("web1", "eth0", VIP6),
            _hears(VIP6, web1=set(), web2={WEB1}, web3={WEB1}),
            _answers_for(VIP6, "web1"),
        ),
        (("vip", None, "2001:db8:5b::10 is on web1, but keepalived is MASTER on web2"),),
        active,
    ),
    "FAULT of all instances": Fault(
        _and(_role_in("web3", 0, Role.FAULT), _role_in("web3", 1, Role.FAULT)),
        (("vip", "web3", "web3: keepalived is in FAULT"),),
        active,
    ),
    "one instance less than described": Fault(
        lambda look: look.change("web3", instances=_node(look, "web3").instances[:1]),
        (("vip", "web3", "web3: keepalived runs but has no VRRP instance web-52"),),
        active,
    ),
    "a node that balances what its peer has balanced": Fault(
        lambda look: look.change(
            "web1", answers={**_node(look, "web1").answers, (VIP, 80, "web3"): WEB2}
        ),
        (
            (
                "realservers",
                "web3",
                f"web3 sent a connection for 192.0.2.10:80 on to {WEB2}: it balances again what "
                "web1 has balanced",
            ),
        ),
        active,
    ),
    "drained on some directors only": Fault(
        lambda look: look.drain("web3", ["web1", "web2"]),
        (
            ("director", None, "IPVS tables differ"),
            ("realservers", "web3", "web3 is drained on web1 and web2, but not on web3"),
        ),
    ),
    "drained, and no keepalived has taken it": Fault(
        lambda look: look.drain("web3").weigh(1, "web3"),
        tuple(
            (
                "realservers",
                name,
                f"web3 is drained, but has weight on {name}: keepalived there has not taken it",
            )
            for name in ("web1", "web2", "web3")
        ),
    ),
    "drained by hand by too small a number": Fault(
        lambda look: look.drain("web1", drain=BY_HAND).weigh(4, "web1"),
        tuple(
            ("realservers", name, f"web1 is drained, but has weight on {name}")
            for name in ("web1", "web2", "web3")
        ),
    ),
    "drained on one director of a cluster of tables apart": Fault(
        lambda look: look.drain("web1", ["web3"]),
        (
            ("director", None, "IPVS tables differ"),
            ("realservers", "web1", "web1 is drained on web3, but not on web1 and web2"),
        ),
        apart,
    ),
    "drained on one director of two": Fault(
        lambda look: look.drain("web3", ["web1"]),
        (
            ("director", None, "IPVS tables differ"),
            ("realservers", "web3", "web3 is drained on web1, but not on web2"),
        ),
        routed,
    ),
    "one drained, the check of another one fails": Fault(
        lambda look: look.drain("web3").weigh(0, "web1"),
        (("realservers", "web1", "web1 has weight 0 for 192.0.2.10:80 on web1 and web2 and web3"),),
    ),
    "weight 0 of a marked service": Fault(
        lambda look: look.weigh(0, "web3"),
        tuple(
            ("realservers", "web3", f"web3 has weight 0 for {endpoint} on web1 and web2 and web3")
            for endpoint in (
                "192.0.2.10:80",
                "192.0.2.10:443",
                "2001:db8:5b::10:80",
                "2001:db8:5b::10:443",
            )
        ),
        active,
    ),
}
