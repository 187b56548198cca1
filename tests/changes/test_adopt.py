"""A live cluster of the 2013 design is shown as what it is, taken over, and loses no request."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import VIP, Run, Site, problems
from founding_design import SNAPSHOT, Founding

from selfbalance.desired import places
from selfbalance.lab import Lab, LabError
from selfbalance.operations.locking import STALE_S
from selfbalance.testing.nodes import missing
from selfbalance.testing.stalls import noted_stalls

NAME = "adopt"
SPOKEN = "detection='calm', vrrp=VrrpOptions(version=2, unicast=False)"
"""How a cluster of 2013 speaks VRRP, in the words of a description."""
AS_IT_WAS = f"{SPOKEN}, services=[Service(name='http', port=80, scheduler='wrr')]"
SESSIONS = 60
SESSION_S = 20
OLD = (
    "/etc/keepalived/to_master.sh",
    "/etc/keepalived/to_backup.sh",
    "/etc/sysctl.d/60-lvs.conf",
    SNAPSHOT,
)
CONF = places.CONFIG
BROKEN = "/etc/systemd/system/keepalived.service.d/zz-broken.conf"


@pytest.fixture(scope="module")
def old() -> Iterator[Founding]:
    """Three fresh nodes, set up by hand as in 2013."""
    try:
        lab = Lab.up(name=NAME, nodes=3, fresh=True, install=os.geteuid() == 0)
    except LabError as error:
        missing(f"no lab here: {error}")
    try:
        cluster = Founding(lab)
        cluster.set_up()
        yield cluster
    finally:
        lab.down()


@pytest.fixture(scope="module")
def live(old: Founding, tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(old.lab, tmp_path_factory.mktemp("site"))
    site.described = AS_IT_WAS
    # Nodes that are looked at all the time answer clients late: three kernels share two cores.
    (site.folder / "deploys" / "cluster.py").write_text(
        "from selfbalance.deploys import cluster\n\ncluster(patience_s=15)\n"
    )
    return site


def test_another_dialect_is_refused_with_the_words_that_describe_it(
    live: Site, old: Founding
) -> None:
    before = _everything(live)
    run = live.pyinfra("cluster", "-y", inventory=live.inventory("detection='calm'"))
    assert run.code != 0
    assert "two dialects of VRRP make two MASTERs" in run.text
    assert "vrrp=VrrpOptions(vrid=51, version=2, unicast=False), detection='calm'" in run.text
    assert _everything(live) == before


def test_what_is_not_known_is_not_overwritten(live: Site, old: Founding) -> None:
    live.lab.run("web3", f"cp -p {CONF} /root/conf; echo 'include /etc/other.conf' >>{CONF}")
    before = _everything(live)
    try:
        run = live.pyinfra("cluster", "-y")
        assert run.code != 0
        assert "web3: keepalived.conf is neither selfbalance's nor of the 2013 design" in run.text
        assert "--data replace=true" in run.text
        assert _everything(live) == before
    finally:
        live.lab.run("web3", f"cp -p /root/conf {CONF}")


@pytest.mark.parametrize(
    "fault",
    [
        "ExecStartPre=/bin/sh -c '! grep -q selfbalance /etc/keepalived/keepalived.conf'",
        "ExecStartPost=/bin/sh -c 'if grep -q selfbalance /etc/keepalived/keepalived.conf; then "
        "sysctl -qw net.ipv4.vs.sync_retries=3; fi'",
    ],
    ids=["it does not start", "a gate stays shut"],
)
def test_a_node_that_is_not_well_is_put_back(live: Site, old: Founding, fault: str) -> None:
    """web2 goes first: nothing of it stays as it has become, and nobody else is touched."""
    old.settle()
    before = {node.name: _old_files(live, node.name) for node in old.lab.nodes}
    live.lab.run(
        "web2",
        f"mkdir -p {BROKEN.rpartition('/')[0]}; printf '[Service]\\n%s\\n' \"{fault}\" >{BROKEN}; "
        "systemctl daemon-reload",
    )
    load = live.lab.steady_load(
        f"http://{VIP}", sessions=SESSIONS, probe_interval=0.03, session_seconds=SESSION_S
    )
    with noted_stalls() as stalls, load:
        time.sleep(2)
        run = live.pyinfra("cluster", "-y")
        time.sleep(5)
        report = load.report()
    live.lab.run("web2", f"rm {BROKEN}; systemctl daemon-reload")
    assert run.code != 0
    assert "web2 was not taken over and was put back as it was" in run.text, run.text
    assert "not touched: web1, web3" in run.text
    assert {node.name: _old_files(live, node.name) for node in old.lab.nodes} == before
    assert live.lab.run("web2", f"ls {places.DROP_IN}", check=False).stdout == ""
    assert [old._entries(node) for node in old.lab.nodes] == [3, 0, 0], old.state()
    _tell(f"put back: {fault.partition('=')[0]}", run, report)
    assert [p for p in report.failed_probes if not stalls.excuse(p)] == []


def test_a_live_cluster_is_taken_over_and_loses_nothing(live: Site, old: Founding) -> None:
    old.settle()
    before = _everything(live)
    load = live.lab.steady_load(
        f"http://{VIP}", sessions=SESSIONS, probe_interval=0.03, session_seconds=SESSION_S
    )
    with noted_stalls() as stalls, load:
        time.sleep(3)
        status = live.status()
        assert _everything(live) == before
        dry = live.pyinfra("cluster", "--dry")
        assert _everything(live) == before
        run = live.pyinfra("cluster", "-y")
        print(run.text)
        healthy = live.status()
        again = live.pyinfra("cluster", "-y", "-vvv")
        time.sleep(10)
        report = load.report()
    _tell("adoption", run, report)

    assert [what.partition(": VRRP")[0] for what in problems(status)] == [
        f"{node.name}: keepalived.conf is of the 2013 design" for node in old.lab.nodes
    ]
    assert dry.code == 0, dry.text
    order = [dry.text.index(f"take over {name}") for name in ("web2", "web3", "web1")]
    assert order == sorted(order), dry.text
    assert all(file in dry.text for file in OLD), dry.text

    assert run.code == 0, run.text
    assert "healthy" in run.text
    assert healthy["healthy"], problems(healthy)
    assert again.code == 0, again.text
    assert {again.commands(node.name) for node in old.lab.nodes} == {1}, again.text
    for node in old.lab.nodes:
        _has_nothing_old(live, node.name)

    failed = [probe for probe in report.failed_probes if not stalls.excuse(probe)]
    assert failed == []
    assert report.lost_sessions == []


def test_the_way_back_is_as_the_page_says(live: Site, old: Founding) -> None:
    page = (Path(__file__).parents[2] / "docs" / "migrate-from-2013.md").read_text()
    way_back = page.partition("## The way back")[2]
    commands = way_back.partition("```sh\n")[2].partition("```")[0]
    for name in (*live.backups(), live.master()):
        live.lab.run(name, f"set -e\n{commands}")
        time.sleep(5)
        if name != live.master():
            live.lab.run(name, OLD[1], check=False)
    old.settle()
    assert [old._entries(node) for node in old.lab.nodes] == [3, 0, 0], old.state()
    assert all(probe.ok for probe in live.lab.requests(f"http://{VIP}/", count=60))
    for node in old.lab.nodes:
        there = live.lab.run(node.name, f"sha256sum {CONF} {' '.join(OLD[:3])}").stdout
        assert len(there.splitlines()) == 4
    assert [what.partition(": VRRP")[0] for what in problems(live.status())] == [
        f"{node.name}: keepalived.conf is of the 2013 design" for node in old.lab.nodes
    ]


DEAF = (
    "tc qdisc add dev eth0 clsact 2>/dev/null; tc filter add dev eth0 egress pref 9 protocol ip "
    "handle 9 flower ip_proto udp dst_port 3784 action drop"
)


def test_a_master_is_put_back_and_a_killed_run_goes_on(live: Site, old: Founding) -> None:
    """First BFD does not see the other nodes, then the run dies while the MASTER has its turn."""
    old.settle()
    load = live.lab.steady_load(
        f"http://{VIP}", sessions=SESSIONS, probe_interval=0.03, session_seconds=SESSION_S
    )
    with noted_stalls() as stalls, load:
        time.sleep(2)
        live.lab.run("web1", DEAF)
        refused = live.pyinfra("cluster", "-y")
        after = (live.master(), _old_files(live, "web1"), live.status())
        live.lab.run("web1", "tc filter del dev eth0 egress pref 9")
        _killed_in_the_masters_turn(live)
        time.sleep(STALE_S + 1)
        run = live.pyinfra("cluster", "-y")
        time.sleep(5)
        report = load.report()
    _tell("a MASTER put back, a run killed, and the rest", run, report)

    assert refused.code != 0
    assert "BFD sees 0 of 2 other nodes" in refused.text, refused.text
    assert "web1 was not taken over and was put back as it was" in refused.text
    assert after[0] == "web1"
    assert len(after[1].splitlines()) == 5, after[1]
    assert problems(after[2])[0].startswith("web1: keepalived.conf is of the 2013 design")
    assert run.code == 0, run.text
    assert live.status()["healthy"]
    for node in old.lab.nodes:
        _has_nothing_old(live, node.name)
    assert [probe for probe in report.failed_probes if not stalls.excuse(probe)] == []
    assert report.lost_sessions == []


def _killed_in_the_masters_turn(site: Site) -> None:
    process = subprocess.Popen(
        site.command("cluster", "-y"),
        cwd=site.folder,
        env=site.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while site.lab.run("web1", f"test -e {places.ADOPTING}", check=False).returncode:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.5)
    process.kill()
    process.wait()


def _everything(site: Site) -> list[str]:
    """What an onlooker may not change: files, addresses, units, tables."""
    look = (
        "find /etc/keepalived /etc/sysctl.d /etc/systemd/system /tmp /var/lib/selfbalance "
        "-type f -not -path '*/systemd-private-*' 2>/dev/null | sort | xargs sha256sum; "
        "ip -o addr show | grep -o 'inet .*'; ipvsadm --save --numeric; "
        "systemctl show -p MainPID keepalived; cat /proc/sys/net/ipv4/conf/all/arp_ignore"
    )
    return [site.lab.run(node.name, look, check=False).stdout for node in site.lab.nodes]


def _old_files(site: Site, name: str) -> str:
    return site.lab.run(name, f"sha256sum {CONF} {' '.join(OLD[:3])}; ls -l {CONF}").stdout


def _has_nothing_old(site: Site, name: str) -> None:
    left = site.lab.run(name, f"ls {' '.join(OLD)}", check=False).stdout
    assert left == ""
    kept = site.lab.run(name, f"cd {places.ADOPTED} && find . -type f").stdout.split()
    assert {f".{path}" for path in (CONF, *OLD[:3])} <= {*kept}
    assert "notify_master" not in site.lab.run(name, f"cat {CONF}").stdout
    dumps = site.lab.run(name, f"ls -d /tmp/keepalived* {places.ADOPTING}", check=False).stdout
    assert dumps == ""


def _tell(what: str, run: Run, report) -> None:
    probes = Counter(probe.error for probe in report.failed_probes)
    began = report.probes[0].began
    when = [round(probe.began - began, 1) for probe in report.failed_probes]
    sessions = Counter(session.outcome for session in report.sessions)
    print(
        f"\n{what}: {len(report.probes)} probes, failed {dict(probes)} at {when} s; sessions "
        f"{dict(sessions)}; cluster.py took {run.seconds:.0f} s; {report.client_lag:.2f} s of lag"
    )
