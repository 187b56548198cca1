"""Facts of nodes that a deployment depends on: read from a look, kept on every node as a record.

A node that cannot be observed is known by the record that the last change left on the others, so
that its loss changes nobody's configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from selfbalance.plugins import Facts

if TYPE_CHECKING:
    from selfbalance.observed.state import ClusterState, NodeState

_MEMORY_STEP = 64 * 2**20


def read_cpus(text: str) -> int:
    """Count a list of CPUs, "0-3,6" (Documentation/admin-guide/cputopology.rst, "online")."""
    ranges = (part.split("-") for part in text.split(","))
    return sum(int(last) - int(first) + 1 for first, *rest in ranges for last in [*rest, first][:1])


def read_memory(line: str) -> int:
    """Read "MemTotal:  373364 kB" (proc(5), /proc/meminfo) as bytes, in steps of 64 MiB."""
    name, number, unit = line.split()
    if (name, unit) != ("MemTotal:", "kB"):
        raise ValueError(f"no size of the memory: {line!r}")
    return max(1, int(number) * 1024 // _MEMORY_STEP) * _MEMORY_STEP


def read_facts(lines: Sequence[str]) -> Mapping[str, Facts]:
    """Read a record: a line "NAME CORES MEMORY MAC" for each node, and comments."""
    rows = (line.split() for line in lines if not line.startswith("#"))
    return {name: Facts(int(cores), int(memory), mac) for name, cores, memory, mac in rows}


def facts_of(state: ClusterState) -> Mapping[str, Facts]:
    """Return the facts of every node that was seen, or that all records of the others agree on."""
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
