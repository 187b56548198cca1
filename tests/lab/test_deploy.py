"""deploys/cluster.py on real nodes: what it makes, what it says, what it leaves alone."""

from __future__ import annotations

from collections import Counter

import pytest
from deployed import VIP, VIP6, Site

from selfbalance.lab import Lab


def test_every_request_is_answered_and_every_node_serves(site: Site) -> None:
    probes = site.lab.requests(f"http://{VIP}/", count=300)
    shares = Counter(probe.node for probe in probes if probe.ok)
    assert sum(shares.values()) == 300
    assert {node.name for node in site.lab.nodes} == shares.keys()
    assert all(60 <= share <= 141 for share in shares.values()), shares


def test_second_run_changes_nothing_with_one_command_a_host(site: Site) -> None:
    run = site.pyinfra("cluster", "-y", "-vvv")
    assert run.code == 0, run.text
    assert "healthy" in run.text
    assert "Success" not in run.text.split("--> Results:")[0].replace("No changes", "")
    assert {run.commands(node.name) for node in site.lab.nodes} == {1}, run.text


def test_second_run_by_hand_is_two_commands_a_host_at_most(site: Site) -> None:
    run = site.pyinfra("cluster", "-vvv", answer="\n")
    assert run.code == 0, run.text
    assert all(1 <= run.commands(node.name) <= 2 for node in site.lab.nodes), run.text


def test_installed_files_are_tight(site: Site) -> None:
    tight = {
        "/etc/keepalived/keepalived.conf": "600 root:root",
        "/etc/keepalived/selfbalance-guard": "700 root:root",
        "/var/lib/selfbalance": "700 root:root",
        "/run/selfbalance": "700 root:root",
    }
    for node in site.lab.nodes:
        modes = site.lab.run(node.name, f"stat -c '%a %U:%G' {' '.join(tight)}").stdout
        assert modes.splitlines() == list(tight.values())
        left = site.lab.run(node.name, "find /tmp -name '*keepalived*' -o -name '*selfbalance*'")
        assert left.stdout == ""


def test_dry_tells_the_truth_and_changes_nothing(cluster: Site) -> None:
    backup = cluster.backups()[0]
    cluster.lab.run(
        backup,
        "sysctl -qw net.ipv4.conf.all.arp_ignore=0; echo '# x' >> /etc/keepalived/keepalived.conf",
    )
    run = cluster.pyinfra("cluster", "--dry")
    assert run.code == 0, run.text
    assert f"[{backup}] set net.ipv4.conf.all.arp_ignore=1" in run.text
    assert f"[{backup}] write /etc/keepalived/keepalived.conf" in run.text
    assert f"keepalived: reload {backup}" in run.text
    for other in {node.name for node in cluster.lab.nodes} - {backup}:
        assert f"[{other}] write" not in run.text
    after = cluster.lab.run(
        backup, "sysctl -n net.ipv4.conf.all.arp_ignore; tail -1 /etc/keepalived/keepalived.conf"
    )
    assert after.stdout.split("\n")[:2] == ["0", "# x"]


def test_diff_shows_the_change_and_masks_the_secret(site: Site) -> None:
    changes = "detection='calm', vrrp=VrrpOptions(version=2, password='env:LAB_VRRP')"
    run = site.pyinfra(
        "cluster",
        "--dry",
        "--diff",
        inventory=site.inventory(changes),
        env={"LAB_VRRP": "sesame42"},
    )
    assert run.code == 0, run.text
    assert "-    vrrp_version 3" in run.text
    assert "+    vrrp_version 2" in run.text
    assert "+        auth_pass ********" in run.text
    assert "sesame42" not in run.text


def test_a_configuration_that_keepalived_refuses_reaches_no_running_node(site: Site) -> None:
    before = _configurations(site)
    run = site.pyinfra("cluster", "-y", inventory=site.inventory("interface='eth9'"))
    assert run.code != 0
    assert "doesn't exist" in run.text, run.text
    assert "eth9" in run.text
    assert _configurations(site) == before
    site.deploy()


def _configurations(site: Site) -> list[str]:
    command = (
        "sha256sum /etc/keepalived/keepalived.conf /etc/keepalived/selfbalance-guard "
        "/etc/sysctl.d/* /etc/systemd/system/*.service"
    )
    return [site.lab.run(node.name, command).stdout for node in site.lab.nodes]


@pytest.fixture
def leaves(cluster: Site) -> Site:
    """Say that a test leaves the cluster described otherwise: last of those with `cluster`."""
    return cluster


def test_both_families_move_onto_a_live_cluster_and_answer(leaves: Site) -> None:
    leaves.described = f"vips=[Vip(address='{VIP}'), Vip(address='{VIP6}')]"
    leaves.deploy()
    for url in (f"http://{VIP}/", f"http://[{VIP6}]/"):
        probes = leaves.lab.requests(url, count=60)
        assert Counter(probe.ok for probe in probes) == {True: 60}, url
        assert {probe.node for probe in probes} == {node.name for node in leaves.lab.nodes}
    status = leaves.wait_until_healthy()
    assert status["vips"] == [VIP, VIP6]


def test_status_as_json_says_what_is(cluster: Site) -> None:
    status = cluster.wait_until_healthy()
    rows = {row["node"]: row for row in status["nodes"]}
    assert [row["role"] for row in rows.values()].count("MASTER") == 1
    assert rows[cluster.master()]["vips"] == [VIP]
    assert all(row["weight"] == 1 for row in rows.values())


def test_an_ordinary_user_with_sudo_can_deploy(cluster: Site) -> None:
    backup = cluster.backups()[0]
    for node in cluster.lab.nodes:
        cluster.lab.run(
            node.name,
            "id ops >/dev/null 2>&1 || useradd -m ops; install -d -m 700 -o ops /home/ops/.ssh; "
            "install -m 600 -o ops /root/.ssh/authorized_keys /home/ops/.ssh/; "
            "echo 'ops ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ops",
        )
    cluster.lab.run(backup, "systemctl stop keepalived; rm /etc/keepalived/keepalived.conf")
    inventory = cluster.inventory()
    text = inventory.read_text().replace('ssh_user="root"', 'ssh_user="ops", _sudo=True')
    as_ops = inventory.with_name("inventory_ops.py")
    as_ops.write_text(text)
    run = cluster.pyinfra("cluster", "-y", inventory=as_ops)
    assert run.code == 0, run.text
    assert "healthy" in run.text


def test_a_bonded_interface(tmp_path) -> None:
    """The lab's nodes have a real one, and a cluster works on it."""
    lab = Lab.up(name="bonded", nodes=2, interface="bond0", fresh=True)
    try:
        assert lab.interface == "bond0"
        said = lab.run("web1", "cat /sys/class/net/bond0/bonding/slaves; ip -br address show bond0")
        assert said.stdout.splitlines()[0] == "eth0"
        assert "192.0.2.11/24" in said.stdout
        assert all(probe.ok for probe in lab.requests("http://[2001:db8:5b::12]", 5))
        lab.run("web1", "ping -c1 -W2 192.0.2.12")
        site = Site(lab, tmp_path)
        site.deploy()
        probes = lab.requests(f"http://{VIP}/", count=60)
        assert Counter(probe.ok for probe in probes) == {True: 60}
        assert {probe.node for probe in probes} == {"web1", "web2"}
    finally:
        lab.down()
