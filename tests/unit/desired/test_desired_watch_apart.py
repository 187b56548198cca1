"""The watch where keepalived's table lies apart, run for real: what the guard is told, and when."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from described_twice import cluster
from made import V4, made
from test_desired_watch import eventually

from selfbalance.desired import places

pytestmark = pytest.mark.skipif(not shutil.which("perl"), reason="the watch is Perl")

TWO = ("nodes", [{"name": f"web{n}", "address": f"192.0.2.1{n}"} for n in (1, 2)])
SIX = ("nodes", [{"name": f"web{n}", "address": f"2001:db8::1{n}"} for n in (1, 2)])
HTTP = ("services", [{"name": "http", "port": 80}])
APART = cluster(("standby", "snapshot"), V4, TWO, HTTP)
APART6 = cluster(("standby", "snapshot"), ("vips", [{"address": "2001:db8::10"}]), SIX, HTTP)

HEAD = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
"""
SERVICE = "TCP  C000020A:0050 mh  \n"
SERVICE6 = "TCP  [2001:0db8:0000:0000:0000:0000:0000:0010]:0050 mh  \n"


def real(node: int, weight: int) -> str:
    return f"  -> C000020{node + 0xA:X}:0050      Route   {weight}      7          3         \n"


def real6(node: int, weight: int) -> str:
    return (
        f"  -> [2001:0db8:0000:0000:0000:0000:0000:001{node}]:0050      Route   {weight}      "
        "0          0\n"
    )


# /proc/net/ip_vs shows the newest realserver first.
WHOLE = SERVICE + real(2, 1) + real(1, 1)
DEAD = SERVICE + real(2, 0) + real(1, 1)
HALF = SERVICE + real(1, 1)
ADD = [
    "-A -t 192.0.2.10:80 -s mh -b mh-port,mh-fallback",
    "-a -t 192.0.2.10:80 -r 192.0.2.11:80 -g -w 1",
    "-a -t 192.0.2.10:80 -r 192.0.2.12:80 -g -w 1",
]
TAKE_AWAY = "-e -t 192.0.2.10:80 -r 192.0.2.12:80 -g -w 0"
EDIT = "-E -t 192.0.2.10:80 -s mh -b mh-port,mh-fallback"


class Watch:
    """A running watch whose tables, addresses and guard are files of the test's."""

    def __init__(self, folder: Path, described, here: str, kept: str, held: str, snapshot: str):
        self._folder = folder
        for name, text in (("addresses", held), ("snapshot", snapshot), ("acts", "")):
            (folder / name).write_text(text)
        self.here(here)
        self.kept(kept)
        guard = folder / "guard"
        guard.write_text(
            f"#!/bin/sh\ncase $1 in kept) cat {folder}/snapshot ;;\n"
            f"serving) ;; *) {{ echo $1; cat; echo .; }} >>{folder}/acts ;; esac\n"
        )
        guard.chmod(0o700)
        text = {file.path: file.content for file in made(described)["web1"].all_files}[places.WATCH]
        for there, ours in (
            (places.GUARD, guard),
            (places.EVENTS, folder / "vrrp"),
            ("/run/vrrp.pid", folder / "no.pid"),
            ("ip netns exec selfbalance cat", "cat"),
            ("\nawait_entry();\n", "\n"),
            ("table($apart)", "table('apart')"),
            ("/proc/$_[0]/net/ip_vs", f"{folder}/$_[0]"),
            ("ip -o addr show dev bond0", f"cat {folder}/addresses"),
            ("now() + 5)", "now() + 0.3)"),
        ):
            assert there in text, there
            text = text.replace(there, str(ours))
        (folder / "watch").write_text(text)

    def _table(self, name: str, text: str) -> None:
        (self._folder / "new").write_text(HEAD + text)
        (self._folder / "new").rename(self._folder / name)

    def here(self, text: str) -> None:
        """The node's own table."""
        self._table("self", text)

    def kept(self, text: str) -> None:
        """The table that keepalived fills."""
        self._table("apart", text)

    def tell(self, role: str) -> None:
        """Say a change of role as keepalived does."""
        with (self._folder / "vrrp").open("w") as fifo:
            fifo.write(f'INSTANCE "web" {role} 230\n')

    def acts(self, *but: str) -> list[list[str]]:
        """What the guard was called for, each with what it was told; repetitions once."""
        parts = (self._folder / "acts").read_text().split(".\n")[:-1]
        acts = [part.splitlines() for part in parts]
        return [a for at, a in enumerate(acts) if a[0] not in but and a not in acts[:at]]


@contextmanager
def watching(
    folder: Path, here: str, kept: str, held: str = "", snapshot: str = "", described=APART
) -> Iterator[Watch]:
    watch = Watch(folder, described, here, kept, held, snapshot)
    with subprocess.Popen(["perl", str(folder / "watch")]) as process:
        try:
            eventually((folder / "vrrp").exists, True)
            yield watch
        finally:
            process.kill()


PROMOTED = {
    "all alive": (WHOLE, "", [["to-master", *ADD]]),
    # With its weight first: mh counts it then, as the last MASTER's did.
    "one dead": (DEAD, "", [["to-master", *ADD, TAKE_AWAY]]),
    "keepalived does not know yet": ("", "", [["to-master", *ADD]]),
    "but the snapshot does": (
        "",
        "\n".join([*ADD[:2], ADD[2].replace("-w 1", "-w 0")]) + "\n",
        [["to-master", *ADD, TAKE_AWAY]],
    ),
    "the snapshot is of another description": (
        "",
        f"{ADD[0]}\n{ADD[1].replace('-w 1', '-w 0')}\n",
        [["to-master", *ADD]],
    ),
    "keepalived knows better than the snapshot": (
        SERVICE + real(1, 1),
        "\n".join([ADD[0], ADD[1].replace("-w 1", "-w 0"), ADD[2].replace("-w 1", "-w 0")]),
        [["to-master", *ADD, TAKE_AWAY]],
    ),
}


@pytest.mark.parametrize(("kept", "snapshot", "acts"), PROMOTED.values(), ids=PROMOTED)
def test_a_node_that_becomes_master_gets_its_table(kept, snapshot, acts, tmp_path):
    with watching(tmp_path, here="", kept=kept, snapshot=snapshot) as watch:
        time.sleep(0.5)
        assert watch.acts("keep") == []
        watch.tell("MASTER")
        eventually(lambda: watch.acts("keep"), acts)


MASTERS = {
    "a realserver died": (WHOLE, DEAD, [["to-master", EDIT, TAKE_AWAY]]),
    "one came back": (DEAD, WHOLE, [["to-master", EDIT, TAKE_AWAY.replace("-w 0", "-w 1")]]),
    "a realserver is new": (HALF, WHOLE, [["to-master", EDIT, ADD[2]]]),
    "what is not described goes": (
        WHOLE + real(3, 1) + "TCP  C000020A:0051 wrr  \n" + real(1, 1).replace("0050", "0051"),
        WHOLE,
        [
            [
                "to-master",
                EDIT,
                "-d -t 192.0.2.10:81 -r 192.0.2.11:81",
                "-D -t 192.0.2.10:81",
                "-d -t 192.0.2.10:80 -r 192.0.2.13:80",
            ]
        ],
    ),
    # keepalived starts, or is about to reload: only what both know may change.
    "half a table": (WHOLE, SERVICE + real(2, 0), [["to-master", TAKE_AWAY]]),
    "no table": (WHOLE, "", []),
}


@pytest.mark.parametrize(("here", "kept", "acts"), MASTERS.values(), ids=MASTERS)
def test_a_master_follows_keepalived(here, kept, acts, tmp_path):
    """It has been MASTER since before the watch began: it holds the VIP."""
    held = "2: bond0    inet 192.0.2.10/32 scope global bond0"
    with watching(tmp_path, here, kept, held) as watch:
        time.sleep(1)
        # What the guard of the test does not do, the watch asks for again.
        eventually(lambda: watch.acts("keep")[:1], acts)


@pytest.mark.parametrize("role", ["BACKUP", "FAULT", "STOP"])
def test_whoever_is_no_longer_master_has_its_table_emptied(role, tmp_path):
    held = "2: bond0    inet 192.0.2.10/32 scope global bond0"
    with watching(tmp_path, WHOLE, WHOLE, held) as watch:
        watch.tell(role)
        eventually(lambda: ["to-backup", ""] in watch.acts(), True)


def test_where_keepalived_keeps_no_table_apart_a_backups_own_is_left_alone(tmp_path):
    """Before the change to this mode is activated, the node's table is keepalived's."""
    with watching(tmp_path, WHOLE, "") as watch:
        time.sleep(1)
        assert watch.acts() == []


def test_only_a_whole_table_that_stays_becomes_the_snapshot(tmp_path):
    with watching(tmp_path, "", HALF) as watch:
        time.sleep(1)
        assert watch.acts() == []
        watch.kept(DEAD)
        eventually(watch.acts, [["keep", *ADD[:2], ADD[2].replace("-w 1", "-w 0")]])


def test_a_lower_priority_that_is_heard_ends_no_role(tmp_path):
    with watching(tmp_path, "", WHOLE) as watch:
        watch.tell("MASTER")
        eventually(lambda: watch.acts("keep"), [["to-master", *ADD]])
        watch.here(WHOLE)
        watch.tell("MASTER_RX_LOWER_PRI")
        time.sleep(0.6)
        assert not [act for act in watch.acts() if act[0] == "to-backup"]


TUNNEL = cluster(("standby", "snapshot"), ("forwarding", "tun"), V4, TWO, HTTP)


def test_a_master_takes_another_way_of_forwarding_when_keepalived_does(tmp_path):
    held = "2: bond0    inet 192.0.2.10/32 scope global bond0"
    with watching(tmp_path, WHOLE, WHOLE, held, described=TUNNEL) as watch:
        eventually(lambda: watch.acts("keep")[:1], [["to-master", EDIT]])
        watch.kept(WHOLE.replace("Route ", "Tunnel"))
        tunnelled = [
            line.replace("-a", "-e").replace("-g", "-i --tun-type ipip") for line in ADD[1:]
        ]
        eventually(lambda: watch.acts("keep")[1:2], [["to-master", *tunnelled]])


def test_ipv6_is_written_as_ipvsadm_reads_it(tmp_path):
    with watching(tmp_path, "", SERVICE6 + real6(2, 0) + real6(1, 1), described=APART6) as watch:
        watch.tell("MASTER")
        add = [
            "-A -t [2001:db8::10]:80 -s mh -b mh-port,mh-fallback",
            "-a -t [2001:db8::10]:80 -r [2001:db8::11]:80 -g -w 1",
            "-a -t [2001:db8::10]:80 -r [2001:db8::12]:80 -g -w 1",
            "-e -t [2001:db8::10]:80 -r [2001:db8::12]:80 -g -w 0",
        ]
        eventually(lambda: watch.acts("keep"), [["to-master", *add]])
