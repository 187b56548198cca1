"""What selfbalance makes of a description: desired nodes and their configuration, read back."""

from __future__ import annotations

from functools import lru_cache

from blocks import Block, parse
from clusters import secrets_of
from described_twice import cluster

from selfbalance.desired import DesiredNode, desire
from selfbalance.model import Cluster
from selfbalance.plugins import Plugins

PLUGINS = Plugins()
V2 = (("vrrp.version", 2), ("detection", "calm"))
V4 = ("vips", [{"address": "192.0.2.10"}])
SIXTEEN = [
    {"name": f"web{n}", "address": f"192.0.2.{n + 10}", "address6": f"2001:db8::{n + 10}"}
    for n in range(1, 17)
]
SIXES = [{"name": f"web{n}", "address": f"2001:db8::1{n}"} for n in (1, 2, 3)]
HTTP = {"kind": "http", "path": "/health?a=%20", "host": "www.example.org", "status": 204}

CASES: dict[str, Cluster] = {
    "three nodes": cluster(V4),
    "both families": cluster(),
    "IPv6 only": cluster(("nodes", SIXES), ("vips", [{"address": "2001:db8::10"}])),
    "one node": cluster(("nodes", SIXTEEN[:1])),
    "sixteen nodes": cluster(("nodes", SIXTEEN), ("vips.0.address", "192.0.2.200")),
    "calm": cluster(("detection", "calm")),
    "version 2": cluster(*V2),
    "version 2 with a password": cluster(*V2, ("vrrp.password", "env:VRRP_PASSWORD")),
    "http": cluster(("services.0.check", HTTP)),
    "multicast": cluster(("vrrp.unicast", False)),
    "own interface": cluster(("nodes.1.interface", "eth1")),
    "wrr": cluster(("services.0.scheduler", "wrr"), ("services.1.scheduler", "sh")),
    "snapshot": cluster(("standby", "snapshot")),
    "no flags": cluster(("services.0.scheduler_flags", [])),
}
ACTIVE = cluster(
    ("standby", "source-mac"),
    ("services.1.scheduler", "wrr"),
    ("vips", [{"address": "192.0.2.10"}, {"address": "2001:db8::10", "vrid": 52}]),
)
"""Two VIPs that may have two MASTERs; `CASES` are clusters of one VRRP instance."""


@lru_cache(maxsize=len(CASES))
def made(described: Cluster) -> dict[str, DesiredNode]:
    """What each node must have; the cases are asked for often."""
    return made_afresh(described)


def made_afresh(described: Cluster) -> dict[str, DesiredNode]:
    """What each node must have, worked out again."""
    PLUGINS.check(described, "prod.toml")
    return desire(described, PLUGINS, secrets_of(described))


def conf(described: Cluster, name: str = "web1") -> Block:
    """A node's keepalived.conf."""
    return parse(made(described)[name].config.content)
