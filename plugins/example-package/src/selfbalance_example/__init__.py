"""A scheduler and a gate for selfbalance. Each hook hands over a name and a thing."""

from __future__ import annotations

from selfbalance.gates import Gate, View
from selfbalance.model import Node
from selfbalance.plugins import Problem, Scheduler, Verdict, hook
from selfbalance.plugins.spec import Register

CANARIES = frozenset({"web3"})
"""Nodes that try something new first: write the names of yours."""


def weigh(node: Node) -> int:
    """1 for a canary, 10 for every other node."""
    return 1 if node.name in CANARIES else 10


def releases(view: View) -> Verdict:
    """All nodes run one release of one distribution."""
    found = {node.name: f"{node.distribution} {node.version_codename}" for node in view.state.seen}
    kinds = sorted(set(found.values()))
    if len(kinds) < 2:
        return Verdict(" ".join(kinds) or "no release known")
    listed = ", ".join(f"{name} {release}" for name, release in found.items())
    problem = Problem(f"nodes run {len(kinds)} releases: {listed}", None, "upgrade those behind")
    return Verdict(" and ".join(kinds), (problem,))


@hook
def register_schedulers(register: Register[Scheduler]) -> None:
    """Register `canary`."""
    register("canary", Scheduler("wrr", "a small share for a canary", weigh=weigh))


@hook
def register_gates(register: Register[Gate]) -> None:
    """Register `releases`."""
    register("releases", releases)
