"""Firewall marks as each tool prints them: what a node of the lab, or a network namespace, said."""

from __future__ import annotations

from pathlib import Path

import pytest
from looks import ACTIVE, desired, mac

from selfbalance.observed import SeenMarks
from selfbalance.observed.marks import read_marks

WANT = desired(ACTIVE)["web1"]
MARKS = WANT.marked
WEB2, WEB3 = mac(ACTIVE, "web2"), mac(ACTIVE, "web3")
HTTP, HTTPS, HTTP6, HTTPS6 = MARKS
ALL = frozenset(MARKS)
TOOLS = ("nft", "iptables-legacy", "tc")
SAID = {
    tool: (Path(__file__).parent / "recorded" / f"marks-{tool}.txt").read_text().splitlines()
    for tool in TOOLS
}


def seen(lines: list[str]) -> SeenMarks:
    """What is read of what the script printed; blank lines do not reach a reader."""
    marks = read_marks([line for line in lines if line.strip()])["marks"]
    assert isinstance(marks, SeenMarks)
    return marks


def without(tool: str, *words: str, times: int = 1) -> list[str]:
    """What a tool printed, without so many lines that hold all of the words."""
    left = []
    for line in SAID[tool]:
        if times and all(word in line for word in words):
            times -= 1
        else:
            left.append(line)
    assert not times
    return left


@pytest.mark.parametrize("tool", TOOLS)
def test_what_was_recorded_is_what_a_healthy_node_has(tool):
    assert seen(SAID[tool]) == SeenMarks(tool, MARKS, {WEB2: ALL, WEB3: ALL})


@pytest.mark.parametrize("lines", [[], ["tool nft"], ["tool tc"], ["tool iptables-legacy"]])
def test_no_rule_is_no_mark(lines):
    assert (seen(lines).services, seen(lines).peers) == ({}, {})


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("nft", ("192.0.2.10 tcp dport 80 ",)),
        ("iptables-legacy", ("192.0.2.10/32", "--dport 80 ")),
        ("tc", (f"skbedit  mark {HTTP} ",)),
    ],
)
def test_a_mark_that_is_gone_is_missed(tool, words):
    assert seen(without(tool, *words)).services.keys() == MARKS.keys() - {HTTP}


@pytest.mark.parametrize("tool", ["nft", "iptables-legacy"])
def test_a_peer_that_one_family_does_not_know_gets_the_marks_of_that_family(tool):
    marks = seen(without(tool, WEB3, times=1))

    assert marks.peers == {WEB2: ALL, WEB3: frozenset({HTTP6, HTTPS6})}


def test_a_peer_that_one_filter_does_not_pass_gets_that_mark():
    lines = SAID["tc"]
    at = next(i for i, line in enumerate(lines) if WEB2 in line)
    end = lines.index("", at)

    assert seen(lines[: at - 1] + lines[end:]).peers == {WEB2: ALL - {HTTP}, WEB3: ALL}


def test_a_filter_that_drops_a_peers_packet_does_not_pass_it():
    text = "\n".join(SAID["tc"]).replace("gact action pass", "gact action drop", 1)

    assert seen(text.splitlines()).peers[WEB2] == ALL - {HTTP}


def test_a_chain_that_nothing_jumps_to_marks_nothing():
    """Somebody's firewall that flushes PREROUTING leaves the chain, and nobody calls it."""
    marks = seen(without("iptables-legacy", "-A PREROUTING"))

    assert marks.services.keys() == {HTTP6, HTTPS6}


@pytest.mark.parametrize(
    "lines",
    [
        ["tool magic"],
        ["no tool", *SAID["nft"]],
        ["tool nft", "table ip selfbalance {", "ip daddr here tcp dport 80 meta mark set 0x5b"],
        ["tool tc", "filter a", "dst_ip 192.0.2.10", "action order 1: skbedit  mark 5 pipe"],
    ],
)
def test_what_no_tool_prints_is_refused(lines):
    with pytest.raises((ValueError, KeyError)):
        seen(lines)
