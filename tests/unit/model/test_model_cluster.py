"""What a cluster knows of itself, that it cannot change, and that TOML and code mean the same."""

from __future__ import annotations

import json
from ipaddress import ip_address

import pytest
from clusters import descriptions, steady
from described_twice import changed, cluster, toml
from hypothesis import given
from pydantic import ValidationError

from selfbalance.model import (
    Check,
    Cluster,
    Node,
    Secret,
    Service,
    Vip,
    VrrpInstance,
    VrrpOptions,
    from_toml,
)
from selfbalance.model.standing import Standing

V2 = (("vrrp.version", 2), ("detection", "calm"))


@steady(30)
@given(
    descriptions(max_nodes=5)
    | descriptions(max_nodes=5, standby="source-mac")
    | descriptions(max_nodes=5, volumes=True)
)
def test_toml_and_code_describe_the_same_cluster(description):
    assert from_toml(toml(description), "prod.toml") == Cluster(**description)


def test_a_short_description_says_what_the_long_one_says():
    short = Cluster(
        name="web",
        interface="bond0",
        nodes=[Node(name="web1", address="192.0.2.11")],
        vips=[Vip(address="192.0.2.10")],
        services=[Service(name="http", port=80)],
    )
    long = Cluster(
        name="web",
        interface="bond0",
        nodes=[Node(name="web1", address="192.0.2.11", address6=None, interface=None)],
        vips=[Vip(address="192.0.2.10", vrid=None)],
        services=[
            Service(
                name="http",
                port=80,
                protocol="tcp",
                scheduler="mh",
                scheduler_flags=None,
                check=Check(kind="tcp", port=None),
            )
        ],
        detection="fast",
        vrrp=VrrpOptions(vrid=51, version=3, password=None, unicast=True),
        forwarding="dr",
        standby="backup-only",
        snapshots="local",
        volumes=[],
    )

    assert short == long
    assert hash(short) == hash(long)


FROZEN = [
    (cluster(), "name"),
    (cluster(), "new"),
    (cluster().nodes[0], "address"),
    (cluster().vips[0], "vrid"),
    (cluster().services[0], "port"),
    (cluster().services[0].check, "kind"),
    (cluster().vrrp, "password"),
]


@pytest.mark.parametrize(("part", "key"), FROZEN)
def test_no_part_changes_after_it_was_validated(part, key):
    with pytest.raises(ValidationError, match="frozen"):
        setattr(part, key, 1)


def test_lists_are_taken_over_not_shared():
    nodes = [Node(name="web1", address="192.0.2.11", address6="2001:db8::11")]
    described = Cluster(**{**changed(), "nodes": nodes})

    nodes.append(Node(name="web2", address="192.0.2.12"))

    assert [node.name for node in described.nodes] == ["web1"]


@pytest.mark.parametrize("reference", ["env:VRRP_PASSWORD", "file:/etc/vrrp", "file:a b/c.txt"])
def test_a_secret_is_written_as_its_reference_only(reference):
    described = cluster(*V2, ("vrrp.password", reference))

    assert described.vrrp.password == Secret(reference)
    assert str(described.vrrp.password) == reference
    assert described.to_json()["vrrp"]["password"] == reference
    assert f"Secret('{reference}')" in repr(described)
    assert json.loads(json.dumps(described.to_json())) == described.to_json()


def test_secrets_are_equal_by_reference():
    assert Secret("env:A") == Secret("env:A")
    assert hash(Secret("env:A")) == hash(Secret("env:A"))
    assert Secret("env:A") != Secret("env:B")
    assert Secret("env:A") != Secret("file:A")
    assert Secret("env:A") != "env:A"


def test_to_json_says_addresses_as_text():
    described = cluster().to_json()

    assert described["vips"] == [
        {"address": "192.0.2.10", "vrid": None},
        {"address": "2001:db8::10", "vrid": None},
    ]
    assert described["nodes"][0]["address6"] == "2001:db8::11"


INSTANCES = [
    # vips, (name, vrid, vips, family) of each instance
    ([("192.0.2.10", None)], [("web", 51, ["192.0.2.10"], 4)]),
    ([("2001:db8::10", None)], [("web", 51, ["2001:db8::10"], 6)]),
    (
        [("2001:db8::10", None), ("192.0.2.10", None)],
        [("web", 51, ["2001:db8::10", "192.0.2.10"], 4)],
    ),
    ([("192.0.2.10", 7)], [("web-7", 7, ["192.0.2.10"], 4)]),
    (
        [("192.0.2.10", 7), ("192.0.2.20", None), ("2001:db8::10", 8), ("192.0.2.30", None)],
        [
            ("web", 51, ["192.0.2.20", "192.0.2.30"], 4),
            ("web-7", 7, ["192.0.2.10"], 4),
            ("web-8", 8, ["2001:db8::10"], 6),
        ],
    ),
]


@pytest.mark.parametrize(("vips", "instances"), INSTANCES)
def test_vips_without_a_vrid_move_together(vips, instances):
    described = cluster(("vips", [{"address": a, "vrid": vrid} for a, vrid in vips]))

    assert [
        (i.name, i.vrid, list(map(str, i.vips)), i.family) for i in described.instances
    ] == instances


def test_a_node_is_found_by_name_and_knows_its_peers():
    described = cluster(("nodes.1.interface", "eth9"))
    web2 = described.node("web2")

    assert web2 is described.nodes[1]
    assert [peer.name for peer in described.peers_of(web2)] == ["web1", "web3"]
    assert [described.interface_of(node) for node in described.nodes] == ["bond0", "eth9", "bond0"]
    with pytest.raises(KeyError):
        described.node("web4")


ADDRESSES = [
    (Node(name="a", address="192.0.2.1"), "192.0.2.1", None),
    (Node(name="a", address="2001:db8::1"), None, "2001:db8::1"),
    (Node(name="a", address="192.0.2.1", address6="2001:db8::1"), "192.0.2.1", "2001:db8::1"),
]


@pytest.mark.parametrize(("node", "ipv4", "ipv6"), ADDRESSES)
def test_a_node_has_an_address_of_each_family_or_none(node, ipv4, ipv6):
    assert node.address_of(4) == (ip_address(ipv4) if ipv4 else None)
    assert node.address_of(6) == (ip_address(ipv6) if ipv6 else None)


@pytest.mark.parametrize(("profile", "takeover_s"), [("fast", 0.4), ("calm", 1.2)])
def test_profiles_keep_what_the_house_promises(profile, takeover_s):
    timers = cluster(("detection", profile)).timers

    assert timers.takeover_s == pytest.approx(takeover_s)
    assert timers.bfd_interval_ms * timers.bfd_multiplier <= timers.takeover_s * 1000
    assert timers.check_timeout_s <= timers.check_interval_s


APART = [{"address": f"192.0.2.{n}", "vrid": n} for n in range(100, 105)]


def ranks(described: Cluster) -> list[list[str]]:
    """Node names, highest priority first, for each VRRP instance."""
    return [
        sorted((n.name for n in described.nodes), key=lambda n: -_priority(described, n, instance))
        for instance in described.instances
    ]


def _priority(described: Cluster, name: str, instance: VrrpInstance) -> int:
    return described.priority_of(described.node(name), instance)


def test_each_instance_begins_with_another_node_and_goes_on_in_order():
    assert ranks(cluster(("vips", APART))) == [
        ["web1", "web2", "web3"],
        ["web2", "web1", "web3"],
        ["web3", "web1", "web2"],
        ["web1", "web2", "web3"],
        ["web2", "web1", "web3"],
    ]


def test_nodes_that_only_serve_come_after_all_directors_and_lead_no_instance():
    far = ("nodes.0.director", False)
    assert ranks(cluster(("vips", APART[:3]), far, ("forwarding", "tun"))) == [
        ["web2", "web3", "web1"],
        ["web3", "web2", "web1"],
        ["web2", "web3", "web1"],
    ]


def test_the_shared_instance_is_the_first():
    described = cluster(("vips", [*APART[:1], {"address": "192.0.2.10"}]))

    assert [each.name for each in described.instances] == ["web", "web-100"]
    assert described.instance_of(ip_address("192.0.2.100")) == described.instances[1]
    assert described.instance_of(ip_address("192.0.2.10")) == described.instances[0]


def test_without_an_instance_it_is_the_first():
    described = cluster(("vips", APART))
    for node in described.nodes:
        first = described.instances[0]
        assert described.priority_of(node) == described.priority_of(node, first)
        for standing in Standing:
            assert described.demotion_of(node, standing) == described.demotion_of(
                node, standing, first
            )


@steady(30)
@given(descriptions(standby="source-mac"))
def test_priorities_of_an_instance_are_distinct_in_every_standing(description):
    described = Cluster(**description)
    for instance in described.instances:
        effective = {
            described.priority_of(node, instance) - described.demotion_of(node, each, instance)
            for node in described.nodes
            for each in Standing
        }
        assert len(effective) == len(described.nodes) * len(Standing)
        assert min(effective) >= 1


@steady(30)
@given(descriptions(standby="source-mac", max_nodes=15))
def test_a_node_that_comes_last_changes_no_priority_where_no_node_leads_two_instances(description):
    more = {"name": "one-more", "address": "203.0.113.1", "address6": "2001:db8:ffff::1"}
    before = Cluster(**description)
    after = Cluster(**{**description, "nodes": [*description["nodes"], more]})
    for at, instance in enumerate(before.instances):
        if at < len(before.nodes):
            assert ranks(after)[at] == [*ranks(before)[at], "one-more"]
            for node in before.nodes:
                assert before.priority_of(node, instance) == after.priority_of(node, instance)
