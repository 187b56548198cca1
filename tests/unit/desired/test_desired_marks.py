"""The script that marks clients, run by a real shell: which tool it takes, and what it leaves.

nft, iptables-legacy and tc are fakes that note what they are told. The real nft is asked in
tests/contract/nft, the real iptables-legacy and tc by tests/lab/test_source_mac.py.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from described_twice import cluster
from made import PLUGINS, V4

from selfbalance.desired import DesiredNode, desire, places
from selfbalance.plugins import Facts

MACS = {f"web{n}": f"02:5b:00:00:00:0{n}" for n in (1, 2, 3)}
FACTS = {name: Facts(1, 2**30, mac) for name, mac in MACS.items()}
BOTH = cluster(("standby", "source-mac"))
ONE = cluster(V4, ("standby", "source-mac"))
TOOLS = {
    "nft": ["nft"],
    "iptables-legacy": [
        *("iptables-legacy", "iptables-legacy-restore"),
        *("ip6tables-legacy", "ip6tables-legacy-restore"),
    ],
    "tc": ["tc"],
}
_FAKE = """#!/bin/sh
echo "{name} $*" >>{folder}/told
case "$*" in -f* | *-restore* | --noflush | -batch*) sed "s/^/    /" >>{folder}/told ;; esac
[ ! -e {folder}/{name}.fails ] || exit 1
"""


def nodes(described) -> dict[str, DesiredNode]:
    """What each node must have, its MACs being known."""
    return desire(described, PLUGINS, {}, FACTS)


class Node:
    """A folder in which the script of web1 runs, with the tools that it has."""

    def __init__(self, folder: Path, described, *tools: str) -> None:
        self.folder = folder
        for program in (program for tool in tools for program in TOOLS[tool]):
            self.write(program, _FAKE.format(name=program, folder=folder)).chmod(0o700)
        text = {f.path: f.content for f in nodes(described)["web1"].files}[places.MARKS]
        assert places.MARKER in text
        self.write("marks", text.replace(places.MARKER, f"{folder}/marker"))

    def write(self, name: str, text: str) -> Path:
        """Put a file there."""
        file = self.folder / name
        file.write_text(text)
        return file

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the script; only the fakes and the shell's own programs are found."""
        (self.folder / "told").write_text("")
        for name in ("sed", "cat"):
            if not (self.folder / name).exists():
                (self.folder / name).symlink_to(f"/bin/{name}")
        return subprocess.run(
            ["/bin/sh", str(self.folder / "marks"), *words],
            env={"PATH": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def told(self) -> list[str]:
        """What the tools were called with."""
        lines = (self.folder / "told").read_text().splitlines()
        return [line for line in lines if not line.startswith(" ")]

    @property
    def rules(self) -> str:
        """What the tools read."""
        lines = (self.folder / "told").read_text().splitlines()
        return "\n".join(line.strip() for line in lines if line.startswith(" "))

    @property
    def tool(self) -> str:
        """Which tool marks, as the script remembers it."""
        marker = self.folder / "marker"
        return marker.read_text().strip() if marker.exists() else ""


@pytest.mark.parametrize(
    ("has", "takes"),
    [
        (["nft", "iptables-legacy", "tc"], "nft"),
        (["nft", "tc"], "nft"),
        (["iptables-legacy", "tc"], "iptables-legacy"),
        (["tc"], "tc"),
    ],
)
def test_the_first_tool_that_a_node_has_marks(tmp_path, has, takes):
    node = Node(tmp_path, BOTH, *has)

    ran = node.run("set")

    assert (ran.returncode, ran.stdout, ran.stderr, node.tool) == (0, "", "", takes)


@pytest.mark.parametrize("fails", ["iptables-legacy-restore", "ip6tables-legacy-restore"])
def test_a_tool_that_its_kernel_does_not_take_is_passed_over_and_leaves_nothing(tmp_path, fails):
    node = Node(tmp_path, BOTH, *TOOLS)
    node.write("nft.fails", "")
    node.write(f"{fails}.fails", "")

    assert node.run("set").returncode == 0
    assert node.tool == "tc"
    after = node.told[node.told.index("tc -batch -") + 1 :]
    assert after == [
        *(f"nft delete table {family} selfbalance" for family in ("ip", "ip6")),
        *(
            f"{iptables} -t mangle {act}"
            for iptables in ("iptables-legacy", "ip6tables-legacy")
            for act in ("-D PREROUTING -i bond0 -j SELFBALANCE", "-F SELFBALANCE", "-X SELFBALANCE")
        ),
    ]


def test_the_new_tool_marks_before_the_old_one_ceases(tmp_path):
    """In between, what is marked twice is marked alike; what nobody marks is not balanced."""
    node = Node(tmp_path, BOTH, *TOOLS)

    node.run("set")

    assert node.told[0] == "nft -f -"
    assert node.told[-4:] == [f"tc filter del dev bond0 ingress pref {n}" for n in (61, 62, 63, 64)]


def test_where_no_tool_marks_the_script_fails_and_says_why(tmp_path):
    node = Node(tmp_path, BOTH, "tc")
    node.write("tc.fails", "")

    assert node.run("set").returncode != 0
    assert node.tool == ""


def test_nft_gets_a_table_a_family_with_peers_first(tmp_path):
    node = Node(tmp_path, BOTH, "nft", "tc")
    node.run("set")
    http, https, _, https6 = nodes(BOTH)["web1"].services

    assert node.rules.splitlines()[3:12] == [
        "chain clients {",
        "type filter hook prerouting priority mangle; policy accept;",
        'iifname != "bond0" return',
        f"ether saddr {MACS['web2']} return",
        f"ether saddr {MACS['web3']} return",
        f"ip daddr 192.0.2.10 tcp dport 80 meta mark set {http.mark}",
        f"ip daddr 192.0.2.10 tcp dport 443 meta mark set {https.mark}",
        "}",
        "}",
    ]
    assert f"ip6 daddr 2001:db8::10 tcp dport 443 meta mark set {https6.mark}" in node.rules
    assert MACS["web1"] not in node.rules


@pytest.mark.parametrize("tool", TOOLS)
def test_one_family_has_no_rules_of_the_other(tmp_path, tool):
    node = Node(tmp_path, ONE, tool, "tc")
    node.run("set")

    assert node.tool == tool
    assert "192.0.2.10" in node.rules
    assert not any(word in node.rules for word in ("ip6", "2001:", "ipv6"))
    assert not any(line.startswith("ip6tables-legacy-restore") for line in node.told)


def test_tc_passes_peers_before_it_marks(tmp_path):
    node = Node(tmp_path, ONE, "tc")
    node.run("set")
    http, https = nodes(ONE)["web1"].services

    key = "dst_ip 192.0.2.10 ip_proto tcp dst_port"
    assert node.rules.splitlines() == [
        line
        for service in (http, https)
        for line in (
            *(
                "filter add dev bond0 ingress pref 61 protocol ip flower "
                f"src_mac {MACS[peer]} {key} {service.port} action pass"
                for peer in ("web2", "web3")
            ),
            "filter add dev bond0 ingress pref 63 protocol ip flower "
            f"{key} {service.port} action skbedit mark {service.mark}",
        )
    ]


@pytest.mark.parametrize(
    ("tool", "asks"),
    [
        ("nft", [f"nft --numeric list table {family} selfbalance" for family in ("ip", "ip6")]),
        (
            "iptables-legacy",
            [f"{i}-legacy -t mangle --list-rules" for i in ("iptables", "ip6tables")],
        ),
        ("tc", [f"tc filter show dev bond0 ingress pref {n}" for n in (61, 62, 63, 64)]),
    ],
)
def test_the_tool_that_marks_is_asked_what_it_does(tmp_path, tool, asks):
    node = Node(tmp_path, BOTH, *TOOLS)
    node.write("marker", f"{tool}\n")

    ran = node.run("show")

    assert (ran.returncode, ran.stdout.splitlines()[0], ran.stderr) == (0, f"tool {tool}", "")
    assert node.told == asks


def test_where_nobody_marks_nothing_is_shown(tmp_path):
    node = Node(tmp_path, BOTH, *TOOLS)

    ran = node.run("show")

    assert (ran.returncode, ran.stdout, node.told) == (0, "", [])


def test_a_mark_follows_from_vip_and_port_and_not_from_its_place():
    """A mark that moved would end the sessions of the service that had it."""
    fewer = cluster(("standby", "source-mac"), ("vips", BOTH.model_dump(mode="json")["vips"][1:]))
    marked = {to: mark for mark, to in nodes(BOTH)["web1"].marked.items()}
    left = {to: mark for mark, to in nodes(fewer)["web1"].marked.items()}

    assert len(marked) == 4
    assert left.items() <= marked.items()
    assert all(mark >> 24 == 0x5B for mark in marked.values())


def test_many_services_have_a_mark_each():
    ports = [{"name": f"s{port}", "port": port} for port in range(1, 3001)]
    many = cluster(("standby", "source-mac"), ("services", ports), V4)

    assert len(nodes(many)["web1"].marked) == 3000


def test_without_facts_nobody_is_known_and_nobody_is_asked_for_them():
    assert nodes(cluster())["web1"].marked == {}
    assert places.MARKS not in {file.path for file in nodes(cluster())["web1"].files}
    assert desire(BOTH, PLUGINS, {})["web1"].peer_macs == {}


def test_every_node_knows_the_macs_of_the_others():
    for name, node in nodes(BOTH).items():
        assert node.peer_macs == {peer: mac for peer, mac in MACS.items() if peer != name}


def test_clients_are_marked_before_keepalived_starts_and_after_who_flushes_all_rules():
    (unit,) = (f.content for f in nodes(BOTH)["web1"].files if f.path == places.VIP_UNIT)
    lines = unit.splitlines()

    starts = [
        line for line in lines if line.startswith("ExecStart=") and " filter del " not in line
    ]
    assert starts[-1] == f"ExecStart={places.MARKS} set"
    assert "After=nftables.service netfilter-persistent.service" in lines
    assert "Before=keepalived.service" in lines


def test_what_the_script_does_not_know_it_refuses(tmp_path):
    ran = Node(tmp_path, BOTH, *TOOLS).run("dance")

    assert (ran.returncode, ran.stderr) == (2, "unknown: dance\n")
