"""In which order nodes activate: all at once where nothing is lost by it, the MASTER last."""

from __future__ import annotations

from dataclasses import replace

import pytest
from looks import ACTIVE, CLUSTER, MASTER, NAMES, Look, bare, desired

from selfbalance.observed import NodeState
from selfbalance.plan import Act, NodePlan, Rollout, plan_node, plan_rollout


def plans(**acts: Act) -> dict[str, NodePlan]:
    """Plans that do that to keepalived, and nothing else."""
    nothing = plan_node(desired()["web1"], Look().nodes["web1"])
    return {name: replace(nothing, node=name, act=act) for name, act in acts.items()}


def everywhere(act: Act) -> dict[str, NodePlan]:
    return plans(**dict.fromkeys(NAMES, act))


def waves(look: Look, some: dict[str, NodePlan]) -> tuple[tuple[str, ...], ...]:
    return plan_rollout(look.view, some).waves


def test_nothing_to_do_is_no_rollout():
    assert plan_rollout(Look().view, everywhere(Act.NONE)) == Rollout(())
    assert not Rollout(())
    assert Rollout((("web1",),))


def cold() -> Look:
    look = Look()
    for name in NAMES:
        look.nodes[name] = bare(CLUSTER, name)
    return look


def test_where_nothing_serves_all_start_at_once():
    assert waves(cold(), everywhere(Act.START)) == (("web1", "web2", "web3"),)


@pytest.mark.parametrize(
    ("master", "order"),
    [
        ("web1", (("web2",), ("web3",), ("web1",))),
        ("web2", (("web1",), ("web3",), ("web2",))),
        ("web3", (("web1",), ("web2",), ("web3",))),
    ],
)
@pytest.mark.parametrize("act", [Act.RELOAD, Act.RESTART])
def test_where_something_serves_nodes_go_one_by_one_and_the_master_last(master, order, act):
    assert waves(Look(master=master), everywhere(act)) == order


def test_who_is_master_of_any_instance_comes_after_who_is_of_none():
    look = Look(ACTIVE, ("web1", "web2"))

    assert waves(look, everywhere(Act.RELOAD)) == (("web3",), ("web1",), ("web2",))


def test_only_those_with_something_to_do_take_part():
    acts = plans(web1=Act.NONE, web2=Act.RELOAD, web3=Act.RESTART)

    assert waves(Look(), acts) == (("web3",), ("web2",))
    assert waves(Look(), plans(web1=Act.RELOAD)) == (("web1",),)


def test_a_node_that_starts_beside_live_ones_has_a_turn_of_its_own():
    acts = plans(web1=Act.START, web2=Act.RELOAD, web3=Act.NONE)

    assert waves(Look().dead("web1"), acts) == (("web1",), ("web2",))


def test_where_the_table_changes_all_act_together_and_starts_come_last():
    """A node that starts while no MASTER sends it adverts yet would become MASTER."""
    acts = plans(web1=Act.START, web2=Act.RESTART, web3=Act.RELOAD)
    acts["web3"] = replace(acts["web3"], together=True)

    assert waves(Look().dead("web1"), acts) == (("web3", "web2", "web1"),)


def test_a_node_that_was_not_observed_takes_no_part():
    look = Look().unobserved("web1")
    some = {
        name: plan_node(desired()[name], replace(state, files={}))
        for name, state in look.nodes.items()
        if isinstance(state, NodeState)
    }

    assert waves(look, some) == (("web3",), ("web2",))


def test_a_node_whose_units_are_unknown_may_be_live():
    """If all at once were wrong, it could not be undone; one by one is never wrong."""
    look = cold()
    look.nodes[MASTER] = Look().unknown(MASTER, "units").nodes[MASTER]

    assert waves(look, plans(web1=Act.START, web3=Act.START)) == (("web1",), ("web3",))


def test_two_masters_both_go_last():
    look = Look()
    web1 = look.nodes["web1"]
    assert isinstance(web1, NodeState)
    look.change("web1", instances=look.nodes[MASTER].instances)

    assert waves(look, everywhere(Act.RELOAD)) == (("web3",), ("web1",), ("web2",))
