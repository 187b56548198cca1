"""Looks at a cluster: what a healthy or a bare node is seen as, and faults to put into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from clusters import secrets_of

from selfbalance import Cluster, Node, Service, Vip, Volume
from selfbalance.desired import DesiredNode, DesiredService, desire, places
from selfbalance.gates import View, builtin, judge
from selfbalance.model import VrrpInstance
from selfbalance.model.standing import Standing
from selfbalance.model.words import IPAddress
from selfbalance.observed import (
    ClusterState,
    Drain,
    HealCount,
    NodeState,
    Role,
    SeenBrick,
    SeenCopy,
    SeenFile,
    SeenInstance,
    SeenMarks,
    SeenPeer,
    SeenRealserver,
    SeenService,
    SeenSettings,
    SeenUnit,
    SeenVolume,
    Shared,
    Stage,
    Unobserved,
    UpgradeMark,
)
from selfbalance.plugins import Facts, Plugins, Problem

PLUGINS = Plugins((builtin,))
NAMES = ("web1", "web2", "web3")
MASTER = "web2"
VIP = IPv4Address("192.0.2.10")
VIP6 = IPv6Address("2001:db8:5b::10")
MEMORY_BYTES = 320 * 2**20
"""What a node of the lab has, in whole 64 MiB."""
PACKAGES = {
    "ipvsadm": "1:1.31-1+b1",
    "keepalived": "1:2.2.7-1+b2",
    "glusterfs-server": "10.3-5",
}
CLOCK = 1_795_383_051
"""The nodes' clock, in seconds since 1970."""
DRAIN = Drain("ops@bastion", CLOCK - 41 * 60)
UPGRADE = UpgradeMark(
    run="0123456789ab",
    by="ops@bastion",
    since=CLOCK - 60,
    component="keepalived",
    stage=Stage.PLANNED,
    before={"keepalived": "1:2.2.7-1+b2"},
    target={"keepalived": "1:2.3.3-1"},
    boot="00000000-0000-4000-8000-000000000000",
)
STRANGER = "02:00:5e:10:00:00"
ROUTER = "02:5b:00:00:01:00"


def described(*vips: IPAddress, **changes: object) -> Cluster:
    """The cluster whose nodes were recorded; `changes` are arguments of `Cluster`."""
    return Cluster(
        **{
            "name": "web",
            "interface": "eth0",
            "nodes": [
                Node(name=name, address=f"192.0.2.1{n}", address6=f"2001:db8:5b::1{n}")
                for n, name in enumerate(NAMES, 1)
            ],
            "vips": [Vip(address=vip) for vip in vips or (VIP,)],
            "services": [Service(name="http", port=80)],
            **changes,
        }
    )


CLUSTER = described()
APART = described(standby="snapshot")
DUAL = described(
    VIP, VIP6, services=[Service(name="http", port=80), Service(name="https", port=443)]
)
ACTIVE = described(
    standby="source-mac",
    vips=[Vip(address=VIP), Vip(address=VIP6, vrid=52)],
    services=[Service(name="http", port=80), Service(name="https", port=443, scheduler="wrr")],
)
"""Two VIPs that may have two MASTERs."""
FAR = Node(name="web3", address="198.51.100.13", address6="2001:db8:5c::13", director=False)
ROUTED = described(VIP, VIP6, forwarding="tun", nodes=[*CLUSTER.nodes[:2], FAR])
"""Web3 is behind a router: it only serves."""
ROUTED_APART = described(
    VIP, VIP6, forwarding="tun", nodes=[*CLUSTER.nodes[:2], FAR], standby="snapshot"
)
"""The same, with tables apart on those that may be MASTER."""
SHARED = Volume(name="shared", brick="/data/shared/brick", mount="/srv/shared")
SHARING = described(volumes=[SHARED])
"""Each of the three nodes has a copy of one volume."""
FOURTH = Node(name="web4", address="192.0.2.14", address6="2001:db8:5b::14")
WITH_FOURTH = described(
    nodes=[*CLUSTER.nodes, FOURTH],
    volumes=[
        Volume(**{**dict(SHARED), "replica": 3}),
        Volume(
            name="other", brick="/data/other", mount="/srv/my-files", bricks={"web2": "/ssd/other"}
        ),
    ],
)
"""Two volumes: of one the fourth node has no copy, of the other everybody has."""


@cache
def desired(cluster: Cluster = CLUSTER) -> dict[str, DesiredNode]:
    """What each node must have, nodes being as they are seen here."""
    return desire(cluster, PLUGINS, secrets_of(cluster), facts(cluster))


def facts(cluster: Cluster) -> dict[str, Facts]:
    """What nodes are known by."""
    return {node.name: Facts(1, MEMORY_BYTES, mac(cluster, node.name)) for node in cluster.nodes}


def mac(cluster: Cluster, name: str) -> str:
    """The MAC of a node, as the lab gives them out."""
    return f"02:5b:00:00:00:{0x0B + _index(cluster, name):02x}"


def _index(cluster: Cluster, name: str) -> int:
    return [node.name for node in cluster.nodes].index(name)


def _link_local(cluster: Cluster, name: str) -> IPAddress:
    return ip_address(f"fe80::5b:ff:fe00:{0x0B + _index(cluster, name):x}")


Wants = Mapping[str, DesiredNode]
Masters = str | tuple[str, ...]
"""The MASTER of every VRRP instance, or each one's, in the order of the description."""


def _mastered(cluster: Cluster, master: Masters) -> dict[IPAddress, str]:
    """The MASTER of each VIP."""
    instances = cluster.instances
    masters = (master,) * len(instances) if isinstance(master, str) else master
    return {vip: name for each, name in zip(instances, masters, strict=True) for vip in each.vips}


def healthy(
    cluster: Cluster = CLUSTER, master: Masters = MASTER, wants: Wants | None = None
) -> dict[str, NodeState]:
    """Each node as it is seen in a healthy cluster, for some time now; it has what `wants` say."""
    wants = wants or desired(cluster)
    masters = _mastered(cluster, master)
    states = {want.name: _healthy(cluster, want, masters) for want in wants.values()}
    return {n: s if wants[n].director else _only_serving(s) for n, s in states.items()}


def _only_serving(state: NodeState) -> NodeState:
    """The same without what a node has that may be MASTER."""
    return replace(state, table=(), demotion=None, instances=(), claims={})


def _healthy(cluster: Cluster, want: DesiredNode, masters: dict[IPAddress, str]) -> NodeState:
    own = [vip for vip, name in masters.items() if name == want.name]
    return replace(
        replace(bare(cluster, want.name, want), copies={}, unknown={}),
        packages={name: version for name, version in PACKAGES.items() if name in want.packages},
        files={
            file.path: SeenFile(file.sha256, file.mode, uid=0, gid=0) for file in want.all_files
        },
        sysctls=dict(want.sysctls),
        modules=frozenset(want.modules),
        addresses={
            "lo": frozenset((*_LOOPBACK, *(want.vips if want.vip_interface == "lo" else ()))),
            want.interface: _own(cluster, want.name) | frozenset(own),
            **({want.vip_interface: frozenset(want.vips)} if want.vip_interface != "lo" else {}),
        },
        held_resets=frozenset(want.vips),
        segments={
            vip: 1500 - want.headers[vip.version]
            for vip in want.vips
            if vip.version in want.headers
        },
        up=frozenset(want.unwrapping),
        units={name: _unit(name) for name in want.units},
        table=tuple(_seen(service) for service in want.services if own or not want.apart),
        kept=tuple(_seen(service) for service in want.services if want.apart),
        sync=frozenset(
            ()
            if not want.sync_daemon
            else {"master", "backup"}
            if want.sync_roles == 2
            else {"master" if own else "backup"}
        ),
        demotion=_demotion(cluster, want.name, cluster.instances[0], own),
        drop_in_read=True,
        dialect=want.dialect,
        marks=SeenMarks("nft" if want.marks else "", want.marked, _known(want)),
        recorded=facts(cluster) if places.FACTS in {f.path for f in want.files} else {},
        instances=tuple(_instance(cluster, want.name, each, own) for each in cluster.instances),
        claims={
            vip: frozenset({mac(cluster, masters[vip])}) for vip in want.vips if vip not in own
        },
        answers={
            (service.vip, service.port, peer): mac(cluster, peer) if peer in want.peers else ROUTER
            for service in want.services
            for peer in {**want.peers, **want.tunnelled}
            if service.vip in own
        },
        **(_sharing(cluster, want) if want.volumes else {}),
    )


MIB = 2**20


def uuid(cluster: Cluster, name: str) -> str:
    """How glusterd calls a node."""
    return f"00000000-0000-4000-9000-00000000000{_index(cluster, name):x}"


def _sharing(cluster: Cluster, want: DesiredNode) -> dict[str, object]:
    """What a node is seen to have of its volumes."""
    return {
        "gluster_peers": tuple(
            SeenPeer(frozenset({uuid(cluster, name), address}), True, 3, "Peer in Cluster")
            for name, address in want.pool.items()
            if name != want.name
        ),
        "volumes": {
            volume.name: SeenSettings(
                started=True,
                bricks=volume.bricks,
                replica=len(volume.bricks),
                arbiter=int(volume.arbiter),
                options={**volume.options, "transport.address-family": "inet"},
            )
            for volume in want.volumes
        },
        "copies": {
            volume.name: SeenCopy(
                brick=SeenBrick("marked", on_root=False, total=500 * MIB, free=400 * MIB)
                if volume.brick
                else None,
                mount="works",
            )
            for volume in want.volumes
        },
        "op_version": 100000,
    }


def shared(cluster: Cluster, observer: str | None = None) -> Shared:
    """What one node says of the volumes as a whole, all being well: the first unless said."""
    observer = observer or cluster.nodes[0].name
    volumes = desired(cluster)[observer].volumes
    return Shared(
        observer,
        {
            volume.name: SeenVolume(
                bricks=dict.fromkeys(volume.bricks, True),
                healers=dict.fromkeys(volume.holders, True),
                heals=(dict.fromkeys(volume.bricks, HealCount(0, 0)),) * 2,
            )
            for volume in volumes
        },
    )


def _demotion(cluster: Cluster, name: str, instance: VrrpInstance, own: list[IPAddress]) -> int:
    standing = Standing.SERVING if instance.vips[0] in own else Standing.FRESH
    return cluster.demotion_of(cluster.node(name), standing, instance)


def _instance(
    cluster: Cluster, name: str, instance: VrrpInstance, own: list[IPAddress]
) -> SeenInstance:
    role = Role.MASTER if instance.vips[0] in own else Role.BACKUP
    base = cluster.priority_of(cluster.node(name), instance)
    demotion = _demotion(cluster, name, instance, own)
    return SeenInstance(instance.name, role, base, base - demotion)


def _known(want: DesiredNode) -> dict[str, frozenset[int]]:
    macs = want.peer_macs.values() if want.marks else ()
    return {each: frozenset(want.marked) for each in macs}


_LOOPBACK = (ip_address("127.0.0.1"), ip_address("::1"))


def _own(cluster: Cluster, name: str) -> frozenset[IPAddress]:
    node = cluster.node(name)
    own = (node.address, node.address6, _link_local(cluster, name))
    return frozenset(address for address in own if address is not None)


def _unit(name: str) -> SeenUnit:
    sub = "exited" if name == "selfbalance-vip.service" else "running"
    sub = "mounted" if name.endswith(".mount") else sub
    return SeenUnit("loaded", "active", sub, "enabled", needs_reload=False)


def _seen(service: DesiredService) -> SeenService:
    marked = service.mark is not None
    return SeenService(
        "fwm" if marked else service.protocol,
        ip_address("::" if service.vip.version == 6 else "0.0.0.0") if marked else service.vip,
        service.mark or service.port,
        service.scheduler,
        frozenset(service.flags),
        tuple(
            SeenRealserver(address, service.realserver_port, service.method, weight, 0, 0)
            for address, weight in service.weights.items()
        ),
    )


def bare(cluster: Cluster, name: str, want: DesiredNode | None = None) -> NodeState:
    """A node with its web server, to which nothing was deployed yet."""
    want = want or desired(cluster)[name]
    ports = (22, *sorted({service.port for service in want.services}))
    return NodeState(
        name=name,
        boot_id=f"00000000-0000-4000-8000-00000000000{_index(cluster, name):x}",
        kernel="6.1.176",
        distribution="debian",
        version_codename="bookworm",
        sysctls={key: "0" for key in want.sysctls if ".conf." in key},
        addresses={"lo": frozenset(_LOOPBACK), want.interface: _own(cluster, name)},
        mac=mac(cluster, name),
        cores=1,
        memory_bytes=MEMORY_BYTES,
        mtu=1500,
        units={
            unit: SeenUnit("not-found", "inactive", "dead", "", needs_reload=False)
            for unit in want.units
        },
        clock=CLOCK,
        listening=frozenset((any_, port) for port in ports for any_ in _ANY),
        peer_macs={peer: mac(cluster, peer) for peer in want.peers},
        copies={
            volume.name: SeenCopy(
                SeenBrick("gone", on_root=False, total=500 * MIB, free=500 * MIB)
                if volume.brick
                else None
            )
            for volume in want.volumes
        },
        unknown=dict.fromkeys(("pool", "volumes"), NO_GLUSTER) if want.volumes else {},
    )


NO_GLUSTER = "gluster does not answer; does glusterd run?"


_ANY = (ip_address("0.0.0.0"), ip_address("::"))


class Look:
    """One look at a cluster that is healthy until a fault is put into it."""

    def __init__(self, cluster: Cluster = CLUSTER, master: Masters = MASTER) -> None:
        self.cluster = cluster
        self.master = master
        self.nodes: dict[str, NodeState | Unobserved] = {**healthy(cluster, master)}
        self.shared = shared(cluster) if cluster.volumes else Shared()

    def change(self, name: str, **fields: object) -> Look:
        """See a node otherwise: `fields` are those of `NodeState`."""
        state = self.nodes[name]
        assert isinstance(state, NodeState)
        self.nodes[name] = replace(state, **fields)
        return self

    def change_all(self, *names: str, **fields: object) -> Look:
        """See several nodes otherwise, all of them unless named."""
        for name in names or tuple(self.nodes):
            self.change(name, **fields)
        return self

    def unknown(self, name: str, *sections: str) -> Look:
        """Leave a node's sections unread: the text that was printed says so, and holds nothing."""
        from printed import without

        state = self.nodes[name]
        assert isinstance(state, NodeState)
        for section in sections:
            state = without(state, desired(self.cluster)[name], section)
        self.nodes[name] = state
        return self

    def upgrading(self, mark: UpgradeMark = UPGRADE, **stages: Stage) -> Look:
        """Leave the mark of an upgrade on nodes, at a stage each."""
        for name, stage in stages.items():
            self.change(name, upgrade=replace(mark, stage=stage))
        return self

    def unobserved(self, name: str, reason: str = "ssh timed out") -> Look:
        """Have a node that does not answer."""
        self.nodes[name] = Unobserved(name, reason)
        return self

    def dead(self, name: str, takes_over: str | None = None) -> Look:
        """Let keepalived be dead on a node: its table is gone, the others' checks noticed."""
        state = self.nodes[name]
        assert isinstance(state, NodeState)
        if takes_over:
            others = Look(self.cluster, takes_over)
            self.nodes.update({n: s for n, s in others.nodes.items() if n != name})
            state = healthy(self.cluster, takes_over)[name]
        unit = SeenUnit("loaded", "failed", "failed", "enabled", needs_reload=False)
        self.nodes[name] = replace(
            state,
            units={**state.units, "keepalived.service": unit},
            table=(),
            sync=frozenset(),
            instances=(),
        )
        return self.weigh(0, name, seen_by=[n for n in self.nodes if n != name])

    def weigh(self, weight: int, name: str, seen_by: list[str] | None = None) -> Look:
        """Give a realserver another weight in all tables of `seen_by`, of all unless given."""
        node = self.cluster.node(name)
        for each in seen_by or list(self.nodes):
            state = self.nodes[each]
            assert isinstance(state, NodeState)
            tables = {
                field: tuple(
                    replace(
                        service,
                        realservers=tuple(
                            replace(real, weight=weight)
                            if real.address in (node.address, node.address6)
                            else real
                            for real in service.realservers
                        ),
                    )
                    for service in getattr(state, field)
                )
                for field in ("table", "kept")
            }
            self.change(each, **tables)
        return self

    def drain(self, name: str, told: Sequence[str] = (), drain: Drain = DRAIN) -> Look:
        """Drain a realserver on the directors `told`, on all unless given; they have taken it."""
        directors = [node.name for node in self.cluster.nodes if node.director]
        for each in told or directors:
            state = self.nodes[each]
            assert isinstance(state, NodeState)
            self.change(each, drained={**state.drained, name: drain})
        return self.weigh(0, name, seen_by=list(told or directors))

    @property
    def view(self) -> View:
        """What gates and status are given."""
        state = ClusterState(tuple(self.nodes.values()), self.shared)
        return View(self.cluster, desired(self.cluster), state)

    def problems(self) -> dict[str, tuple[Problem, ...]]:
        """What the gates find, by gate; those that find nothing are left out."""
        verdicts = judge(self.view, PLUGINS)
        return {name: each.problems for name, each in verdicts.items() if not each.good}

    def said(self) -> list[str]:
        """What the gates find, in one list of `gate: what`."""
        return [f"{gate}: {each.what}" for gate, some in self.problems().items() for each in some]
