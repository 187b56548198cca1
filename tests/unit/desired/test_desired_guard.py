"""The guard's hand-over, run by a real shell: what it tells ipvsadm and tc, in real nodes' words.

Programs that change a kernel are fakes that note what they are told; what they print was printed
by a lab node. tests/lab/test_crash.py is the proof that clients lose nothing.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from described_twice import cluster
from made import ACTIVE, CASES, PLUGINS, V4, made

from selfbalance.desired import places
from selfbalance.model.standing import Standing, demotion

MIXED = cluster(("services.0.scheduler", "wrr"), ("services.1.scheduler", "sh"))
THREE = cluster(V4, ("services.0.scheduler", "wrr"), ("services.1.scheduler", "lc"))
FAR = {"name": "web3", "address": "198.51.100.13", "director": False}
ROUTED = tuple(
    cluster(
        V4,
        ("nodes.2", FAR),
        ("forwarding", method),
        ("services.0.scheduler", "wrr"),
        ("services.1.scheduler", "sh"),
    )
    for method in ("tun", "tun-gue")
)
"""Clusters whose third node only serves, on another network."""
NEIGHBOURS = """\
192.0.2.12 lladdr 02:5b:00:00:00:0c REACHABLE
192.0.2.200 lladdr 02:5b:00:00:00:c8 STALE
192.0.2.13 FAILED
2001:db8::13 lladdr 02:5b:00:00:00:0d STALE
192.0.2.254 lladdr 02:5b:00:00:00:fe DELAY
"""
PROGRAMS = {
    "ip": 'case "$*" in *neigh*) cat neighbours ;; *) cat addresses ;; esac',
    "keepalived": "echo 10",
    "sleep": "exec /bin/sleep 0.05",
    "tc": '[ "$1" = -batch ] && exec sed "s/^/tc /" >>told; echo "tc $*" >>told',
    "ipvsadm": (
        'case $1 in --save) cat table ;; --restore) cat >>told ;; *) echo "$*" >>told ;; esac'
    ),
}

END = ["--clear", "--stop-daemon master", "--stop-daemon backup"]
"""What ipvsadm is told last of all, by a node that nobody needs as a director any more."""


def table(described, **weights: int) -> str:
    """What `ipvsadm --save --numeric` prints."""
    lines = []
    for service in made(described)["web1"].services:
        vip = f"[{service.vip}]" if service.vip.version == 6 else service.vip
        six = " -6" if service.vip.version == 6 else ""
        kernels = f"-t {vip}:{service.port}" if service.mark is None else f"-f {service.mark}{six}"
        lines.append(f"-A {kernels} -s {service.scheduler}")
        for node in described.nodes:
            real = node.address_of(service.vip.version)
            real = f"[{real}]" if service.vip.version == 6 else real
            weight = weights.get(node.name, 1)
            how = PLUGINS.forwarding_methods[described.forwarding].ipvsadm
            lines.append(f"-a {kernels} -r {real}:{service.realserver_port} {how} -w {weight}")
    return "\n".join(lines) + "\n"


def dump(**states: str) -> str:
    """What keepalived 2.2.7 writes of BFD on a signal, as far as the guard reads it."""
    blocks = (
        f" BFD Instance = {name}\n   Neighbor IP = 192.0.2.12\n   local state = {state}\n"
        "   remote state = Up\n"
        for name, state in states.items()
    )
    return "------< BFD Data >------\n------< BFD Topology >------\n" + "".join(blocks)


class Node:
    """A folder in which a guard runs; `MAINPID` writes the dump as keepalived does, on a signal."""

    def __init__(self, folder: Path, described) -> None:
        self.folder = folder
        text = {f.path: f.content for f in made(described)["web1"].all_files}[places.GUARD]
        for real, here in (
            ("/var/lib/selfbalance", folder),
            (places.DUMPS, folder),
            ("/proc/sys/net/ipv4/vs/sync_threshold", folder / "packets"),
            ("/proc/sys/net/ipv4/vs/sync_refresh_period", folder / "seconds"),
        ):
            assert real in text
            text = text.replace(real, str(here))
        self.write("guard", text)
        for name, program in PROGRAMS.items():
            self.write(name, f"#!/bin/sh\ncd {folder}\n{program}\n").chmod(0o700)
        self.write("addresses", "2: bond0    inet 192.0.2.10/32 scope global bond0\n")
        self.write("neighbours", NEIGHBOURS)
        self.write("table", table(described))
        self.write("told", "")

    def write(self, name: str, text: str) -> Path:
        """Put a file there."""
        file = self.folder / name
        file.write_text(text)
        return file

    def run(self, act: str, bfd: str = "", dumped_after_s: float = 0) -> str:
        """Run the guard; return what it says. It hands over as soon as it stands back."""
        self.write("bfd", bfd)
        stood_back = f"grep -qx {demotion(0, Standing.LEAVING)} demotion"  # web1's in the first
        keepalived = (
            f"trap '/bin/sleep {dumped_after_s}; cp bfd keepalived_bfd.data' USR1; echo; "
            f"while :; do ! {stood_back} 2>/dev/null || : >addresses; /bin/sleep 0.02; done"
        )
        with subprocess.Popen(
            ["sh", "-c", keepalived], cwd=self.folder, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                ran = subprocess.run(
                    ["sh", self.folder / "guard", act],
                    env={"PATH": f"{self.folder}:/usr/bin:/bin", "MAINPID": str(process.pid)},
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=True,
                )
            finally:
                process.kill()
        assert ran.stderr == ""
        return ran.stdout

    @property
    def told(self) -> list[str]:
        """What ipvsadm and tc were told, a line each."""
        return (self.folder / "told").read_text().splitlines()

    @property
    def weights(self) -> list[str]:
        """The realservers that were given a weight."""
        edits = (line for line in self.told if line.startswith("-e "))
        return [line.removeprefix("-e -t ").removeprefix("-e -f ") for line in edits]


@pytest.fixture
def node(tmp_path) -> Iterator[Node]:
    """A MASTER whose two services are balanced by schedulers that choose anew on each director."""
    return Node(tmp_path, THREE)


UP = dump(web2="Up", web3="Up")


def test_new_clients_are_led_to_the_heir_before_it_takes_over(node):
    said = node.run("stop", UP)

    assert said == "handed over\n"
    assert node.weights == [
        f"192.0.2.10:{port} -r {real}:{port} -g -w 0"
        for port in (80, 443)
        for real in ("192.0.2.11", "192.0.2.13")
    ]
    assert node.told[-3:] == END
    assert (node.folder / "packets").read_text() == "3 0\n"
    assert (node.folder / "seconds").read_text() == "10\n"


@pytest.mark.parametrize("state", ["Down", "Init", "AdminDown"])
def test_the_heir_is_the_first_that_bfd_sees_alive(node, state):
    node.run("stop", dump(web2=state, web3="Up"))

    assert {line.split()[2] for line in node.weights} == {
        f"192.0.2.1{n}:{port}" for n in (1, 2) for port in (80, 443)
    }


def test_the_dump_is_waited_for(node):
    """Before it is there it says nothing of anybody, least of all that nobody is alive."""
    assert node.run("stop", UP, dumped_after_s=0.2) == "handed over\n"
    assert all("192.0.2.12:" not in line for line in node.weights)
    assert node.weights


@pytest.mark.parametrize("bfd", ["", dump(), dump(web2="Down", web3="Down")])
def test_without_an_heir_nothing_is_led_anywhere(node, bfd):
    assert node.run("stop", bfd) == "no other node is alive: nobody to hand over to\n"
    assert node.told == []
    assert not (node.folder / "demotion").exists()


def test_an_heir_whose_web_server_is_dead_gets_no_new_clients(node):
    node.write("table", table(THREE, web2=0))

    assert node.run("stop", UP) == "handed over\n"
    assert {line.split()[2].split(":")[0] for line in node.weights} == {"192.0.2.11", "192.0.2.12"}


def test_where_no_web_server_is_well_nobody_is_led(node):
    node.write("table", table(THREE, web2=0, web3=0))

    assert node.run("stop", UP) == "handed over\n"
    assert node.weights == []


def test_another_nodes_dead_web_server_is_no_reason(node):
    node.write("table", table(THREE, web3=0))
    node.run("stop", UP)

    assert len(node.weights) == 4


def test_what_peers_send_is_marked_by_their_macs_and_served_here(node):
    node.run("stop", UP)

    mark = "dst_ip 192.0.2.10 action skbedit mark 53"
    assert [line for line in node.told if line.startswith("tc ")] == [
        f"tc filter add dev bond0 ingress pref 55 protocol ip flower src_mac {mac} {mark}"
        for mac in ("02:5b:00:00:00:0c", "02:5b:00:00:00:0d")
    ]
    at = node.told.index("-A -f 53 -s wrr")
    assert node.told[at : at + 2] == ["-A -f 53 -s wrr", "-a -f 53 -r 192.0.2.11 -g"]


def test_only_services_for_which_directors_choose_anew_are_led(tmp_path):
    node = Node(tmp_path, MIXED)

    node.run("stop", UP)

    assert node.weights == [
        "192.0.2.10:80 -r 192.0.2.11:80 -g -w 0",
        "192.0.2.10:80 -r 192.0.2.13:80 -g -w 0",
        "[2001:db8::10]:80 -r [2001:db8::11]:80 -g -w 0",
        "[2001:db8::10]:80 -r [2001:db8::13]:80 -g -w 0",
    ]
    assert "-a -f 53 -6 -r [2001:db8::11] -g" in node.told


def test_where_all_directors_choose_alike_nobody_is_led(tmp_path):
    node = Node(tmp_path, CASES["three nodes"])

    assert node.run("stop", UP) == "handed over\n"
    assert node.told == END


def test_a_stop_leaves_no_filter_behind(node):
    node.write("addresses", "")
    node.run("clean-up")

    assert node.told == [
        "--clear",
        "tc filter del dev bond0 ingress pref 55",
        "tc filter del dev bond0 ingress pref 56",
        "--stop-daemon master",
        "--stop-daemon backup",
    ]


def test_each_instance_has_its_own_heir(tmp_path):
    """web3 comes after web1 where web2 is first, and after web2 where web1 is."""
    vips = [{"address": f"192.0.2.{n}", "vrid": n} for n in (10, 101, 102)]
    described = cluster(("standby", "source-mac"), ("vips", vips), ("services.0.scheduler", "wrr"))
    node = Node(tmp_path, described)
    marks = [service.mark for service in made(described)["web1"].services if service.port == 80]

    assert node.run("stop", UP) == "handed over\n"
    assert node.weights == [
        f"{mark} -r 192.0.2.1{other}:0 -g -w 0"
        for mark, heir in zip(marks, (2, 2, 3), strict=True)
        for other in (1, 2, 3)
        if other != heir
    ]


def test_where_clients_are_marked_what_peers_send_is_served_anyway(tmp_path):
    node = Node(tmp_path, ACTIVE)

    node.run("stop", UP)

    https, https6 = (s.mark for s in made(ACTIVE)["web1"].services if s.port == 443)
    assert node.told == [
        *(f"-e -f {https} -r 192.0.2.1{n}:0 -g -w 0" for n in (1, 3)),
        *(f"-e -f {https6} -6 -r [2001:db8::1{n}]:0 -g -w 0" for n in (1, 3)),
        *END,
    ]


def test_who_leaves_stands_back_in_every_instance(tmp_path):
    node = Node(tmp_path, ACTIVE)

    node.run("stop", UP)

    assert {name: int((tmp_path / name).read_text()) for name in ("demotion", "demotion-52")} == {
        "demotion": demotion(0, Standing.LEAVING),
        "demotion-52": demotion(1, Standing.LEAVING),
    }


def test_new_clients_are_led_away_from_realservers_of_any_kind_in_the_tunnels_own_words(tmp_path):
    """`ipvsadm -e` changes all that it is not told to leave."""
    node = Node(tmp_path, ROUTED[0])

    assert node.run("stop", UP) == "handed over\n"
    assert node.told == [
        "-e -t 192.0.2.10:80 -r 192.0.2.11:80 -i --tun-type ipip -w 0",
        "-e -t 192.0.2.10:80 -r 198.51.100.13:80 -i --tun-type ipip -w 0",
        *END,
    ]


def test_where_the_kernel_cannot_tell_a_peers_packets_new_clients_stay_here(tmp_path):
    """What comes in GUE is UDP to it (decision 12)."""
    node = Node(tmp_path, ROUTED[1])

    assert node.run("stop", UP) == "handed over\n"
    assert node.told == [
        "-e -t 192.0.2.10:80 -r 192.0.2.12:80 -i --tun-type gue --tun-port 6080 -w 0",
        "-e -t 192.0.2.10:80 -r 198.51.100.13:80 -i --tun-type gue --tun-port 6080 -w 0",
        *END,
    ]


@pytest.mark.parametrize("described", ROUTED)
def test_a_node_that_only_serves_is_nobody_to_hand_over_to(described, tmp_path):
    node = Node(tmp_path, described)

    said = node.run("stop", dump(web2="Down", web3="Up"))

    assert said == "no other node is alive: nobody to hand over to\n"
    assert node.told == []
