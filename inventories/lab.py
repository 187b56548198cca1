"""The cluster of the lab: as many nodes as `selfbalance lab up` has booted; far ones only serve."""

from selfbalance import Cluster, Node, Service, Vip
from selfbalance.inventory import hosts
from selfbalance.lab import Lab

_lab = Lab.running()

web = hosts(
    Cluster(
        name="web",
        interface=_lab.interface,
        nodes=[
            Node(name=node.name, address=node.address, director=not node.far) for node in _lab.nodes
        ],
        forwarding="tun" if any(node.far for node in _lab.nodes) else "dr",
        vips=[Vip(address="192.0.2.10")],
        services=[Service(name="http", port=80)],
    ),
    ssh_user="root",
    ssh_config_file=str(_lab.ssh_config),
)
