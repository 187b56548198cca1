"""Hypothesis strategies: every cluster that the model and the built-in plugins allow."""

from __future__ import annotations

import os
from ipaddress import IPv4Address, IPv6Address

from hypothesis import settings
from hypothesis import strategies as st

from selfbalance import Cluster
from selfbalance.plugins.builtin.kernel_schedulers import SCHEDULERS

PASSWORD = "s3.sm%/:"
"""Eight characters, the oddest that a VRRP password may have."""

INTERFACES = ("eth0", "bond0", "eth0.100", "br_lan", "enx001122334455", "0", "A-b._")
"""Ordinary and odd, shortest to longest."""

# Words that mean something to keepalived, where a name of the description would stand.
_KEYWORDS = "all id inst weight on off yes no true false include interface 0 00 254 pass"
_EXTREMES = ("a", "a-b", "x" * 30, "a" + "-" * 28 + "z")


def steady(max_examples: int) -> settings:
    """The same examples in every run; `SELFBALANCE_RANDOM=1` looks for new ones."""
    fixed = os.environ.get("SELFBALANCE_RANDOM") != "1"
    return settings(
        max_examples=max_examples, derandomize=fixed, database=None, deadline=None, print_blob=True
    )


def names() -> st.SearchStrategy[str]:
    """Whatever the model takes for a name, with a taste for trouble."""
    return st.sampled_from((*_KEYWORDS.split(), *_EXTREMES)) | st.from_regex(
        r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?", fullmatch=True
    )


def interfaces() -> st.SearchStrategy[str]:
    """Whatever the model takes for an interface."""
    # lo, all and default are words of the kernel's own.
    return st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}", fullmatch=True).filter(
        lambda name: name not in {"lo", "all", "default"}
    )


def _v4() -> st.SearchStrategy[str]:
    ranges = [(0x0A000001, 0x0AFFFFFE), (0xC0000201, 0xC00002FE), (0x01000001, 0x7EFFFFFE)]
    pick = st.one_of(*(st.integers(low, high) for low, high in ranges))
    return pick.map(lambda number: str(IPv4Address(number)))


def _v6() -> st.SearchStrategy[str]:
    ranges = [
        (0x20010DB8 << 96, (0x20010DB8 << 96) + 0xFFFF),
        (0x2000 << 112, (0x4000 << 112) - 1),
        (0xFC00 << 112, (0xFE00 << 112) - 1),
    ]
    pick = st.one_of(*(st.integers(low, high) for low, high in ranges))
    return pick.map(lambda number: str(IPv6Address(number)))


def _checks() -> st.SearchStrategy[dict[str, object]]:
    ports = {"port": st.none() | st.integers(1, 65535)}
    tcp = st.fixed_dictionaries({}, optional=ports)
    http = st.fixed_dictionaries(
        {"kind": st.just("http")},
        optional={
            **ports,
            "path": st.from_regex(r"/[A-Za-z0-9._/%?=&+,:-]{0,200}", fullmatch=True),
            "host": st.from_regex(
                r"[A-Za-z0-9][A-Za-z0-9-]{0,62}(\.[A-Za-z0-9-]{1,1})?", fullmatch=True
            ).filter(lambda host: ".-" not in host),
            "status": st.integers(100, 599),
        },
    )
    return tcp | http


@st.composite
def _services(draw: st.DrawFn) -> list[dict[str, object]]:
    ports = draw(st.lists(st.integers(1, 65535), min_size=1, max_size=4, unique=True))
    named = draw(st.lists(names(), min_size=len(ports), max_size=len(ports), unique=True))
    services = []
    for name, port in zip(named, ports, strict=True):
        scheduler = draw(st.sampled_from(sorted(SCHEDULERS)))
        flags = draw(st.permutations(SCHEDULERS[scheduler].flags))
        count = draw(st.none() | st.integers(0, len(flags)))
        chosen = None if count is None else flags[:count]
        services.append(
            {
                "name": name,
                "port": port,
                "scheduler": scheduler,
                "scheduler_flags": chosen,
                "check": draw(_checks()),
            }
        )
    return services


@st.composite
def _nodes_and_vips(
    draw: st.DrawFn,
    families: set[int],
    wires: st.SearchStrategy[str],
    max_nodes: int,
    min_nodes: int,
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Nodes that have an address of each of the VIPs' families, some of them one more."""
    node_names = draw(st.lists(names(), min_size=min_nodes, max_size=max_nodes, unique=True))
    count = len(node_names)
    v4 = draw(st.lists(_v4(), min_size=count + 3, max_size=count + 3, unique=True))
    v6 = draw(st.lists(_v6(), min_size=count + 3, max_size=count + 3, unique=True))
    kinds = {frozenset({4}): ("4", "46"), frozenset({6}): ("6", "46")}.get(
        frozenset(families), ("46",)
    )
    nodes = []
    for index, name in enumerate(node_names):
        addresses = {
            "4": {"address": v4[index]},
            "6": {"address": v6[index]},
            "46": {"address": v4[index], "address6": v6[index]},
        }[draw(st.sampled_from(kinds))]
        wire = draw(st.none() | wires)
        nodes.append({"name": name, **addresses, **({"interface": wire} if wire else {})})
    spare = [*(v4[count:] if 4 in families else ()), *(v6[count:] if 6 in families else ())]
    chosen = draw(st.lists(st.sampled_from(spare), min_size=1, max_size=6, unique=True))
    missing = [spare[0]] if 4 in families and all(":" in vip for vip in chosen) else []
    return nodes, [{"address": vip} for vip in dict.fromkeys((*missing, *chosen))]


FOLDERS = ("/data", "/a", "/srv/.x/A_b", "/x-y/..z", "/" + "x" * 180)
"""Where a volume's folders may be, each with a name behind it."""


@st.composite
def _volumes(draw: st.DrawFn, node_names: list[str]) -> list[dict[str, object]]:
    """Volumes that these nodes share, three at least; each folder has a name of its own."""
    volumes: list[dict[str, object]] = []
    for name in draw(st.lists(names(), min_size=1, max_size=2, unique=True)):
        replica = draw(st.none() | st.integers(3, len(node_names)))
        holders = node_names[:replica]
        elsewhere = draw(st.lists(st.sampled_from(holders), max_size=2, unique=True))
        place = st.sampled_from(FOLDERS)
        volumes.append(
            {
                "name": name,
                "brick": f"{draw(place)}/brick-{len(volumes)}",
                "mount": f"{draw(place)}/mount-{len(volumes)}",
                "bricks": {node: f"{draw(place)}/own-{len(volumes)}" for node in elsewhere},
                "replica": replica,
                "arbiter": len(holders) == 3 and draw(st.booleans()),
                "options": draw(
                    st.dictionaries(
                        st.from_regex(r"storage\.[a-z][a-z0-9.-]{0,8}", fullmatch=True),
                        st.from_regex(r"[A-Za-z0-9._%:/,-]{1,9}", fullmatch=True),
                        max_size=2,
                    )
                ),
                "clients": draw(st.lists(_v4() | _v6(), max_size=2)),
                "on_root": draw(st.booleans()),
            }
        )
    return volumes


@st.composite
def descriptions(
    draw: st.DrawFn,
    wires: st.SearchStrategy[str] | None = None,
    max_nodes: int = 16,
    standby: str | None = None,
    *,
    volumes: bool = False,
) -> dict[str, object]:
    """What a description may say, as plain values: the same for code and for TOML.

    With `volumes`, one or two, and so three nodes or more, which all have IPv4.
    """
    wires = interfaces() if wires is None else wires
    families = draw(st.sampled_from(({4}, {4, 6}) if volumes else ({4}, {6}, {4, 6})))
    version = draw(st.sampled_from((2, 3))) if 4 in families else 3
    min_nodes = 3 if volumes else 1
    nodes, vips = draw(_nodes_and_vips(families, wires, max_nodes, min_nodes))
    vrids = draw(st.lists(st.integers(1, 255), min_size=7, max_size=7, unique=True))
    # Version 2 speaks IPv4 only: there, an instance of VIPs of IPv6 is refused.
    apart = standby == "source-mac" and (version == 3 or 6 not in families)
    for vip in vips if apart or len(vips) == 1 else ():
        if draw(st.booleans()):
            vip["vrid"] = vrids.pop()
    methods = ("dr",) if standby == "source-mac" else ("dr", "tun", "tun-gue")
    forwarding = draw(st.sampled_from(methods))
    for node in nodes[1:] if forwarding != "dr" else ():
        node["director"] = draw(st.booleans())
    vrrp: dict[str, object] = {
        "vrid": vrids.pop(),
        "version": version,
        "unicast": draw(st.booleans()),
    }
    if version == 2 and draw(st.booleans()):
        vrrp["password"] = "env:VRRP_PASSWORD"
    return {
        "name": draw(names()),
        "interface": draw(wires),
        "nodes": nodes,
        "vips": vips,
        "services": draw(_services()),
        "detection": "calm" if version == 2 else draw(st.sampled_from(("fast", "calm"))),
        "vrrp": vrrp,
        "standby": standby or draw(st.sampled_from(("backup-only", "snapshot"))),
        "forwarding": forwarding,
        **({"volumes": draw(_volumes([str(node["name"]) for node in nodes]))} if volumes else {}),
    }


def clusters(
    wires: st.SearchStrategy[str] | None = None,
    max_nodes: int = 16,
    standby: str | None = None,
    *,
    volumes: bool = False,
) -> st.SearchStrategy[Cluster]:
    """Every valid cluster, its interfaces among `wires` if given, its standby mode named or not."""
    return descriptions(wires, max_nodes, standby, volumes=volumes).map(
        lambda described: Cluster(**described)
    )


def secrets_of(cluster: Cluster) -> dict:
    """A value for every secret that the cluster names."""
    password = cluster.vrrp.password
    return {} if password is None else {password: PASSWORD}
