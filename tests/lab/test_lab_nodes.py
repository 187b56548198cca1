"""Three nodes: their power, their cables, their packages, and a load that loses nothing."""

import os
import statistics
import subprocess
import time

import paramiko
import pytest
from lab_fixtures import call, cpus_of, machine, networks_of, pids_in, pids_of_node, running

from selfbalance.lab import Lab, LabError

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def before():
    return machine()


@pytest.fixture(scope="module")
def lab(before, tmp_path_factory):
    with running("nodes", tmp_path_factory.mktemp("state"), nodes=3) as lab:
        yield lab


def test_every_node_is_itself(lab):
    for node in lab.nodes:
        said = lab.run(
            node.name, "hostname; ip -br address show dev eth0; cat /sys/class/net/eth0/address"
        )
        name, addresses, mac = said.stdout.splitlines()
        assert name == node.name
        assert f"{node.address}/24" in addresses
        assert f"{node.address6}/64" in addresses
        assert mac == node.mac


def test_a_node_is_a_bare_web_server_with_its_network_online(lab):
    said = lab.run(
        "web1",
        "systemctl is-active nginx network-online.target lab-network;"
        "systemctl list-units --failed --no-legend; command -v keepalived ipvsadm",
        check=False,
    )
    assert said.stdout.splitlines() == ["active"] * 3


def test_a_node_has_ipvs_and_its_schedulers(lab):
    lab.run(
        "web1", "modprobe ip_vs && modprobe ip_vs_mh && test -e /proc/sys/net/ipv4/vs/backup_only"
    )


def test_all_of_a_node_stays_on_one_cpu(lab):
    ours = sorted(os.sched_getaffinity(0))
    for turn, node in enumerate(lab.nodes):
        assert cpus_of(pids_of_node(lab, node.name)) == {ours[turn % len(ours)]}


def test_a_failing_command_says_so(lab):
    with pytest.raises(LabError, match=r"web1: `echo oh >&2; exit 3` ended with 3: oh"):
        lab.run("web1", "echo oh >&2; exit 3")
    assert lab.run("web1", "exit 3", check=False).returncode == 3
    assert lab.run("web1", "cat", input="in\nout").stdout == "in\nout"
    with pytest.raises(LabError, match="did not end within 1 s"):
        lab.run("web1", "sleep 30", timeout=1)
    with pytest.raises(LabError, match=r"no node 'web9'. It has: web1, web2, web3"):
        lab.run("web9", "true")


def test_the_clients_requests_reach_every_node_by_both_families(lab):
    for node in lab.nodes:
        for url in (f"http://{node.address}", f"http://[{node.address6}]/"):
            probes = lab.requests(url, 5)
            assert [(probe.ok, probe.node) for probe in probes] == [(True, node.name)] * 5


def test_paramiko_gets_in_by_the_same_ssh_config(lab):
    config = paramiko.SSHConfig.from_path(str(lab.ssh_config)).lookup("web2")
    with paramiko.SSHClient() as client:
        client.load_host_keys(config["userknownhostsfile"])
        client.connect(
            config["hostname"],
            username=config["user"],
            key_filename=config["identityfile"],
            sock=paramiko.ProxyCommand(config["proxycommand"]),
        )
        _, out, _ = client.exec_command("hostname")
        assert out.read() == b"web2\n"


def test_with_no_event_nothing_is_lost(lab):
    with lab.load("http://192.0.2.11", sessions=60, duration=12, session_seconds=10) as load:
        began = time.monotonic()
    report = load.report()
    assert report.failed_probes == []
    assert report.lost_sessions == []
    assert len(report.probes) == 600
    assert {session.bytes for session in report.sessions} == {10 * 2048}
    assert statistics.median(one.ended - one.began for one in report.sessions) > 8
    assert report.probes[0].began > began - 1, "times that cannot be compared with ours"
    assert report.last_failure_after(began) is None
    share = report.by_node()["web1"]
    assert (share.probes, share.sessions, share.sessions_alive) == (600, 60, 60)


def test_a_power_cut_kills_every_process_and_the_disk_comes_back(lab):
    lab.run("web3", "mountpoint /data && echo kept | tee /root/note >/data/note && sync")
    pids = pids_of_node(lab, "web3")
    assert len(pids) > 5
    with lab.load("http://192.0.2.13", sessions=5, duration=6, session_seconds=20) as load:
        time.sleep(1)
        event = time.monotonic()
        lab.power_off("web3")
        assert time.monotonic() - event < 2
        assert not pids & pids_in("net", networks_of(lab))
    report = load.report()
    assert {session.outcome for session in report.sessions} == {"timed out"}
    assert report.last_failure_after(event) > 3
    assert not any(probe.ok for probe in report.probes if probe.began > event)
    assert [one.powered for one in lab.status()] == [True, True, False]
    assert call("status", "--name", "nodes").returncode == 1
    lab.power_on("web3")
    assert lab.run("web3", "cat /root/note /data/note").stdout == "kept\nkept\n"
    assert call("status", "--name", "nodes").returncode == 0
    with pytest.raises(LabError, match="has power already"):
        lab.power_on("web3")


def test_what_nodes_share_is_read_and_written_by_clients(lab):
    lab.run("web1", "install -d -o www-data /srv/shared")
    url = "http://192.0.2.11/shared/note"
    ask = ("curl", "-s", "-w", "%{http_code}", url)
    assert lab.client([*ask, "-T", "-"], input="kept ").stdout == "201"
    assert lab.client(ask).stdout == "kept 200"
    assert lab.client([*ask, "-X", "DELETE"]).stdout == "204"
    assert lab.client([*ask, "-o", "/dev/null"]).stdout == "404"


def test_a_node_that_reboots_comes_back_by_itself(lab):
    first = lab.run("web2", "cat /proc/sys/kernel/random/boot_id").stdout
    lab.run("web2", "systemctl reboot", check=False, timeout=15)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        said = lab.run("web2", "cat /proc/sys/kernel/random/boot_id", check=False, timeout=30)
        if said.returncode == 0 and said.stdout != first:
            return
        time.sleep(1)
    pytest.fail("web2 did not come back from a reboot")


def test_a_pulled_cable_is_silence_and_can_be_put_back(lab):
    lab.cable("web2", plugged=False)
    (probe,) = lab.requests("http://192.0.2.12", 1)
    assert (probe.ok, probe.error) == (False, "timed out")
    assert [one.plugged for one in lab.status()] == [True, False, True]
    lab.cable("web2", plugged=True)
    (probe,) = lab.requests("http://192.0.2.12", 1)
    assert probe.ok


def test_what_is_published_is_what_apt_installs(lab):
    lab.run("web1", "apt-get update -q && apt-get install -qy ipvsadm", timeout=120)
    version = lab.publish("ipvsadm")
    assert version.endswith("+lab1")
    # Without a pause: an index of the same second as the last one must not look unchanged.
    assert lab.publish("ipvsadm").endswith("+lab2")
    said = lab.run(
        "web1", "apt-get update -q && apt-get install -qy ipvsadm && dpkg -s ipvsadm", timeout=120
    )
    assert f"Version: {version[:-1]}2\n" in said.stdout
    assert lab.publish("ipvsadm", "9:9.9-1") == "9:9.9-1"
    said = lab.run("web1", "apt-get update -q && apt-cache policy ipvsadm", timeout=120)
    assert "Candidate: 9:9.9-1" in said.stdout
    with pytest.raises(LabError, match=r"no package 'nothing'. It has: "):
        lab.publish("nothing")


def test_the_commands_pass_exit_codes_on(lab):
    assert call("ssh", "--name", "nodes", "web1", "exit 7").returncode == 7
    assert call("client", "--name", "nodes", "--", "sh", "-c", "exit 5").returncode == 5
    assert call("client", "--name", "nodes", "hostname", "-I").stdout.split()[0] == "192.0.2.200"


def test_a_second_up_is_refused_with_the_next_commands(lab):
    refused = call("up", "--name", "nodes")
    assert refused.returncode == 1
    assert refused.stderr == (
        "selfbalance: Lab 'nodes' is running: 3 nodes of bookworm on eth0. "
        "Next: selfbalance lab status --name nodes, or selfbalance lab down --name nodes, "
        "or selfbalance lab up --fresh --name nodes\n"
    )
    assert Lab.running("nodes").run("web1", "hostname").stdout == "web1\n"


def test_down_leaves_nothing_even_with_work_in_hand(lab, before):
    """Last in this module: a session is open and a client works while the lab goes."""
    networks, state = networks_of(lab), lab.ssh_config.parent
    assert len(pids_in("net", networks)) > 20
    busy = subprocess.Popen(["ssh", "-F", str(lab.ssh_config), "web1", "sleep 100"])
    idle = subprocess.Popen(lab.client_command("sleep", "100"))
    time.sleep(2)
    assert call("down", "--name", "nodes").stdout == "Lab 'nodes' is down.\n"
    assert busy.wait(10) != 0
    assert idle.wait(10) != 0
    assert pids_in("net", networks) == set()
    assert not state.exists()
    now = machine()
    assert {what: now[what] - before[what] for what in now} == {what: set() for what in now}
    assert call("down", "--name", "nodes").stdout == "Lab 'nodes' was not up.\n"
