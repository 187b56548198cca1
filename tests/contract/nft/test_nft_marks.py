"""The script that marks clients, and Debian's own nft: which packets really carry which mark."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from looks import ACTIVE, STRANGER, VIP, VIP6, desired, mac

from selfbalance.desired import places
from selfbalance.observed import SeenMarks
from selfbalance.observed.marks import read_marks

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
FRAMES = Path(__file__).parent / "frames.py"
WANT = desired(ACTIVE)["web1"]
MARKS = {to: mark for mark, to in WANT.marked.items()}
WEB1, WEB2, WEB3 = (mac(ACTIVE, name) for name in ("web1", "web2", "web3"))
# A veth pair for a cable. What arrives is counted by its mark, on its way to the node itself.
SETUP = """\
set -eu
mount -t tmpfs tmpfs /run
ip link add eth0 type veth peer name client
ip link set eth0 address {web1} up
ip link set client up
ip addr add {vip}/32 dev eth0
ip -6 addr add {vip6}/128 dev eth0 nodad
for family in ip ip6; do
    nft "add table $family count"
    nft "add chain $family count arrived {{ type filter hook input priority 0; }}"
    for mark in 0 {marks}; do
        nft "add rule $family count arrived tcp dport != 0 meta mark $mark counter"
    done
done
"""


def inside(tmp_path: Path, *commands: str) -> str:
    """Run commands in a network of their own, with the script of web1 in it."""
    missing = [tool for tool in ("nft", "unshare", "ip") if not shutil.which(tool, path=PATH)]
    if missing and os.environ.get("SELFBALANCE_REQUIRE_LAB") == "1":
        pytest.fail(f"not installed here: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed here: {', '.join(missing)}")
    script = next(file.content for file in WANT.files if file.path == places.MARKS)
    (tmp_path / "marks").write_text(script)
    marks = " ".join(map(str, MARKS.values()))
    setup = SETUP.format(web1=WEB1, vip=VIP, vip6=VIP6, marks=marks)
    mine = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    ran = subprocess.run(
        ["unshare", *mine, "--net", "--mount", "sh", "-c", setup + "\n".join(commands)],
        env={**os.environ, "PATH": PATH},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def sent(*questions: tuple[str, object, int]) -> str:
    """The command that sends a SYN each, from a MAC to an address and a port."""
    words = " ".join(f"{source} {to} {port}" for source, to, port in questions)
    return f"{sys.executable} {FRAMES} client {WEB1} {words}; sleep 0.2"


def counted(said: str) -> dict[int, int]:
    """How many packets arrived with each mark, of both families."""
    counts: dict[int, int] = {}
    for mark, packets in re.findall(r"meta mark (\w+) counter packets (\d+)", said):
        counts[int(mark, 0)] = counts.get(int(mark, 0), 0) + int(packets)
    return {mark: count for mark, count in counts.items() if count}


SHOWN = "nft --numeric list ruleset"


def test_what_nft_has_taken_is_read_back_as_it_was_wanted(tmp_path):
    said = inside(tmp_path, "sh marks set", "sh marks set", "sh marks show")

    everything = frozenset(WANT.marked)
    assert read_marks(said.splitlines())["marks"] == SeenMarks(
        "nft", WANT.marked, {WEB2: everything, WEB3: everything}
    )


@pytest.mark.parametrize(("vip", "port"), MARKS)
def test_what_a_client_sends_is_marked_and_what_a_peer_sends_is_not(tmp_path, vip, port):
    packets = sent(
        (STRANGER, vip, port), (WEB2, vip, port), (WEB3, vip, port), (STRANGER, vip, port)
    )

    said = inside(tmp_path, "sh marks set", packets, SHOWN)

    assert counted(said) == {0: 2, MARKS[vip, port]: 2}


def test_other_ports_are_nobodys_business(tmp_path):
    said = inside(tmp_path, "sh marks set", sent((STRANGER, VIP, 22), (STRANGER, VIP6, 22)), SHOWN)

    assert counted(said) == {0: 2}


def test_without_the_script_nothing_is_marked(tmp_path):
    """The proof that the counts above are the script's doing."""
    assert counted(inside(tmp_path, sent((STRANGER, VIP, 80)), SHOWN)) == {0: 1}


def test_rules_that_somebody_flushed_are_missed(tmp_path):
    said = inside(tmp_path, "sh marks set", "nft flush ruleset", "sh marks show")

    assert read_marks(said.splitlines())["marks"] == SeenMarks("nft")
