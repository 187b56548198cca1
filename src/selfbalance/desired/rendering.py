"""The texts of a node's files. Templates say how they look, this module what they may use."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from selfbalance.desired import places
from selfbalance.desired.node import DesiredService
from selfbalance.model import Cluster, Node, VrrpInstance
from selfbalance.model.detection import SLOW_ADVERTS_S
from selfbalance.model.standing import Standing
from selfbalance.plugins import ForwardingMethod, StandbyMode, Tunnel

HANDOVER_MARGIN_S = 3
"""How much longer than its due time a hand-over is waited for, in seconds."""


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
        priority=cluster.priority_of(node),
        advert_interval=_advert_interval_s(cluster),
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
        lvs_method=forwarding.lvs_method,
        password=password,
        events=places.EVENTS,
        demotion_file=places.DEMOTION,
    )


def _advert_interval_s(cluster: Cluster) -> float:
    return SLOW_ADVERTS_S if cluster.vrrp.version == 2 else cluster.timers.advert_interval_s


def _instance(cluster: Cluster, node: Node, instance: VrrpInstance) -> dict[str, object]:
    """Describe an instance to the template. VIPs of the other family ride along, excluded.

    An advert lists addresses of one family only (RFC 5798, section 5.2.9); see
    docs/decisions/0005-one-instance-for-both-families.md.
    """
    family = instance.family
    return {
        "name": instance.name,
        "vrid": instance.vrid,
        "source": node.address_of(family),
        "peers": [peer.address_of(family) for peer in cluster.peers_of(node) if peer.director],
        "own": [vip for vip in instance.vips if vip.version == family],
        "excluded": [vip for vip in instance.vips if vip.version != family],
    }


def _virtual_server(cluster: Cluster, service: DesiredService) -> dict[str, object]:
    described = next(s for s in cluster.services if s.port == service.port)
    return {
        "vip": service.vip,
        "port": service.port,
        "protocol": service.protocol.upper(),
        "scheduler": service.scheduler,
        "flags": service.flags,
        "check": described.check,
        "realservers": [
            {"name": node.name, "address": address, "weight": service.weights[address]}
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
) -> str:
    """Render the script that stands around keepalived's start, stop and change of role."""
    due_s = 4 * _advert_interval_s(cluster)
    return render(
        "keepalived-guard.sh.j2",
        interface=cluster.interface_of(node),
        vips=[vip.address for vip in cluster.vips],
        demotion_file=places.DEMOTION,
        dumps=places.DUMPS,
        handover_s=math.ceil(due_s) + HANDOVER_MARGIN_S,
        takeover_s=math.ceil(due_s) + 1,
        sync_threshold=_sync_threshold(standby),
        others=list(_realservers_elsewhere(node, services)),
        ipvsadm=forwarding.ipvsadm,
        takers=[peer.name for peer in cluster.peers_of(node) if peer.director],
        demotions={each.value: cluster.demotion_of(node, each) for each in Standing},
    )


def _realservers_elsewhere(
    node: Node, services: tuple[DesiredService, ...]
) -> Iterator[dict[str, object]]:
    """Yield where two directors at once would send one packet to and fro."""
    for service in services:
        for address in service.weights:
            if not service.consistent and address not in (node.address, node.address6):
                yield {"vip": service.vip, "port": service.port, "address": address}


def drop_in(node: Node) -> str:
    """Render the drop-in of keepalived's unit (systemd.service(5)); alike on every director."""
    return render("keepalived.drop-in.conf.j2", node=node, guard=places.GUARD, dumps=places.DUMPS)


def watch(standby: StandbyMode) -> str:
    """Render the program that stands beside keepalived; alike on every node."""
    return render(
        "keepalived-watch.pl.j2",
        guard=places.GUARD,
        events=places.EVENTS,
        sync_threshold=_sync_threshold(standby),
    )


def _sync_threshold(standby: StandbyMode) -> str | None:
    return standby.sysctls.get("net.ipv4.vs.sync_threshold")


def watch_unit(cluster: Cluster) -> str:
    """Render the unit that runs `watch`."""
    return render("selfbalance-watch.service.j2", watch=places.WATCH, cluster=cluster)


def unwrapping(vip_interface: str, tunnels: Mapping[int, Tunnel]) -> tuple[str, ...]:
    """Return the interfaces that have to be up for a realserver to take what is wrapped."""
    if not tunnels:
        return ()
    return tuple(dict.fromkeys((vip_interface, *(each.interface for each in tunnels.values()))))


def headers(version: int, tunnel: Tunnel) -> int:
    """Return what of a link's MTU is no TCP segment: IP's and TCP's headers, and the tunnel's."""
    return (40 if version == 4 else 60) + tunnel.overhead


def vip_unit(
    cluster: Cluster, node: Node, vip_interface: str, tunnels: Mapping[int, Tunnel]
) -> str:
    """Render the unit that holds the VIPs on every node, and resets back (decision 10)."""
    return render(
        "selfbalance-vip.service.j2",
        cluster=cluster,
        vips=[vip.address for vip in cluster.vips],
        vip_interface=vip_interface,
        interface=cluster.interface_of(node),
        tunnels=tunnels.values(),
        unwrapping=unwrapping(vip_interface, tunnels),
        headers={version: headers(version, tunnel) for version, tunnel in tunnels.items()},
    )
