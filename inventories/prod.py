"""An example to copy: three web servers behind one virtual address.

docs/description.md has every key. The same as TOML is example.toml, beside this file; use it so:
web = hosts("example.toml", ssh_user="root")
"""

from selfbalance import Check, Cluster, Node, Service, Vip
from selfbalance.inventory import hosts

web = hosts(
    Cluster(
        name="web",
        interface="bond0",
        nodes=[
            Node(name="web1", address="192.0.2.11"),
            Node(name="web2", address="192.0.2.12"),
            Node(name="web3", address="192.0.2.13"),
        ],
        vips=[Vip(address="192.0.2.10")],
        services=[
            Service(name="http", port=80, check=Check(kind="http", path="/health")),
            Service(name="https", port=443),
        ],
    ),
    ssh_user="root",
)
