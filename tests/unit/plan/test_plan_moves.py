"""Whether a node may be drained or may hand over: each reason why not, in words."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from looks import ACTIVE, APART, CLUSTER, DUAL, NAMES, ROUTED, ROUTED_APART, Look, bare, described

from selfbalance import Node
from selfbalance.observed import NodeState, Role, SeenRealserver
from selfbalance.plan import (
    drain_objection,
    handover_objection,
    heirs,
    mastered,
    stranger,
    untold,
)
from selfbalance.plugins import Problem

ALL = {*NAMES}
CLUSTERS = {"one VIP": CLUSTER, "apart": APART, "dual": DUAL, "routed apart": ROUTED_APART}
EVERY_CLUSTER = pytest.mark.parametrize("cluster", CLUSTERS.values(), ids=CLUSTERS)


def node(look: Look, name: str) -> NodeState:
    state = look.nodes[name]
    assert isinstance(state, NodeState)
    return state


# --- who is meant ---


def test_a_stranger_is_told_who_is_there():
    assert stranger(Look().view, "web3") is None
    assert stranger(Look().view, "web9") == "there is no node 'web9'; there are web1 web2 web3"
    assert drain_objection(Look().view, "web9", ALL) == stranger(Look().view, "web9")
    assert handover_objection(Look().view, "web9", ALL, ()) == stranger(Look().view, "web9")


# --- who has to be told ---


def test_where_every_director_takes_part_all_are_told():
    assert untold(Look().view, ALL) is None


def test_a_director_that_was_not_observed_has_to_be_left_out_by_name():
    look = Look().unobserved("web1", "ssh timed out")

    assert untold(look.view, ALL) == (
        "web1 could not be observed: ssh timed out; mend it or, if it is down, "
        "leave it out with --limit"
    )
    assert untold(look.view, {"web2", "web3"}) is None
    assert drain_objection(look.view, "web3", ALL) == untold(look.view, ALL)


def test_a_director_that_was_observed_may_not_be_left_out():
    said = untold(Look().view, {"web1", "web3"})

    assert said == "web2 directs too, and has to be told: do not leave it out by --limit"
    assert drain_objection(Look().view, "web3", {"web1", "web3"}) == said


def test_who_is_no_director_need_not_be_told():
    assert untold(Look(ROUTED).view, {"web1", "web2"}) is None
    assert untold(Look(ROUTED).unobserved("web3").view, ALL) is None


# --- who may be drained ---


@EVERY_CLUSTER
@pytest.mark.parametrize("name", NAMES)
def test_of_a_healthy_cluster_anybody_may_be_drained(cluster, name):
    assert drain_objection(Look(cluster).view, name, ALL) is None


@pytest.mark.parametrize("name", NAMES)
def test_with_two_masters_anybody_may_be_drained(name):
    assert drain_objection(Look(ACTIVE, ("web1", "web3")).view, name, ALL) is None


def test_the_last_one_with_weight_is_not_drained():
    look = Look().weigh(0, "web1").weigh(0, "web3")

    assert drain_objection(look.view, "web2", ALL) == (
        "nobody else would serve 192.0.2.10:80: on web1 no other realserver has weight"
    )
    # Whoever has no weight anyway serves nobody: it may be kept away.
    assert drain_objection(look.view, "web1", ALL) is None


def test_one_director_that_finds_nobody_else_is_enough():
    look = Look().weigh(0, "web1", seen_by=["web3"]).weigh(0, "web3", seen_by=["web3"])

    assert "on web3 no other realserver has weight" in str(drain_objection(look.view, "web2", ALL))


def test_the_last_one_by_a_mark_is_said_by_its_vip():
    look = Look(ACTIVE, ("web1", "web3")).weigh(0, "web1").weigh(0, "web3")

    said = drain_objection(look.view, "web2", ALL)

    assert said == "nobody else would serve 192.0.2.10:80: on web1 no other realserver has weight"


@pytest.mark.parametrize("cluster", [APART, ROUTED_APART], ids=["apart", "routed apart"])
def test_where_a_table_is_apart_that_one_is_asked(cluster):
    """The own table of a BACKUP is empty, the MASTER's a copy."""
    directors = tuple(n.name for n in cluster.nodes if n.director)
    look = Look(cluster).weigh(0, "web1").weigh(0, "web2")
    stale = Look(cluster)
    for name in directors:
        stale.change(name, table=node(look, name).table)

    assert "on web1 no other realserver has weight" in str(drain_objection(look.view, "web3", ALL))
    assert drain_objection(stale.view, "web3", ALL) is None


def test_what_a_node_has_that_only_serves_is_no_word_on_who_else_serves():
    look = Look(ROUTED)
    stray = tuple(
        replace(service, realservers=service.realservers[:1])
        for service in node(look, "web1").table
    )

    assert drain_objection(look.change("web3", table=stray).view, "web1", ALL) is None


@pytest.mark.parametrize(
    "real", [(), (SeenRealserver(ip_address("10.0.0.1"), 80, "Masq", 0, 0, 0),)]
)
def test_a_service_that_the_node_does_not_serve_keeps_it_from_nothing(real):
    look = Look()
    (service,) = node(look, "web2").table
    look.change("web2", table=(service, replace(service, port=8080, realservers=real)))

    assert drain_objection(look.view, "web1", ALL) is None


def test_the_only_node_is_not_drained():
    one = described(nodes=[Node(name="web1", address="192.0.2.11")])

    assert "nobody else would serve 192.0.2.10:80" in str(
        drain_objection(Look(one, "web1").view, "web1", {"web1"})
    )


def test_where_no_table_is_nobody_knows_who_else_serves():
    look = Look()
    for name in NAMES:
        look.nodes[name] = bare(CLUSTER, name)

    assert drain_objection(look.view, "web1", ALL) == (
        "no director has a table: whether somebody else would serve is not known"
    )


def test_a_table_that_is_known_nowhere_is_no_permission():
    look = Look()
    for name in NAMES:
        look.unknown(name, "table")

    assert "not known" in str(drain_objection(look.view, "web1", ALL))


@pytest.mark.parametrize(
    ("version", "drains"),
    [
        ("1:2.1.5-0.2+deb11u1", False),
        ("1:2.0.19-2ubuntu0.2", False),
        ("1:2.2.4-0.2build1", True),
        ("1:2.2.7-1+b2", True),
        ("1:2.10.0-1", True),
        ("3.0", True),
        ("odd", True),
    ],
)
def test_a_keepalived_that_lowers_no_weight_below_1_drains_nobody(version, drains):
    look = Look().change("web1", packages={"keepalived": version})

    said = drain_objection(look.view, "web3", ALL)

    assert said == (
        None
        if drains
        else f"web1 has keepalived {version}, which lowers no weight below 1; draining needs 2.2, "
        "as in Debian 12 or Ubuntu 22.04"
    )


def test_the_keepalived_of_a_node_that_only_serves_weighs_nobody():
    look = Look(ROUTED).change("web3", packages={"keepalived": "1:2.1.5-0.2"})

    assert drain_objection(look.view, "web1", ALL) is None


# --- who is MASTER of what ---


def test_a_master_is_one_of_each_vrrp_instance():
    first, second = ACTIVE.instances
    look = Look(ACTIVE, ("web1", "web3"))

    assert mastered(look.view, "web1") == (first,)
    assert mastered(look.view, "web2") == ()
    assert mastered(look.view, "web3") == (second,)
    assert mastered(Look(ACTIVE, "web1").view, "web1") == (first, second)
    assert mastered(look.unobserved("web1").view, "web1") == ()


def test_heirs_are_the_backups_of_the_highest_priority_of_each_instance():
    assert heirs(Look().view, "web2") == ("web1",)
    assert heirs(Look().view, "web1") == ()
    both = Look(ACTIVE, "web1").view
    priorities = [
        {seen.name: seen.instances[at].effective_priority for seen in both.state.seen}
        for at in (0, 1)
    ]
    expected = [max({"web2", "web3"}, key=each.get) for each in priorities]
    assert heirs(both, "web1") == tuple(dict.fromkeys(expected))


def test_a_priority_in_effect_decides_and_not_the_base():
    look = Look()
    (web3,) = node(look, "web3").instances
    look.change("web3", instances=(replace(web3, effective_priority=240),))

    assert heirs(look.view, "web2") == ("web3",)


# --- who may hand over ---


@EVERY_CLUSTER
def test_a_healthy_master_may_hand_over(cluster):
    assert handover_objection(Look(cluster).view, "web2", ALL, ()) is None


def test_who_is_not_master_has_nothing_against_it():
    """There is nothing to do, which is not wrong."""
    assert handover_objection(Look().view, "web1", ALL, ()) is None


def test_who_is_left_out_does_not_hand_over():
    assert handover_objection(Look().view, "web2", {"web1"}, ()) == "web2 is left out by --limit"


def test_a_node_that_was_not_observed_has_to_be_left_out_first():
    look = Look().unobserved("web1", "no route to host")

    assert handover_objection(look.view, "web2", ALL, ()) == (
        "web1 could not be observed: no route to host; mend it or, if it is down, "
        "leave it out with --limit"
    )
    assert handover_objection(look.view, "web2", {"web2", "web3"}, ()) is None


@pytest.mark.parametrize("name", ["web1", "web2"])
def test_a_node_whose_role_is_not_known_is_no_reason_to_do_nothing(name):
    look = Look().unknown(name, "keepalived")

    assert handover_objection(look.view, "web2", ALL, ()) == (
        f"{name}: its role is not known: keepalived went wrong"
    )


def test_who_only_serves_has_no_role_to_know():
    look = Look(ROUTED).unknown("web3", "keepalived")

    assert handover_objection(look.view, "web2", ALL, ()) is None
    assert handover_objection(look.unobserved("web3").view, "web2", {"web1", "web2"}, ()) is None


def test_nobody_hands_over_to_nobody():
    look = Look().dead("web1").dead("web3")

    assert handover_objection(look.view, "web2", ALL, ()) == (
        "nobody could take over 192.0.2.10 from web2"
    )


def test_who_is_in_fault_takes_nothing_over():
    look = Look()
    for name in ("web1", "web3"):
        (seen,) = node(look, name).instances
        look.change(name, instances=(replace(seen, role=Role.FAULT),))

    assert "nobody could take over" in str(handover_objection(look.view, "web2", ALL, ()))


def test_every_instance_needs_somebody_and_all_its_vips_are_said():
    look = Look(ACTIVE, "web1")
    for name in ("web2", "web3"):
        first, second = node(look, name).instances
        look.change(name, instances=(first, replace(second, role=Role.FAULT)))

    assert handover_objection(look.view, "web1", ALL, ()) == (
        "nobody could take over 2001:db8:5b::10 from web1"
    )
    vips = Look(DUAL).dead("web1").dead("web3").view
    assert "192.0.2.10 2001:db8:5b::10 from web2" in str(handover_objection(vips, "web2", ALL, ()))


def test_an_heir_that_is_not_well_is_a_reason_and_another_node_is_none():
    look = Look()
    problems = [Problem("web3: nothing listens", "web3"), Problem("of all", None)]

    assert handover_objection(look.view, "web2", ALL, problems) is None
    assert handover_objection(look.view, "web2", ALL, [*problems, Problem("ill", "web1")]) == (
        "web1 would take over from web2, but: ill"
    )
