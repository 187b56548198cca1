"""In which order nodes activate: BACKUPs first, the MASTER last; or all in one moment."""

from __future__ import annotations

from dataclasses import replace

import pytest
from looks import ACTIVE, CLUSTER, MASTER, NAMES, ROUTED, Look, bare, described, desired

from selfbalance.model import Node
from selfbalance.observed import NodeState, Unobserved
from selfbalance.plan import (
    Act,
    NodePlan,
    Rollout,
    Wave,
    agreement_objection,
    plan_node,
    plan_rollout,
)


def plans(**acts: Act) -> dict[str, NodePlan]:
    """Plans that do that to keepalived, and nothing else."""
    nothing = plan_node(desired()["web1"], Look().nodes["web1"])
    return {name: replace(nothing, node=name, act=act) for name, act in acts.items()}


def everywhere(act: Act) -> dict[str, NodePlan]:
    return plans(**dict.fromkeys(NAMES, act))


def waves(look: Look, some: dict[str, NodePlan]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(wave.acts) for wave in plan_rollout(look.view, some).waves)


def test_nothing_to_do_is_no_rollout():
    assert plan_rollout(Look().view, everywhere(Act.NONE)) == Rollout(())
    assert not Rollout(())
    assert Rollout((Wave({"web1": Act.START}),))


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


def test_what_died_starts_before_others_are_touched():
    """It may be the heir of the one that is touched next."""
    acts = plans(web1=Act.START, web2=Act.RELOAD, web3=Act.RELOAD)

    assert waves(Look().dead("web1"), acts) == (("web1",), ("web3",), ("web2",))


def test_a_node_that_is_new_starts_when_all_others_know_it():
    """One that no MASTER sends adverts to yet would become MASTER."""
    acts = plans(web1=Act.START, web2=Act.RESTART, web3=Act.RELOAD)
    acts["web1"] = replace(acts["web1"], new=True)

    assert waves(Look().dead("web1"), acts) == (("web3",), ("web2",), ("web1",))


@pytest.mark.parametrize("standby", ["backup-only", "snapshot", "source-mac"])
def test_a_node_with_another_address_starts_when_all_others_know_it(standby):
    """No MASTER sends adverts there yet: it stopped, moved, and is described anew."""
    old = described(standby=standby)
    moved = Node(name="web1", address="192.0.2.33")
    look = Look(old).dead("web1")
    look.cluster = described(standby=standby, nodes=[moved, *old.nodes[1:]])
    acts = plans(web1=Act.START, web2=Act.RELOAD, web3=Act.RELOAD)

    assert waves(look, acts) == (("web3",), ("web2",), ("web1",))
    assert waves(Look(old).dead("web1"), acts) == (("web1",), ("web3",), ("web2",))


def agreeing(**acts: Act) -> dict[str, NodePlan]:
    """The same, where adverts change."""
    return {name: replace(plan, agreed=True) for name, plan in plans(**acts).items()}


def test_where_adverts_change_all_peers_change_at_the_same_second():
    rollout = plan_rollout(Look().view, agreeing(**dict.fromkeys(NAMES, Act.RELOAD)))

    assert rollout.waves == (Wave(dict.fromkeys(NAMES, Act.RELOAD), same_second=True),)
    assert rollout.words == "reload web1 and reload web2 and reload web3 at the same second"


def test_where_adverts_change_and_a_restart_is_needed_all_restart_in_turn():
    """As where the standby mode and its VRRP instances change: no node alone could be proven."""
    rollout = plan_rollout(Look().view, agreeing(**dict.fromkeys(NAMES, Act.RESTART)))

    assert rollout.waves == (Wave(dict.fromkeys(("web1", "web3", "web2"), Act.RESTART)),)
    assert list(rollout.waves[0].acts) == ["web1", "web3", "web2"]


def test_one_that_lags_behind_alone_reloads_when_it_is_told():
    rollout = plan_rollout(Look().view, agreeing(web3=Act.RELOAD))

    assert rollout.waves == (Wave({"web3": Act.RELOAD}),)


def test_what_starts_anew_needs_no_moment():
    acts = agreeing(web1=Act.RELOAD, web2=Act.RELOAD)
    acts |= {"web3": replace(plans(web3=Act.START)["web3"], new=True)}

    assert plan_rollout(Look().dead("web3").view, acts).waves == (
        Wave(dict.fromkeys(("web1", "web2"), Act.RELOAD), same_second=True),
        Wave({"web3": Act.START}),
    )


def objection(look: Look, *taking_part: str) -> str | None:
    some = agreeing(**dict.fromkeys(taking_part or NAMES, Act.RELOAD))
    return agreement_objection(look.view, some, taking_part or NAMES)


def old(look: Look) -> Look:
    for name in NAMES:
        if isinstance(look.nodes[name], NodeState):
            look.change(name, dialect="0ther")
    return look


def test_peers_that_all_take_part_may_change_what_they_agree_on():
    assert objection(old(Look())) is None


def test_a_peer_that_is_left_out_would_become_a_second_master():
    assert objection(old(Look()), "web1", "web2") == (
        "VRRP peers have to change at the same second, but web3 is left out by --limit: it would "
        "become a second MASTER"
    )


def test_a_peer_that_is_left_out_and_has_changed_already_is_no_harm():
    look = old(Look()).change("web3", dialect=desired()["web3"].dialect)

    assert objection(look, "web1", "web2") is None


def test_a_peer_that_could_not_be_observed_would_come_back_as_a_second_master():
    assert objection(old(Look()).unobserved("web2"), "web1", "web3") == (
        "VRRP peers have to change at the same second, but web2 could not be observed: it would "
        "come back as a second MASTER; mend it, or take it out of the description"
    )


def test_who_only_serves_is_no_peer():
    look = Look(ROUTED)
    look.nodes["web3"] = Unobserved("web3", "no route to host")
    some = agreeing(web1=Act.RELOAD, web2=Act.RELOAD)

    assert agreement_objection(look.view, some, ("web1", "web2")) is None


def test_where_adverts_stay_nobody_has_to_agree():
    some = plans(web1=Act.RELOAD)

    assert agreement_objection(Look().unobserved("web2").view, some, ("web1",)) is None


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
