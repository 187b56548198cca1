"""Firewall marks as the kernel has them, in the words of nft, iptables-legacy or tc."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from selfbalance.model.words import IPAddress


@dataclass(frozen=True)
class SeenMarks:
    """What a node marks.

    `tool` does it; `services` has the VIP and the port of each mark; `peers` the marks that a MAC's
    packets do not get.
    """

    tool: str = ""
    services: Mapping[int, tuple[IPAddress, int]] = field(default_factory=dict)
    peers: Mapping[str, frozenset[int]] = field(default_factory=dict)


def read_marks(lines: Sequence[str]) -> Mapping[str, object]:
    """Read what `selfbalance-marks show` printed; nothing where a node marks nothing."""
    if not lines:
        return {"marks": SeenMarks()}
    tool = lines[0].removeprefix("tool ")
    services: dict[int, tuple[IPAddress, int]] = {}
    peers: dict[str, set[int]] = {}
    for known, marked in _READERS[tool](lines[1:]):
        services.update(marked)
        for mac in known:
            peers.setdefault(mac, set()).update(marked)
    return {"marks": SeenMarks(tool, services, {m: frozenset(each) for m, each in peers.items()})}


_Part = tuple[set[str], dict[int, tuple[IPAddress, int]]]
"""MACs, and the marks that their packets do not get."""

_NFT_PEER = re.compile(r"ether saddr (\S+) return")
_NFT_MARK = re.compile(r"ip6? daddr (\S+) \w+ dport (\d+) meta mark set (\w+)")
_IPTABLES_PEER = re.compile(r"-A SELFBALANCE -m mac --mac-source (\S+) -j RETURN")
_IPTABLES_MARK = re.compile(
    r"-A SELFBALANCE -d ([^/\s]+)/\d+ .*--dport (\d+) -j MARK --set-xmark (\w+)/0xffffffff"
)


def _nft(lines: Sequence[str]) -> Iterator[_Part]:
    for part in _parts(lines, "table "):
        yield _part(part, _NFT_PEER, _NFT_MARK)


def _iptables(lines: Sequence[str]) -> Iterator[_Part]:
    """Yield a part a family; without the jump from PREROUTING its rules count for nothing."""
    for part in _parts(lines, "family "):
        if any(re.match(r"-A PREROUTING -i \S+ -j SELFBALANCE", line) for line in part):
            yield _part(part, _IPTABLES_PEER, _IPTABLES_MARK)


def _parts(lines: Sequence[str], head: str) -> Iterator[list[str]]:
    part: list[str] = []
    for line in lines:
        if line.startswith(head) and part:
            yield part
            part = []
        part.append(line.strip())
    yield part


def _part(lines: Sequence[str], peer: re.Pattern[str], mark: re.Pattern[str]) -> _Part:
    macs = {found[1].lower() for line in lines if (found := peer.search(line))}
    marks = (found for line in lines if (found := mark.search(line)))
    return macs, {int(m[3], 0): (ip_address(m[1]), int(m[2])) for m in marks}


def _tc(lines: Sequence[str]) -> Iterator[_Part]:
    """Yield a part a mark. A filter is a head, its keys, and its actions (tc-flower(8))."""
    filters = [_filter(part) for part in _parts(lines, "filter ")]
    passed = defaultdict(set)
    for each in filters:
        if each.get("action") == "pass":
            passed[each["dst_ip"], each["dst_port"]].add(each["src_mac"])
    for each in filters:
        if "mark" in each:
            vip, port = each["dst_ip"], each["dst_port"]
            yield passed[vip, port], {int(each["mark"]): (ip_address(vip), int(port))}


def _filter(lines: Sequence[str]) -> Mapping[str, str]:
    keys = dict(line.split(None, 1) for line in lines[1:] if len(line.split(None, 1)) == 2)
    text = " ".join(lines)
    if marked := re.search(r"skbedit\s+mark (\d+)", text):
        keys["mark"] = marked[1]
    if passed := re.search(r"gact action (\w+)", text):
        keys["action"] = passed[1]
    return keys


_READERS: Mapping[str, Callable[[Sequence[str]], Iterator[_Part]]] = {
    "nft": _nft,
    "iptables-legacy": _iptables,
    "tc": _tc,
}
