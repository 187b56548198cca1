"""What another design has set up is one calm problem a node."""

from __future__ import annotations

from dataclasses import replace

from foundings import LINES, lines, rendered
from looks import CLUSTER, NAMES, PLUGINS, bare, desired, healthy

from selfbalance.gates import View, judge
from selfbalance.observed import ClusterState, NodeState
from selfbalance.observed.founding import read_founding


def old(name: str) -> NodeState:
    """A node of the old design, as bare of ours as can be; the first is its MASTER."""
    number = NAMES.index(name)
    found = read_founding([*lines(rendered("keepalived.conf.j2", number)), *LINES])["founding"]
    state = healthy(master="web1")[name]
    return replace(
        bare(CLUSTER, name),
        founding=found,
        addresses=state.addresses,
        claims=state.claims,
        answers=state.answers,
        peer_macs=state.peer_macs,
    )


def verdicts(states: dict[str, NodeState]):
    return judge(View(CLUSTER, desired(), ClusterState(tuple(states.values()))), PLUGINS)


def test_a_cluster_of_ours_has_no_such_gate():
    assert "founding" not in verdicts(healthy())


def test_each_node_is_one_problem_and_the_owner_is_known():
    found = verdicts({name: old(name) for name in NAMES})
    problems = [problem for verdict in found.values() for problem in verdict.problems]

    assert [problem.node for problem in problems] == [*NAMES]
    assert problems[0].what.startswith(
        "web1: keepalived.conf is of the 2013 design: VRRP version 2, VRID 51, priority 150"
    )
    assert "docs/migrate-from-2013.md" in problems[0].remedy
    assert found["vip"].seen == "192.0.2.10 owner web1 (by address, by ARP)"


def test_what_is_not_of_2013_has_another_remedy():
    state = old("web3")
    assert state.founding
    states = {
        **healthy(master="web1"),
        "web3": replace(state, founding=replace(state.founding, strange="it has x")),
    }
    (problem,) = verdicts(states)["founding"].problems
    assert problem.what == (
        "web3: keepalived.conf is neither selfbalance's nor of the 2013 design: it has x"
    )
    assert "--data replace=true" in problem.remedy


def test_a_migration_that_has_not_ended_is_told():
    states = {**healthy(), "web3": replace(healthy()["web3"], adopting=190)}
    (problem,) = verdicts(states)["founding"].problems
    assert "its migration from the 2013 design has not ended" in problem.what
