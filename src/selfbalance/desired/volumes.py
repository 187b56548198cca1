"""What a node must have for the volumes that it shares with the others."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from selfbalance.desired import places, rendering
from selfbalance.desired.node import DesiredVolume, File
from selfbalance.model import Cluster, Node, Volume

MODULE = "fuse"
"""The kernel's part in a mount."""

DEFAULTS: Mapping[str, str] = {
    # A node that lost power holds every write back for so long, and twice at worst; gluster's own
    # 42 s would outlast any client of the web server. Volume options of gluster, rpc/client.
    "network.ping-timeout": "10",
    # Unless a brick comes back, the self-heal daemon looks at what is missing that often only:
    # gluster's own 600 s, after a full disk has room again, are a long time with one copy less.
    "cluster.heal-timeout": "60",
}
"""Options that a volume has unless the description says otherwise."""


def desired_volumes(cluster: Cluster, node: Node) -> tuple[DesiredVolume, ...]:
    """Return the volumes, in the order of the description."""
    return tuple(_desired_volume(cluster, node, volume) for volume in cluster.volumes)


def _desired_volume(cluster: Cluster, node: Node, volume: Volume) -> DesiredVolume:
    holders = cluster.holders_of(volume)
    return DesiredVolume(
        name=volume.name,
        mount=volume.mount,
        mount_unit=volume.mount_unit,
        brick=volume.brick_on(node.name) if node in holders else None,
        bricks=tuple(f"{each.address}:{volume.brick_on(each.name)}" for each in holders),
        arbiter=volume.arbiter,
        options={**DEFAULTS, **volume.options, **_access(cluster, volume)},
        on_root=volume.on_root,
    )


def _access(cluster: Cluster, volume: Volume) -> dict[str, str]:
    """Say who may mount: the nodes, by whichever address a mount on a node itself has."""
    own = [IPv4Address("127.0.0.1"), *(node.address for node in cluster.nodes)]
    return {"auth.allow": ",".join(str(address) for address in (*own, *volume.clients))}


def pool(cluster: Cluster) -> dict[str, str]:
    """Return the address of each node by which gluster knows it; empty where there is no volume."""
    return {node.name: str(node.address) for node in cluster.nodes} if cluster.volumes else {}


def mount_files(cluster: Cluster, node: Node) -> tuple[File, ...]:
    """Return the units that mount the volumes on a node."""
    others = [peer.address for peer in cluster.peers_of(node)]
    return tuple(
        File(
            f"{places.UNITS}/{volume.mount_unit}",
            rendering.mount_unit(cluster, volume, others),
            0o644,
        )
        for volume in cluster.volumes
    )
