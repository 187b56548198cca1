"""From a description to what each node must have. Same input, same output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from zlib import crc32

from selfbalance.desired import places, rendering
from selfbalance.desired.node import DesiredNode, DesiredService, File
from selfbalance.desired.volumes import MODULE, desired_volumes, mount_files, pool
from selfbalance.errors import PluginError
from selfbalance.model import Cluster, Node, Secret
from selfbalance.model.standing import Standing
from selfbalance.model.words import IPAddress
from selfbalance.plugins import Facts, ForwardingMethod, Plugins, Scheduler, StandbyMode, Tunnel

MARKS = range(0x5B000000, 0x5C000000)
"""Firewall marks that services may have."""

HEAVIEST = 65535
"""The highest weight that is certain to work (ipvsadm(8), -w); keepalived itself takes more."""


def desire(
    cluster: Cluster,
    plugins: Plugins,
    secrets: Mapping[Secret, str],
    facts: Mapping[str, Facts] | None = None,
) -> dict[str, DesiredNode]:
    """Return what each node must have, by node name.

    `secrets` holds every secret's value, `facts` those of every node where `depends_on_facts`; as
    long as nobody looked, weights that follow from facts are 1.
    """
    return {
        node.name: _desire_node(cluster, node, plugins, secrets, facts) for node in cluster.nodes
    }


def depends_on_facts(cluster: Cluster, plugins: Plugins) -> bool:
    """Whether what a node must have follows from what is observed of the others too."""
    schedulers = (plugins.schedulers[service.scheduler] for service in cluster.services)
    marks = plugins.standby_modes[cluster.standby].marks_clients
    return marks or any(scheduler.weigh_observed is not None for scheduler in schedulers)


def _desire_node(
    cluster: Cluster,
    node: Node,
    plugins: Plugins,
    secrets: Mapping[Secret, str],
    facts: Mapping[str, Facts] | None,
) -> DesiredNode:
    forwarding = plugins.forwarding_methods[cluster.forwarding]
    standby = plugins.standby_modes[cluster.standby]
    services = desired_services(cluster, plugins, facts)
    tunnels = tunnels_in_use(cluster, forwarding)
    vips = tuple(vip.address for vip in cluster.vips)
    modules = _modules(cluster, node, plugins)
    sysctls = _sysctls(cluster, node, plugins)
    components = [c for _, c in plugins.components.items() if c.needed(cluster)]
    volumes = desired_volumes(cluster, node)
    password = secrets[cluster.vrrp.password] if cluster.vrrp.password else None
    conf = rendering.keepalived_conf(cluster, node, forwarding, standby, services, password)
    return DesiredNode(
        name=node.name,
        interface=cluster.interface_of(node),
        priority=cluster.priority_of(node),
        packages=tuple(p for c in components for p in c.packages),
        modules=modules,
        sysctls=sysctls,
        files=(
            File(places.MODULES, _lines(modules), 0o644),
            File(places.SYSCTLS, _lines(f"{k} = {v}" for k, v in sysctls.items()), 0o644),
            File(
                places.VIP_UNIT,
                rendering.vip_unit(cluster, node, forwarding.vip_interface, standby, tunnels),
                0o644,
            ),
            File(places.DROP_IN, rendering.drop_in(node, standby), 0o644),
            *_marks(cluster, node, standby, services, facts),
            *_record(cluster, plugins, facts),
            File(places.DESCRIPTION, cluster.to_text(), 0o644),
            *mount_files(cluster, node),
            *(_beside_vrrp(cluster, node, plugins, services) if node.director else ()),
        ),
        config=File(places.CONFIG, conf, 0o600, secret=password is not None),
        dialect=rendering.dialect(cluster, password) if node.director else "",
        units=(
            "selfbalance-vip.service",
            *(u for c in components for u in c.units),
            *(("selfbalance-watch.service",) if node.director else ()),
            *(volume.mount_unit for volume in volumes),
        ),
        vips=vips,
        vip_interface=forwarding.vip_interface,
        sync_daemon=standby.sync_daemon and node.director,
        services=services,
        standings={cluster.demotion_of(node, each): each for each in Standing},
        peers={
            peer.name: _peer_address(cluster, peer)
            for peer in cluster.peers_of(node)
            if node.director and (peer.director or not forwarding.wrapped)
        },
        own_instances=_own_instances(cluster, node),
        sync_roles=2 if standby.marks_clients else 1,
        peer_macs=_peer_macs(cluster, node, facts),
        apart=standby.apart and node.director,
        director=node.director,
        wrapped=forwarding.wrapped,
        tunnelled={
            peer.name: tuple(a for a in (peer.address, peer.address6) if a is not None)
            for peer in cluster.peers_of(node)
            if node.director and forwarding.wrapped
        },
        unwrapping=rendering.unwrapping(forwarding.vip_interface, tunnels),
        headers={
            version: rendering.headers(version, tunnel) for version, tunnel in tunnels.items()
        },
        volumes=volumes,
        pool=pool(cluster),
    )


def tunnels_in_use(cluster: Cluster, forwarding: ForwardingMethod) -> dict[int, Tunnel]:
    """Return the tunnels of the IP versions that the VIPs have."""
    versions = {vip.address.version for vip in cluster.vips}
    return {v: tunnel for v, tunnel in forwarding.tunnels.items() if v in versions}


def _beside_vrrp(
    cluster: Cluster, node: Node, plugins: Plugins, services: tuple[DesiredService, ...]
) -> tuple[File, ...]:
    """Return what stands beside keepalived on a node that may become MASTER."""
    forwarding = plugins.forwarding_methods[cluster.forwarding]
    standby = plugins.standby_modes[cluster.standby]
    store = plugins.snapshot_stores[cluster.snapshots]
    table = rendering.ipvs_table(services, forwarding) if standby.apart else []
    guard = rendering.guard(cluster, node, forwarding, standby, services, store)
    return (
        File(places.WATCH, rendering.watch(cluster, node, standby, table), 0o700),
        File(places.WATCH_UNIT, rendering.watch_unit(cluster, standby), 0o644),
        File(places.GUARD, guard, 0o700),
    )


def _own_instances(cluster: Cluster, node: Node) -> tuple[str, ...]:
    """Return the VRRP instances whose MASTER this node is first, where there are several."""
    if len(cluster.instances) == 1:
        return ()
    first = max(map(cluster.priority_of, cluster.nodes))
    return tuple(i.name for i in cluster.instances if cluster.priority_of(node, i) == first)


def _marks(
    cluster: Cluster,
    node: Node,
    standby: StandbyMode,
    services: tuple[DesiredService, ...],
    facts: Mapping[str, Facts] | None,
) -> tuple[File, ...]:
    """Return the script that marks what comes from clients, where the standby mode asks for it."""
    if not standby.marks_clients:
        return ()
    macs = _peer_macs(cluster, node, facts).values()
    return (File(places.MARKS, rendering.marks(cluster, node, services, macs), 0o700),)


def _peer_macs(cluster: Cluster, node: Node, facts: Mapping[str, Facts] | None) -> dict[str, str]:
    return {peer.name: facts[peer.name].mac for peer in cluster.peers_of(node)} if facts else {}


def _record(
    cluster: Cluster, plugins: Plugins, facts: Mapping[str, Facts] | None
) -> tuple[File, ...]:
    """Return the file that keeps the facts of every node on this one, where they matter."""
    if not depends_on_facts(cluster, plugins):
        return ()
    rows = (
        f"{name} {each.cores} {each.memory_bytes} {each.mac}"
        for name, each in (facts or {}).items()
    )
    return (File(places.FACTS, _lines(rows), 0o644),)


def _peer_address(cluster: Cluster, peer: Node) -> IPAddress:
    return peer.address_of(cluster.instances[0].family) or peer.address


def desired_services(
    cluster: Cluster, plugins: Plugins, facts: Mapping[str, Facts] | None = None
) -> tuple[DesiredService, ...]:
    """Return the IPVS table that every node must have, services in the order of the description."""
    marking = plugins.standby_modes[cluster.standby].marks_clients
    marks = _marks_of(cluster) if marking else {}
    return tuple(
        DesiredService(
            vip=vip.address,
            port=service.port,
            protocol=service.protocol,
            scheduler=scheduler.kernel,
            flags=(
                scheduler.default_flags
                if service.scheduler_flags is None
                else service.scheduler_flags
            ),
            weights={
                address: _weight(plugins, service.scheduler, node, facts)
                for node in cluster.nodes
                for address in [node.address_of(vip.address.version)]
                if address is not None
            },
            consistent=scheduler.consistent,
            method=plugins.forwarding_methods[cluster.forwarding].listed,
            mark=marks.get((vip.address, service.port)),
        )
        for vip in cluster.vips
        for service in cluster.services
        for scheduler in [plugins.schedulers[service.scheduler]]
    )


def _marks_of(cluster: Cluster) -> dict[tuple[IPAddress, int], int]:
    """Give each VIP and port a firewall mark that follows from them, not from their place.

    The kernel knows a service by its mark: one that moved would end the sessions of the service
    that had it.
    """
    marks: dict[tuple[IPAddress, int], int] = {}
    for vip in cluster.vips:
        for service in cluster.services:
            at = crc32(f"{vip.address} {service.port}".encode())
            while (mark := MARKS[at % len(MARKS)]) in marks.values():
                at += 1
            marks[vip.address, service.port] = mark
    return marks


def _weight(plugins: Plugins, scheduler: str, node: Node, facts: Mapping[str, Facts] | None) -> int:
    """Ask the scheduler for a node's weight. What it says stands in keepalived.conf."""
    try:
        weight: object = _weigh(plugins.schedulers[scheduler], node, facts)
    except Exception as error:  # a site's own scheduler may do anything
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(
            f"plugin {plugins.schedulers.plugin_of(scheduler)}: scheduler '{scheduler}' cannot "
            f"weigh {node.name}: {said}"
        ) from None
    if type(weight) is int and 1 <= weight <= HEAVIEST:
        return weight
    raise PluginError(
        f"plugin {plugins.schedulers.plugin_of(scheduler)}: scheduler '{scheduler}' gives "
        f"{node.name} the weight {weight!r}; a weight is a whole number from 1 to {HEAVIEST}"
    )


def _weigh(scheduler: Scheduler, node: Node, facts: Mapping[str, Facts] | None) -> int:
    if scheduler.weigh_observed is None:
        return scheduler.weigh(node)
    return 1 if facts is None else scheduler.weigh_observed(node, facts[node.name])


def _modules(cluster: Cluster, node: Node, plugins: Plugins) -> tuple[str, ...]:
    """Return what a director needs to balance, and any node to take what it is sent."""
    forwarding = plugins.forwarding_methods[cluster.forwarding]
    schedulers = (plugins.schedulers[service.scheduler].module for service in cluster.services)
    tunnels = tunnels_in_use(cluster, forwarding).values()
    return tuple(
        dict.fromkeys(
            (
                *(("ip_vs", *schedulers) if node.director else ()),
                *forwarding.modules,
                *(module for tunnel in tunnels for module in tunnel.modules),
                *((MODULE,) if cluster.volumes else ()),
            )
        )
    )


def _sysctls(cluster: Cluster, node: Node, plugins: Plugins) -> dict[str, str]:
    """Merge the sysctls of forwarding method, standby mode and schedulers, sorted by name.

    Those of IPVS exist only where it is loaded.
    """
    schedulers = [plugins.schedulers[service.scheduler] for service in cluster.services]
    sources = (
        _sloppy_tcp(schedulers),
        plugins.forwarding_methods[cluster.forwarding].sysctls,
        plugins.standby_modes[cluster.standby].sysctls,
        *(scheduler.sysctls for scheduler in schedulers),
    )
    merged = {name: value for source in sources for name, value in source.items()}
    return {
        name: value
        for name, value in sorted(merged.items())
        if node.director or not name.startswith("net.ipv4.vs.")
    }


def _sloppy_tcp(schedulers: Iterable[Scheduler]) -> dict[str, str]:
    """Say what a director does with a TCP packet of no known session that is no SYN.

    Where all directors choose alike, the session may go on after a change of MASTER; where they do
    not, the packet is served where it arrived (Documentation/networking/ipvs-sysctl.rst).
    """
    return {"net.ipv4.vs.sloppy_tcp": "1" if any(s.consistent for s in schedulers) else "0"}


def _lines(lines: Iterable[str]) -> str:
    head = "# Written by selfbalance: change the description, not this file.\n"
    return head + "".join(f"{line}\n" for line in lines)
