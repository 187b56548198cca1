"""Standby source-mac on real nodes: two MASTERs at work, and what a changed MAC does."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from deployed import VIP, VIP6, Site, problems

from selfbalance.lab.model import HUB_HOST, address

WITH_IPTABLES = "web1"
STRANGER = "02:5b:00:00:00:99"
DESCRIBED = (
    "detection='calm', standby='source-mac', "
    f"vips=[Vip(address='{VIP}'), Vip(address='{VIP6}', vrid=52)], "
    # wrr: a packet that is balanced twice goes elsewhere the second time, as it would not with mh.
    "services=[Service(name='http', port=80, scheduler='wrr')]"
)


@pytest.fixture(scope="module")
def active(site: Site) -> Iterator[Site]:
    """Two VIPs of two VRRP instances; one node has iptables, the others have tc only."""
    site.lab.run(
        WITH_IPTABLES,
        "command -v iptables-legacy || "
        "{ apt-get update && apt-get install -qy --no-install-recommends iptables; } 2>&1",
    )
    with site.well(DESCRIBED):
        yield site


def masters(site: Site) -> dict[str, str]:
    """Return who holds each VIP on its network interface, asking the nodes themselves."""
    said = {
        node: site.lab.run(node, f"ip -o addr show {site.lab.interface}").stdout
        for node in site.powered()
    }
    holders = {vip: [n for n, text in said.items() if f" {vip}/" in text] for vip in (VIP, VIP6)}
    return {vip: " and ".join(nodes) for vip, nodes in holders.items()}


def give(site: Site, vip: str, node: str) -> None:
    """Hand a VIP over to a node, as an operator does, and wait until it has it."""
    instance = {VIP: "web", VIP6: "web-52"}[vip]
    site.lab.run(node, f"/etc/keepalived/selfbalance-guard serving {instance}")
    eventually(lambda: masters(site)[vip] == node)


def apart(site: Site) -> None:
    """Let web1 be MASTER of the one VIP and web2 of the other."""
    give(site, VIP, "web1")
    give(site, VIP6, "web2")


def eventually(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def loops(site: Site) -> list[str]:
    """How often each node met a packet at its last hop: two directors that send it to and fro."""
    look = "nstat --ignore --zeros --noupdate IcmpOutTimeExcds Icmp6OutTimeExcds | tail -n 2"
    return [site.lab.run(node, look).stdout for node in site.powered()]


def assert_everybody_answers(site: Site) -> None:
    for url in (f"http://{VIP}/", f"http://[{VIP6}]/"):
        probes = site.lab.requests(url, count=60)
        assert Counter(probe.ok for probe in probes) == {True: 60}, url
        assert {probe.node for probe in probes} == {node.name for node in site.lab.nodes}, url


def test_two_masters_balance_at_once_and_nothing_loops(active: Site) -> None:
    apart(active)
    before = loops(active)
    assert_everybody_answers(active)
    assert loops(active) == before
    status = active.wait_until_healthy()
    assert [row["vips"] for row in status["nodes"]] == [[VIP], [VIP6], []]
    assert "clients marked by iptables-legacy and tc" in status["checks"]["kernel"]["seen"]


def test_a_stop_hands_over_every_vip_that_the_node_has(active: Site) -> None:
    apart(active)
    active.lab.run("web2", "systemctl stop keepalived")
    assert masters(active) == {VIP: "web1", VIP6: "web1"}
    active.lab.run("web2", "systemctl start keepalived")
    active.wait_until_healthy()
    active.lab.run("web1", "systemctl stop keepalived")
    assert set(masters(active).values()) <= {"web2", "web3"}
    probes = active.lab.requests(f"http://[{VIP6}]/", count=60)
    assert Counter((probe.ok, probe.node) for probe in probes).keys() == {
        (True, "web2"),
        (True, "web3"),
    }
    active.lab.run("web1", "systemctl start keepalived")
    active.wait_until_healthy()


def test_a_changed_mac_is_named_and_put_right_on_the_others(active: Site) -> None:
    apart(active)
    node = next(node for node in active.lab.nodes if node.name == "web3")
    was = active.lab.run(
        "web3", f"cat /sys/class/net/{active.lab.interface}/address"
    ).stdout.strip()
    for mac, other in ((STRANGER, was), (was, STRANGER)):
        _change_mac(active, "web3", mac, node.address6)
        said = problems(active.status())
        for peer in ("web1", "web2"):
            assert any(
                f"{peer} takes web3 for a client: it does not know that its MAC is {mac}, "
                f"not {other}" in line
                for line in said
            ), said
        run = active.deploy()
        assert "restart keepalived" not in run.text
    assert_everybody_answers(active)


def _change_mac(site: Site, name: str, mac: str, address6: str) -> None:
    """Give a node another MAC. Its link goes down for that, and with it what IPv6 it has.

    It asks the hub, where ssh comes from, something: so the hub hears of the new MAC at once.
    """
    interface = site.lab.interface
    act = (
        f"ip link set dev {interface} down; ip link set dev {interface} address {mac}; "
        f"ip link set dev {interface} up; ip addr replace {address6}/64 dev {interface} nodad; "
        f"ping -c 3 -W 1 {address(HUB_HOST)}"
    )
    site.lab.run(name, f"setsid sh -c 'sleep 0.2; {act}' >/dev/null 2>&1 </dev/null &")
    time.sleep(1)
    look = f"cat /sys/class/net/{interface}/address"
    eventually(lambda: site.lab.run(name, look, check=False).stdout.strip() == mac)


def test_marks_that_somebody_flushed_turn_nobody_away(active: Site) -> None:
    apart(active)
    active.lab.run("web1", "iptables-legacy -t mangle -F")
    assert any(
        "web1: what comes from clients is not marked" in line for line in problems(active.status())
    )
    probes = active.lab.requests(f"http://{VIP}/", count=30)
    assert {(probe.ok, probe.node) for probe in probes} == {(True, "web1")}
    active.deploy()
    assert_everybody_answers(active)
