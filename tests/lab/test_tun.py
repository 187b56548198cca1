"""Forwarding `tun` on real nodes, one of them behind a router: two networks, one cluster."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from deployed import VIP, VIP6, Site, problems
from measured import measure

from selfbalance.lab import Lab, LabError

FAR = "web3"
BODY = 300_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two directors and, behind a router, a node that only serves.

    SELFBALANCE_TEST_ROUTED_LAB names a running lab (`lab up --far 1`) to use and to leave running.
    """
    running = os.environ.get("SELFBALANCE_TEST_ROUTED_LAB")
    try:
        lab = Lab.running(running) if running else Lab.up(name="routed", far=1, fresh=True)
    except LabError as error:
        if os.environ.get("SELFBALANCE_REQUIRE_LAB"):
            raise
        pytest.skip(f"no lab here: {error}")
    try:
        site = Site(lab, tmp_path_factory.mktemp("site"))
        site.described = f"detection='calm', forwarding='tun', {_vips(VIP)}"
        site.deploy()
        yield site
    finally:
        if not running:
            lab.down()


@pytest.fixture(autouse=True)
def _well(site: Site) -> None:
    """Put right what the test before has harmed."""
    site.heal()


def _vips(*addresses: str) -> str:
    return f"vips=[{', '.join(f'Vip(address={address!r})' for address in addresses)}]"


def _upload(site: Site, times: int = 24, host: str = VIP) -> Counter[str]:
    """Upload so often, each on a connection of its own; count who took all of it."""
    curl = ("curl", "-s", "-m", "10", "-H", "Expect:", "--data-binary", "@-")
    answers = [
        site.lab.client([*curl, f"http://{host}/upload"], input="x" * BODY).stdout.split()
        for _ in range(times)
    ]
    return Counter(answer[0] for answer in answers if answer and int(answer[1]) > BODY)


def _counter(site: Site, node: str, name: str) -> int:
    """Return a counter of the node's kernel (nstat(8)) since it booted."""
    said = site.lab.run(node, f"nstat -asz {name}").stdout
    return int(said.split()[-2])


def _icmp_heard(site: Site) -> int:
    """Return how many messages by ICMP, or "too big" by ICMPv6, the client has received."""
    said = site.lab.client(["cat", "/proc/net/snmp", "/proc/net/snmp6"]).stdout
    _, values = (line.split() for line in said.splitlines() if line.startswith("Icmp:"))
    (too_big,) = (line.split() for line in said.splitlines() if "Icmp6InPktTooBigs" in line)
    return int(values[1]) + int(too_big[1])


def test_every_node_answers_through_the_vip_also_the_one_behind_the_router(site: Site) -> None:
    shares = Counter(probe.node for probe in site.lab.requests(f"http://{VIP}/", 150) if probe.ok)
    assert shares.total() == 150
    assert shares.keys() == {"web1", "web2", FAR}
    rows = {row["node"]: row for row in site.status()["nodes"]}
    assert (rows[FAR]["role"], rows[FAR]["weight"]) == ("realserver", 1)


def test_uploads_need_no_icmp_and_fit_into_the_tunnel(site: Site) -> None:
    fragments, icmp = _counter(site, FAR, "IpReasmReqds"), _icmp_heard(site)
    served = _upload(site)
    assert served.total() == 24
    assert served[FAR] >= 1
    assert _counter(site, FAR, "IpReasmReqds") == fragments
    assert _icmp_heard(site) == icmp


def test_uploads_that_do_not_fit_go_in_fragments_and_status_says_why(site: Site) -> None:
    """As with a client, or a filter on its way, that does not heed what it is told."""
    site.lab.run(FAR, f"tc filter del dev {site.lab.interface} egress pref 55")
    fragments, icmp = _counter(site, FAR, "IpReasmReqds"), _icmp_heard(site)
    served = _upload(site)
    assert served.total() == 24
    assert served[FAR] >= 1
    # Two for each segment; not all are full.
    assert _counter(site, FAR, "IpReasmReqds") - fragments >= served[FAR] * BODY / 1460
    assert _icmp_heard(site) == icmp
    said = f"{FAR}: the segment size for clients of {VIP} is not rewritten; it should be 1440"
    assert problems(site.status()) == [said]
    site.lab.run(FAR, "systemctl restart selfbalance-vip")
    assert problems(site.status()) == []


def test_a_backup_unwraps_and_does_not_balance_again(site: Site) -> None:
    (backup,) = set(site.backups()) - {FAR}
    site.lab.run(backup, "ipvsadm --zero")
    before = _tunnelled(site, backup)
    probes = site.lab.requests(f"http://{VIP}/", 90)
    served = [probe for probe in probes if probe.node == backup]
    assert all(probe.ok for probe in probes)
    assert len(served) >= 10
    assert _tunnelled(site, backup) - before >= 3 * len(served)
    stats = site.lab.run(backup, "ipvsadm --list --numeric --stats").stdout
    (service,) = (line.split() for line in stats.splitlines() if line.startswith("TCP"))
    assert service[3] == "0", stats


def _tunnelled(site: Site, node: str) -> int:
    return int(site.lab.run(node, "cat /sys/class/net/tunl0/statistics/rx_packets").stdout)


def test_a_far_node_that_answers_no_tunnel_is_found(site: Site) -> None:
    site.lab.run(FAR, "sysctl -qw net.ipv4.conf.tunl0.rp_filter=1")
    said = problems(site.status())
    site.lab.run(FAR, "sysctl -qw net.ipv4.conf.tunl0.rp_filter=2")
    assert f"{FAR} does not answer for {VIP}:80 what {site.master()} sends it" in said


def test_a_stop_of_the_master_loses_nothing(site: Site) -> None:
    master = site.master()
    measure(
        site,
        lambda: site.lab.run(master, "systemctl stop keepalived"),
        "tun: systemctl stop keepalived on the MASTER",
    ).assert_nothing_lost()
    assert site.master() != master
    site.lab.run(master, "systemctl start keepalived")
    site.wait_until_healthy()


def test_a_far_node_that_dies_has_weight_0_and_comes_back(site: Site) -> None:
    site.lab.power_off(FAR)
    time.sleep(2)
    probes = site.lab.requests(f"http://{VIP}/", 60)
    assert {(probe.ok, probe.node == FAR) for probe in probes} == {(True, False)}
    said = problems(site.status())
    (weight,) = (each for each in said if "weight 0" in each)
    assert weight == f"{FAR} has weight 0 for {VIP}:80 on web1 and web2: its check fails"
    site.lab.power_on(FAR)
    site.wait_until_healthy()
    assert FAR in {probe.node for probe in site.lab.requests(f"http://{VIP}/", 60) if probe.ok}


def test_power_loss_of_the_master(site: Site) -> None:
    master = site.master()
    measured = measure(site, lambda: site.lab.power_off(master), "tun: power loss of the MASTER")
    survivors = [s for s in measured.report.sessions if s.node != master]
    assert [s for s in survivors if s.outcome != "alive"] == []
    assert {s.node for s in survivors} == {"web1", "web2", FAR} - {master}
    assert measured.last_failure_s <= 1.5


def test_gue_and_ipv6_take_over_on_a_live_cluster(site: Site) -> None:
    """Last in this module: the cluster stays so."""
    site.described = f"detection='calm', forwarding='tun-gue', {_vips(VIP, VIP6)}"
    site.deploy()
    fragments, icmp = _counter(site, FAR, "IpReasmReqds"), _icmp_heard(site)
    for host in (VIP, f"[{VIP6}]"):
        served = _upload(site, host=host)
        assert (served.total(), served[FAR] >= 1) == (24, True), host
    assert _counter(site, FAR, "IpReasmReqds") == fragments
    assert _icmp_heard(site) == icmp
    said = site.lab.run(site.master(), "ipvsadm --save --numeric").stdout
    assert said.count("--tun-type gue --tun-port 6080") == 6
