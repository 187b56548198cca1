"""Where packets are tunnelled: what unwraps them, and what a node has that only serves."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from blocks import Block, parse
from described_twice import cluster
from made import made

from selfbalance.desired import places
from selfbalance.model import Cluster

FAR = {
    "name": "web3",
    "address": "198.51.100.13",
    "address6": "2001:db8:5c::13",
    "director": False,
}
V4 = ("vips", [{"address": "192.0.2.10"}])
V6 = ("vips", [{"address": "2001:db8::10"}])


def routed(*changes: tuple[str, object], method: str = "tun") -> Cluster:
    """Three nodes, the last one behind a router."""
    return cluster(("forwarding", method), ("nodes.2", FAR), *changes)


def conf(described: Cluster, name: str) -> Block:
    return parse(made(described)[name].config.content)


def lines(described: Cluster, path: str, name: str) -> list[str]:
    (text,) = (file.content for file in made(described)[name].all_files if file.path == path)
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_a_node_that_only_serves_tells_directors_that_it_lives_and_nothing_else():
    far = conf(routed(V4), "web3")

    assert [" ".join(block.words) for block in far.inside] == [
        "global_defs",
        "bfd_instance web1",
        "bfd_instance web2",
    ]
    assert far.one("global_defs").meaning == {
        "router_id": "web3",
        "enable_script_security": "",
        "script_user": "root",
        "bfd_priority": "-20",
    }
    assert far.one("bfd_instance", "web1").meaning == {
        "source_ip": "198.51.100.13",
        "neighbor_ip": "192.0.2.11",
        "min_rx": "100",
        "min_tx": "100",
        "idle_tx": "1000",
        "multiplier": "3",
        "max_hops": "255",
    }


def test_bfd_of_ipv6_starts_with_as_many_hops_as_may_be_counted_down():
    far = {"name": "web3", "address": FAR["address6"], "director": False}
    near = {"name": "web1", "address": "2001:db8::11"}
    described = cluster(V6, ("nodes", [near, far]), ("forwarding", "tun"))

    bfd = conf(described, "web1").one("bfd_instance", "web3")

    assert (bfd.get("max_hops"), bfd.get("hoplimit")) == ("255", "255")


def test_two_nodes_that_only_serve_do_not_watch_each_other():
    described = routed(V4, ("nodes.1.director", False))

    assert [b.words[1] for b in conf(described, "web3").all("bfd_instance")] == ["web1"]
    assert [b.words[1] for b in conf(described, "web1").all("bfd_instance")] == ["web2", "web3"]


def test_who_only_serves_is_drained_by_the_directors_and_drains_nobody():
    described = routed(V4)

    drained = {
        name: [
            b.get("file")
            for b in conf(described, name).all("track_file")
            if "drained" in b.words[1]
        ]
        for name in ("web1", "web2", "web3")
    }

    everybody = [places.drained(node.name) for node in described.nodes]
    assert drained == {"web1": everybody, "web2": everybody, "web3": []}
    assert not conf(described, "web3").anywhere("FILE_CHECK")


def test_a_director_tunnels_to_all_and_speaks_vrrp_to_directors_only():
    web1 = conf(routed(V4), "web1")
    service = web1.one("virtual_server", "192.0.2.10", "80")

    assert service.get("lvs_method") == "TUN"
    assert [real.words[1] for real in service.all("real_server")] == [
        "192.0.2.11",
        "192.0.2.12",
        "198.51.100.13",
    ]
    assert web1.one("vrrp_instance").one("unicast_peer").meaning == {"192.0.2.12": ""}
    hops = {b.words[1]: bool(b.all("max_hops")) for b in web1.all("bfd_instance")}
    assert hops == {"web2": False, "web3": True}


def test_gue_is_a_word_of_the_method():
    web1 = conf(routed(V4, method="tun-gue"), "web1")

    assert {s.get("lvs_method") for s in web1.all("virtual_server")} == {"TUN type gue port 6080"}


MODULES = [
    ("tun", V4, ("ipip", "act_pedit", "act_csum")),
    ("tun", V6, ("ipip", "act_pedit", "act_csum", "ip6_tunnel")),
    ("tun-gue", V4, ("ipip", "act_pedit", "act_csum", "fou")),
    ("tun-gue", V6, ("ipip", "act_pedit", "act_csum", "ip6_tunnel", "fou6")),
]


@pytest.mark.parametrize(("method", "vips", "modules"), MODULES)
def test_modules_are_those_of_the_vips_families(method, vips, modules):
    nodes = made(routed(vips, method=method))

    assert nodes["web3"].modules == modules
    assert nodes["web1"].modules == ("ip_vs", "ip_vs_mh", *modules)


def test_a_node_that_only_serves_has_no_ipvs_and_nothing_beside_vrrp():
    node = made(routed())["web3"]

    assert not node.director
    assert not node.sync_daemon
    assert (node.peers, node.tunnelled) == ({}, {})
    assert node.units == ("selfbalance-vip.service", "keepalived.service")
    assert {file.path for file in node.all_files} == {
        places.MODULES,
        places.SYSCTLS,
        places.VIP_UNIT,
        places.DROP_IN,
        places.DESCRIPTION,
        places.CONFIG,
    }
    assert node.sysctls == {
        "net.ipv4.conf.all.arp_announce": "2",
        "net.ipv4.conf.all.arp_ignore": "1",
        "net.ipv4.conf.tunl0.rp_filter": "2",
    }
    drop_in = lines(routed(), places.DROP_IN, "web3")
    assert not [line for line in drop_in if line.startswith("Exec")]
    assert "After=selfbalance-vip.service" in drop_in


def test_where_tables_lie_apart_a_node_that_only_serves_has_none():
    described = routed(V4, ("standby", "snapshot"))
    nodes = made(described)

    assert [node.apart for node in nodes.values()] == [True, True, False]
    assert nodes["web3"].units == ("selfbalance-vip.service", "keepalived.service")
    assert not {places.WATCH, places.WATCH_UNIT, places.GUARD} & {
        f.path for f in nodes["web3"].files
    }
    assert "net_namespace_ipvs" not in nodes["web3"].config.content
    assert "net_namespace_ipvs selfbalance\n" in nodes["web1"].config.content
    table = [line for line in lines(described, places.WATCH, "web1") if line.startswith("-a ")]
    assert "-a -t 192.0.2.10:80 -r 198.51.100.13:80 -i --tun-type ipip -w 1" in table


def test_a_director_asks_by_frames_and_in_tunnels():
    node = made(routed())["web1"]

    assert node.peers == {"web2": ip_address("192.0.2.12")}
    assert {name: list(map(str, some)) for name, some in node.tunnelled.items()} == {
        "web2": ["192.0.2.12", "2001:db8::12"],
        "web3": ["198.51.100.13", "2001:db8:5c::13"],
    }
    assert node.sysctls["net.ipv4.vs.pmtu_disc"] == "0"
    assert node.sysctls["net.ipv4.vs.ignore_tunneled"] == "1"


@pytest.mark.parametrize(("method", "sizes"), [("tun", (1440, 1400)), ("tun-gue", (1428, 1388))])
def test_segments_leave_room_for_the_tunnel(method, sizes):
    node = made(routed(method=method))["web1"]

    assert tuple(node.segment(vip, 1500) for vip in node.vips) == sizes
    assert made(cluster())["web1"].segment(node.vips[0], 1500) is None


def test_tunnels_are_up_before_the_vips_stand_on_them():
    unit = lines(routed(method="tun-gue"), places.VIP_UNIT, "web3")
    acts = [line.removeprefix("ExecStart=") for line in unit if line.startswith("ExecStart=")]

    assert acts[:6] == [
        "-/bin/ip fou add port 6080 gue",
        "-/bin/ip -6 fou add port 6080 gue",
        "/bin/ip link set tunl0 up",
        "/bin/ip link set ip6tnl0 up",
        "/bin/ip addr replace 192.0.2.10/32 dev tunl0 scope host",
        "/bin/ip -6 addr replace 2001:db8::10/128 dev tunl0 nodad preferred_lft 0",
    ]
    assert "offset 42 u16 set $$((mtu - 72)) pipe action csum tcp" in acts[-2]
    assert "offset 62 u16 set $$((mtu - 112)) pipe action csum tcp" in acts[-1]
