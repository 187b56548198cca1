"""Facts of nodes that a deployment depends on: read from a look, kept on every node as a record.

A node that cannot be observed is known by the record that the last change left on the others, so
that its loss changes nobody's configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from selfbalance.observed.state import ClusterState, NodeState
from selfbalance.plugins import Facts

_MEMORY_STEP = 64 * 2**20
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def read_cpus(text: str) -> int:
    """Count a list of CPUs, "0-3,6" (Documentation/admin-guide/cputopology.rst, "online")."""
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text, re.ASCII):
        raise ValueError(f"no list of CPUs: {text!r}")
    ranges = [[int(end) for end in part.split("-")] for part in text.split(",")]
    if any(each[0] > each[-1] for each in ranges):
        raise ValueError(f"a list of CPUs that runs backwards: {text!r}")
    return sum(each[-1] - each[0] + 1 for each in ranges)


def read_memory(line: str) -> int:
    """Read "MemTotal:  373364 kB" (proc(5), /proc/meminfo) as bytes, in whole 64 MiB."""
    name, number, unit = line.split()
    if (name, unit) != ("MemTotal:", "kB"):
        raise ValueError(f"no size of the memory: {line!r}")
    return max(1, _count(number) * 1024 // _MEMORY_STEP) * _MEMORY_STEP


def read_mac(text: str) -> str:
    """Read "02:5b:00:00:00:0b" (ip-link(8)), strictly: it comes to stand in other nodes' files."""
    if not _MAC.fullmatch(text):
        raise ValueError(f"no MAC: {text!r}")
    return text


def read_facts(lines: Sequence[str]) -> Mapping[str, Facts]:
    """Read a record: a line "NAME CORES MEMORY MAC" for each node, and comments."""
    facts: dict[str, Facts] = {}
    for line in lines:
        if line.startswith("#"):
            continue
        name, cores, memory, mac = line.split()
        if name in facts:
            raise ValueError(f"facts of {name} twice: {line!r}")
        facts[name] = Facts(_count(cores), _count(memory), read_mac(mac))
    return facts


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]*", text):
        raise ValueError(f"not a whole number above 0: {text!r}")
    return int(text)


def facts_of(state: ClusterState) -> Mapping[str, Facts]:
    """Return the facts of every node that told them, or of which all records say the same."""
    recorded: dict[str, set[Facts]] = {}
    for seen in state.seen:
        for name, facts in seen.recorded.items():
            recorded.setdefault(name, set()).add(facts)
    agreed = {name: next(iter(each)) for name, each in recorded.items() if len(each) == 1}
    return {**agreed, **{seen.name: _facts(seen) for seen in state.seen if _told(seen)}}


def _told(seen: NodeState) -> bool:
    return not {"facts", "links"} & seen.unknown.keys()


def _facts(seen: NodeState) -> Facts:
    return Facts(seen.cores, seen.memory_bytes, seen.mac)
