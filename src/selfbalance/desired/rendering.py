"""The texts of a node's files. Templates say how they look, this module what they may use."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from selfbalance.desired import places
from selfbalance.desired.node import DesiredService
from selfbalance.model import Cluster, Node, Volume, VrrpInstance
from selfbalance.model.standing import Standing
from selfbalance.model.words import IPAddress
from selfbalance.plugins import (
    ControllerStore,
    ForwardingMethod,
    SnapshotStore,
    StandbyMode,
    Tunnel,
)

ASIDE = 53
"""The firewall mark that a leaving MASTER gives to what its peers send it (`ipvsadm(8)`, -f)."""

HANDOVER_MARGIN_S = 3
"""How much longer than its due time a hand-over is waited for, in seconds."""


NAMESPACE = places.NAMESPACE.rpartition("/")[2]
"""Its name, as ip(8) and keepalived call it."""


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("selfbalance.desired"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - no HTML; the model admits no character that means anything
    )


def render(template: str, **values: object) -> str:
    """Render one of this room's templates. A name that is missing is an error, never an empty."""
    return _templates().get_template(template).render(**values)


def keepalived_conf(
    cluster: Cluster,
    node: Node,
    forwarding: ForwardingMethod,
    standby: StandbyMode,
    services: tuple[DesiredService, ...],
    password: str | None,
) -> str:
    """Render a node's keepalived.conf (keepalived.conf(5))."""
    family = cluster.instances[0].family
    return render(
        "keepalived.conf.j2",
        node=node,
        vrrp=cluster.vrrp,
        timers=cluster.timers,
        interface=cluster.interface_of(node),
        advert_interval=cluster.advert_interval_s,
        standby=standby,
        node_address=node.address_of(family),
        peers=[
            {
                "name": peer.name,
                "address": peer.address_of(family),
                "routed": not (node.director and peer.director),
            }
            for peer in cluster.watched_by(node)
        ],
        instances=[
            _instance(cluster, node, instance) for instance in cluster.instances if node.director
        ],
        virtual_servers=[
            _virtual_server(cluster, service) for service in services if node.director
        ],
        drainable=[_drainable(each) for each in cluster.nodes if node.director],
        lvs_method=forwarding.lvs_method,
        password=password,
        dialect=dialect(cluster, password),
        events=places.EVENTS,
        namespace=NAMESPACE,
    )


def dialect(cluster: Cluster, password: str | None) -> str:
    """Return a short word for what VRRP peers have to agree on; another one is another language.

    A peer drops adverts of another version, VRID, secret or address, and with version 2 of another
    interval (keepalived/vrrp/vrrp.c, `vrrp_check_packet`). The word is too short to lead back to
    the secret.
    """
    spoken = [
        cluster.vrrp.version,
        cluster.vrrp.unicast,
        cluster.advert_interval_s if cluster.vrrp.version == 2 else None,
        password,
        *((each.vrid, str(each.advertised)) for each in cluster.instances),
    ]
    return hashlib.sha256(json.dumps(spoken).encode()).hexdigest()[:6]


def _instance(cluster: Cluster, node: Node, instance: VrrpInstance) -> dict[str, object]:
    """Describe an instance to the template. All VIPs but one ride along, excluded from adverts.

    An advert lists addresses of one family only (RFC 5798, section 5.2.9), and peers compare them;
    see docs/decisions/0005-one-instance-for-both-families.md and 0021-changes.md.
    """
    family = instance.family
    return {
        "name": instance.name,
        "vrid": instance.vrid,
        "priority": cluster.priority_of(node, instance),
        "track_file": _track_file(cluster, instance),
        "demotion_file": _demotion_file(cluster, instance),
        "source": node.address_of(family),
        "peers": [peer.address_of(family) for peer in cluster.peers_of(node) if peer.director],
        "advertised": instance.advertised,
        "excluded": [vip for vip in instance.vips if vip != instance.advertised],
    }


def _demotion_file(cluster: Cluster, instance: VrrpInstance) -> str:
    """Return the instance's file: a VIP that goes must not leave its file to the next one."""
    return places.demotion(None if instance == cluster.instances[0] else instance.vrid)


def _track_file(cluster: Cluster, instance: VrrpInstance) -> str:
    return _demotion_file(cluster, instance).rpartition("/")[2]


def _drainable(node: Node) -> dict[str, object]:
    file = places.drained(node.name)
    return {"name": node.name, "file": file, "track_file": file.rpartition("/")[2]}


def _virtual_server(cluster: Cluster, service: DesiredService) -> dict[str, object]:
    described = next(s for s in cluster.services if s.port == service.port)
    return {
        "vip": service.vip,
        "port": service.port,
        "mark": service.mark,
        "protocol": service.protocol.upper(),
        "scheduler": service.scheduler,
        "flags": service.flags,
        "check": described.check,
        "realservers": [
            {"address": address, "weight": service.weights[address], **_drainable(node)}
            for node in cluster.nodes
            for address in [node.address_of(service.vip.version)]
            if address is not None
        ],
    }


def guard(
    cluster: Cluster,
    node: Node,
    forwarding: ForwardingMethod,
    standby: StandbyMode,
    services: tuple[DesiredService, ...],
    store: SnapshotStore | ControllerStore,
) -> str:
    """Render the script that stands around keepalived's start, stop and change of role."""
    due_s = 4 * cluster.advert_interval_s
    return render(
        "keepalived-guard.sh.j2",
        interface=cluster.interface_of(node),
        vips=[vip.address for vip in cluster.vips],
        folder=places.DEMOTION.rpartition("/")[0],
        adopting=places.ADOPTING,
        dumps=places.DUMPS,
        json_signal=places.JSON_SIGNAL,
        unpacked=places.UNPACKED,
        handover_s=math.ceil(due_s) + HANDOVER_MARGIN_S,
        takeover_s=math.ceil(due_s) + 1,
        sync=_sync(standby),
        apart=f"ip netns exec {NAMESPACE} " if standby.apart else "",
        serves_peers=not (standby.marks_clients or standby.apart or forwarding.wrapped),
        steered=list(_steered(cluster, node, forwarding, services)),
        node=node,
        takers=[peer.name for peer in cluster.peers_of(node) if peer.director],
        ipvsadm=forwarding.ipvsadm,
        scheduler=next((s.scheduler for s in services if not s.consistent), None),
        aside=ASIDE,
        own_addresses=_addresses(node),
        peer_addresses=[each for peer in cluster.peers_of(node) for each in _addresses(peer)],
        instances=[_standings(cluster, node, instance) for instance in cluster.instances],
        standby=standby,
        store=store,
        namespace=NAMESPACE,
        events=places.EVENTS,
    )


def _standings(cluster: Cluster, node: Node, instance: VrrpInstance) -> dict[str, object]:
    demotions = {each.value: cluster.demotion_of(node, each, instance) for each in Standing}
    return {"name": instance.name, "file": _demotion_file(cluster, instance), **demotions}


def _steered(
    cluster: Cluster,
    node: Node,
    forwarding: ForwardingMethod,
    services: tuple[DesiredService, ...],
) -> Iterator[dict[str, object]]:
    """Yield the services for which two directors may choose differently, and who takes over.

    What comes in GUE cannot be told from a client's: a leaving MASTER that sent it to its heir
    would get it back. There, new clients stay with the node itself.
    """
    for service in services:
        if not service.consistent:
            instance = cluster.instance_of(service.vip)
            takers = [peer for peer in cluster.peers_of(node) if peer.director]
            takers.sort(key=lambda peer: -cluster.priority_of(peer, instance))
            heirs = [node] if forwarding.wrapped.startswith("gue") else takers
            yield {
                "service": _ipvsadm_service(service),
                "heirs": [f"{heir.name}={_realserver(heir, service)}" for heir in heirs],
            }


def _realserver(node: Node, service: DesiredService) -> str:
    address = node.address_of(service.vip.version)
    assert address is not None  # noqa: S101 - the model gives every node one of each VIP's family
    return ipvsadm_endpoint(address, service.realserver_port)


def _ipvsadm_service(service: DesiredService) -> str:
    """Return a service in ipvsadm(8)'s way."""
    if service.mark is None:
        return f"-t {ipvsadm_endpoint(service.vip, service.port)}"
    return f"-f {service.mark}{' -6' if service.vip.version == 6 else ''}"


def marks(
    cluster: Cluster, node: Node, services: tuple[DesiredService, ...], peer_macs: Iterable[str]
) -> str:
    """Render the script that marks what comes from clients, with what the node has for that."""
    return render(
        "selfbalance-marks.sh.j2",
        interface=cluster.interface_of(node),
        peer_macs=list(peer_macs),
        services=services,
        marker=places.MARKER,
        families=sorted({service.vip.version for service in services}),
    )


def _addresses(node: Node) -> list[IPAddress]:
    return [address for address in (node.address, node.address6) if address is not None]


def ipvsadm_endpoint(address: IPAddress, port: int) -> str:
    """Return an address with its port in ipvsadm(8)'s way."""
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def ipvs_table(services: tuple[DesiredService, ...], forwarding: ForwardingMethod) -> list[str]:
    """Return the described table as `ipvsadm --save --numeric` prints it."""
    lines = []
    for service in services:
        endpoint = f"-t {ipvsadm_endpoint(service.vip, service.port)}"
        flags = f" -b {','.join(service.flags)}" if service.flags else ""
        lines.append(f"-A {endpoint} -s {service.scheduler}{flags}")
        lines += [
            f"-a {endpoint} -r {ipvsadm_endpoint(address, service.port)} {forwarding.ipvsadm} "
            f"-w {weight}"
            for address, weight in service.weights.items()
        ]
    return lines


def drop_in(node: Node, standby: StandbyMode) -> str:
    """Render the drop-in of keepalived's unit (systemd.service(5)); alike on every director."""
    return render(
        "keepalived.drop-in.conf.j2",
        node=node,
        guard=places.GUARD,
        dumps=places.DUMPS,
        standby=standby,
    )


def watch(cluster: Cluster, node: Node, standby: StandbyMode, table: list[str]) -> str:
    """Render the program that stands beside keepalived."""
    return render(
        "keepalived-watch.pl.j2",
        guard=places.GUARD,
        events=places.EVENTS,
        sync=_sync(standby),
        standby=standby,
        namespace=NAMESPACE,
        interface=cluster.interface_of(node),
        vips=[vip.address for vip in cluster.vips],
        table=table,
    )


class _Sync(NamedTuple):
    """When a director tells the others of a session: sysctls below net.ipv4.vs."""

    sync_threshold: str
    sync_refresh_period: str


def _sync(standby: StandbyMode) -> _Sync | None:
    """Return what is usual; None if nobody is told of sessions."""
    if not standby.sync_daemon:
        return None
    kernels = _Sync(sync_threshold="3 50", sync_refresh_period="0")
    said = {knob: standby.sysctls.get(f"net.ipv4.vs.{knob}") for knob in _Sync._fields}
    return kernels._replace(**{knob: value for knob, value in said.items() if value is not None})


def watch_unit(cluster: Cluster, standby: StandbyMode) -> str:
    """Render the unit that runs `watch`."""
    return render(
        "selfbalance-watch.service.j2",
        watch=places.WATCH,
        cluster=cluster,
        standby=standby,
        namespace=NAMESPACE,
    )


def unwrapping(vip_interface: str, tunnels: Mapping[int, Tunnel]) -> tuple[str, ...]:
    """Return the interfaces that have to be up for a realserver to take what is wrapped."""
    if not tunnels:
        return ()
    return tuple(dict.fromkeys((vip_interface, *(each.interface for each in tunnels.values()))))


def headers(version: int, tunnel: Tunnel) -> int:
    """Return what of a link's MTU is no TCP segment: IP's and TCP's headers, and the tunnel's."""
    return (40 if version == 4 else 60) + tunnel.overhead


def vip_unit(
    cluster: Cluster,
    node: Node,
    vip_interface: str,
    standby: StandbyMode,
    tunnels: Mapping[int, Tunnel],
) -> str:
    """Render the unit that holds the VIPs on every node, and resets back (decision 10)."""
    return render(
        "selfbalance-vip.service.j2",
        cluster=cluster,
        vips=[vip.address for vip in cluster.vips],
        vip_interface=vip_interface,
        interface=cluster.interface_of(node),
        marks=places.MARKS if standby.marks_clients else None,
        tunnels=tunnels.values(),
        unwrapping=unwrapping(vip_interface, tunnels),
        headers={version: headers(version, tunnel) for version, tunnel in tunnels.items()},
    )


def mount_unit(cluster: Cluster, volume: Volume, others: Iterable[IPAddress]) -> str:
    """Render the unit that mounts a volume (systemd.mount(5))."""
    return render("volume.mount.j2", cluster=cluster, volume=volume, others=others)
