"""status.py finds what somebody planted by hand, and names it."""

from __future__ import annotations

import pytest
from deployed import VIP, Site, problems

# what is planted, on which node, and the words that name it; {node} is that node
PLANTED = {
    "VIP on two NICs": (
        "backup",
        f"ip addr add {VIP}/32 dev eth0",
        [f"{VIP} is on the network interface of ", "{node}"],
    ),
    "VIP missing on lo": (
        "backup",
        f"ip addr del {VIP}/32 dev lo",
        [f"{{node}}: {VIP} is missing on lo"],
    ),
    "IPVS tables that differ": (
        "backup",
        f"ipvsadm -e -t {VIP}:80 -r 192.0.2.11:80 -g -w 7",
        ["IPVS tables differ", "{node} has", "192.0.2.11=7"],
    ),
    "backup_only reset": (
        "backup",
        "sysctl -qw net.ipv4.vs.backup_only=0",
        ["{node}: net.ipv4.vs.backup_only is 0; it should be 1"],
    ),
    "sync daemon missing": (
        "backup",
        "ipvsadm --stop-daemon backup",
        ["{node}: IPVS sync daemon: none; it should be backup"],
    ),
    "keepalived dead": (
        "backup",
        "systemctl stop keepalived",
        ["{node}: keepalived.service is inactive (dead)"],
    ),
    "sysctl changed back": (
        "backup",
        "sysctl -qw net.ipv4.conf.all.arp_ignore=0",
        ["{node}: net.ipv4.conf.all.arp_ignore is 0; it should be 1"],
    ),
    "keepalived.conf edited": (
        "master",
        "sed -i 's/delay_loop .*/delay_loop 9/' /etc/keepalived/keepalived.conf",
        ["{node}: /etc/keepalived/keepalived.conf was changed by hand"],
    ),
    "watch stopped": (
        "backup",
        "systemctl stop selfbalance-watch",
        ["{node}: selfbalance-watch.service is inactive"],
    ),
    "web server stopped": (
        "backup",
        "systemctl stop nginx",
        [f"{{node}}: nothing listens on {VIP} port 80"],
    ),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_status_names_what_was_planted(calm: Site, fault: str) -> None:
    where, command, words = PLANTED[fault]
    node = calm.master() if where == "master" else calm.backups()[-1]
    calm.lab.run(node, command)
    said = problems(calm.status())
    wanted = [word.format(node=node) for word in words]
    assert any(all(word in line for word in wanted) for line in said), (wanted, said)
    if fault == "web server stopped":
        calm.lab.run(node, "systemctl start nginx")
    if fault == "IPVS tables that differ":
        calm.lab.run(node, "systemctl restart keepalived")
    # What is planted in files, kernel and table, cluster.py puts right; VIPs are keepalived's.
    if fault == "VIP on two NICs":
        calm.lab.run(node, f"ip addr del {VIP}/32 dev eth0")
    calm.heal()


def test_status_names_a_node_that_cannot_be_reached(calm: Site) -> None:
    node = calm.backups()[0]
    calm.lab.power_off(node)
    status = calm.status()
    assert f"{node} could not be observed" in " ".join(problems(status))
    rows = {row["node"]: row for row in status["nodes"]}
    assert rows[node]["observed"] is False
    assert status["healthy"] is False


def test_status_changes_nothing(calm: Site) -> None:
    # Counters of connections are not asked: sessions of earlier tests time out while this one runs.
    look = (
        "ipvsadm --save --numeric; cat /var/lib/selfbalance/demotion; "
        "ip -o addr | sed 's/valid_lft.*//'; "
        "sysctl -a 2>/dev/null | grep -E 'net.ipv4.(vs|conf.all)' | sort; lsmod | cut -d' ' -f1 | "
        "sort; systemctl show -p MainPID keepalived; ls -lR /etc/keepalived /var/lib/selfbalance"
    )

    def everything() -> set[str]:
        return {
            f"{node.name}: {line}"
            for node in calm.lab.nodes
            for line in calm.lab.run(node.name, look).stdout.splitlines()
        }

    before = everything()
    calm.status()
    after = everything()
    assert sorted(before - after) == [], f"instead: {sorted(after - before)}"
    assert sorted(after - before) == []
