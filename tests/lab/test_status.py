"""status.py finds what somebody planted by hand, and names it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from deployed import VIP, Site, problems


@dataclass(frozen=True)
class Fault:
    """What is planted on which node, and the words that name it; {node} is that node.

    What is planted in files, kernel and table, cluster.py puts right; the rest takes `mend`.
    """

    where: str
    command: str
    words: tuple[str, ...]
    mend: str = "true"


# Those that stand together are planted at the same time: none of them hides another.
PLANTED = {
    "in the kernel": {
        "VIP missing on lo": Fault(
            "backup",
            f"ip addr del {VIP}/32 dev lo",
            (f"{{node}}: {VIP} is missing on lo",),
        ),
        "IPVS tables that differ": Fault(
            "backup",
            f"ipvsadm -e -t {VIP}:80 -r 192.0.2.11:80 -g -w 7",
            ("IPVS tables differ", "{node} has", "192.0.2.11=7"),
            mend="systemctl restart keepalived",
        ),
        "backup_only reset": Fault(
            "backup",
            "sysctl -qw net.ipv4.vs.backup_only=0",
            ("{node}: net.ipv4.vs.backup_only is 0; it should be 1",),
        ),
        "sysctl changed back": Fault(
            "backup",
            "sysctl -qw net.ipv4.conf.all.arp_ignore=0",
            ("{node}: net.ipv4.conf.all.arp_ignore is 0; it should be 1",),
        ),
        "watch stopped": Fault(
            "other",
            "systemctl stop selfbalance-watch",
            ("{node}: selfbalance-watch.service is inactive",),
        ),
    },
    "of keepalived": {
        "VIP on two NICs": Fault(
            "backup",
            f"ip addr add {VIP}/32 dev eth0",
            (f"{VIP} is on the network interface of ", "{node}"),
            mend=f"ip addr del {VIP}/32 dev eth0",
        ),
        "sync daemon missing": Fault(
            "other",
            "ipvsadm --stop-daemon backup",
            ("{node}: IPVS sync daemon: none; it should be backup",),
        ),
        "keepalived.conf edited": Fault(
            "master",
            "sed -i 's/delay_loop .*/delay_loop 9/' /etc/keepalived/keepalived.conf",
            ("{node}: /etc/keepalived/keepalived.conf was changed by hand",),
        ),
    },
    "of services": {
        "keepalived dead": Fault(
            "other",
            "systemctl stop keepalived",
            ("{node}: keepalived.service is inactive (dead)",),
        ),
        "web server stopped": Fault(
            "backup",
            "systemctl stop nginx",
            (f"{{node}}: nothing listens on {VIP} port 80",),
            mend="systemctl start nginx",
        ),
    },
}


@pytest.mark.parametrize("together", PLANTED)
def test_status_names_what_was_planted_and_it_is_put_right(calm: Site, together: str) -> None:
    nodes = dict(zip(("master", "backup", "other"), (calm.master(), *calm.backups()), strict=True))
    faults = PLANTED[together]
    for fault in faults.values():
        calm.lab.run(nodes[fault.where], fault.command)
    said = problems(calm.status())
    unnamed = [what for what, fault in faults.items() if not _named(fault, nodes, said)]
    assert unnamed == [], said
    for fault in faults.values():
        calm.lab.run(nodes[fault.where], fault.mend)
    calm.deploy()


def _named(fault: Fault, nodes: dict[str, str], said: list[str]) -> bool:
    """Whether one problem has all of a fault's words."""
    words = [word.format(node=nodes[fault.where]) for word in fault.words]
    return any(all(word in line for word in words) for line in said)


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
