"""The gates: silent on a healthy cluster, and each fault is found, named, and told once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address
from types import ModuleType

import pytest
from clusters import clusters, steady
from faults import FAULTS, Fault, active, routed
from hypothesis import given
from hypothesis import strategies as st
from looks import (
    ACTIVE,
    APART,
    CLOCK,
    CLUSTER,
    DUAL,
    NAMES,
    PLUGINS,
    ROUTED,
    ROUTED_APART,
    UPGRADE,
    VIP,
    VIP6,
    Look,
    bare,
    described,
    desired,
)
from modules_here import never
from printed import SECTIONS

from selfbalance import Node
from selfbalance.desired import desire
from selfbalance.gates import View, judge
from selfbalance.observed import ClusterState, Drain, NodeState, Stage, Unobserved
from selfbalance.plugins import Plugins, Problem, Verdict, hook

EVERY_FAULT = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


def found(look: Look) -> list[tuple[str, str | None, str]]:
    return [(gate, p.node, p.what) for gate, some in look.problems().items() for p in some]


@pytest.mark.parametrize("master", NAMES)
@pytest.mark.parametrize("cluster", [CLUSTER, DUAL], ids=["one VIP", "both families"])
def test_a_healthy_cluster_has_no_problem(cluster, master):
    look = Look(cluster, master)

    assert look.said() == []
    assert [v.seen for v in judge(look.view, PLUGINS).values()] == [
        "3 of 3 observed",
        f"{' '.join(map(str, look.view.vips))} owner {master} (by address, by ARP, by keepalived)",
        f"tables equal on 3 nodes, sync master on {master}",
        "web1 web2 web3 answer through the VIP",
        "2 modules and 10 sysctls as described",
        "files and packages as deployed",
    ]


@pytest.mark.parametrize("master", NAMES)
def test_a_table_apart_is_whole_everywhere_and_only_the_master_balances(master):
    look = Look(APART, master)

    assert look.said() == []
    seen = judge(look.view, PLUGINS)["director"].seen
    assert seen == f"tables equal on 3 nodes, only {master} balances"


@pytest.mark.parametrize("masters", [("web1", "web2"), ("web3", "web1"), ("web2", "web2")])
def test_vips_with_masters_of_their_own_are_no_problem(masters):
    look = Look(ACTIVE, masters)

    assert look.said() == []
    assert [v.seen for v in judge(look.view, PLUGINS).values()] == [
        "3 of 3 observed",
        f"192.0.2.10 owner {masters[0]}, 2001:db8:5b::10 owner {masters[1]} "
        "(by address, by ARP, by keepalived)",
        "tables equal on 3 nodes, sync master and backup on each",
        "web1 web2 web3 answer through the VIP",
        "3 modules and 10 sysctls as described, clients marked by nft",
        "files and packages as deployed",
    ]


def test_nodes_that_mark_with_different_tools_are_no_problem():
    look = Look(ACTIVE)
    for name, tool in zip(NAMES, ("nft", "tc", "iptables-legacy"), strict=True):
        look.change(name, marks=replace(look.nodes[name].marks, tool=tool))

    assert look.said() == []
    assert judge(look.view, PLUGINS)["kernel"].seen.endswith(
        "clients marked by iptables-legacy and nft and tc"
    )


def test_two_families_of_one_instance_ride_together_where_clients_are_marked():
    together = described(VIP, VIP6, standby="source-mac")

    assert Look(together, "web2").said() == []


def test_as_long_as_no_macs_are_known_nobody_is_called_a_stranger():
    """What follows from facts is not known then: another problem says that."""
    wants = desire(ACTIVE, PLUGINS, {})
    look = Look(ACTIVE)
    view = View(ACTIVE, wants, look.view.state)

    assert not any("no such MAC" in p.what for p in judge(view, PLUGINS)["kernel"].problems)


@given(clusters(max_nodes=3) | clusters(max_nodes=3, standby="source-mac"))
@steady(30)
def test_any_healthy_cluster_has_no_problem(cluster):
    for master in cluster.nodes:
        if master.director:
            assert Look(cluster, master.name).said() == []


@pytest.mark.parametrize("master", ["web1", "web2"])
def test_a_healthy_cluster_with_a_node_behind_a_router_has_no_problem(master):
    look = Look(ROUTED, master)

    assert look.said() == []
    assert [v.seen for v in judge(look.view, PLUGINS).values()][2:4] == [
        f"tables equal on 2 nodes, sync master on {master}",
        "web1 web2 web3 answer through the VIP",
    ]


@pytest.mark.parametrize("master", ["web1", "web2"])
def test_tables_apart_are_those_of_nodes_that_may_be_master(master):
    look = Look(ROUTED_APART, master)

    assert look.said() == []
    seen = judge(look.view, PLUGINS)["director"].seen
    assert seen == f"tables equal on 2 nodes, only {master} balances"


def test_a_cluster_of_one_node_has_no_problem_and_nobody_to_answer():
    one = described(nodes=[Node(name="web1", address="192.0.2.11")])

    assert Look(one, "web1").said() == []


@EVERY_FAULT
def test_a_fault_is_found_and_named_once(fault: Fault):
    look = fault.look()
    fault.put(look)

    said = found(look)

    assert [(gate, node) for gate, node, _ in said] == [(g, n) for g, n, _ in fault.found], said
    for (_, _, what), (_, _, words) in zip(said, fault.found, strict=True):
        assert words in what


OF_ACTIVE = sorted(name for name, fault in FAULTS.items() if fault.look is active)
OF_ROUTED = sorted(name for name, fault in FAULTS.items() if fault.look is routed)


def _some(names: Iterable[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(sorted(names)), min_size=1, max_size=4, unique=True)


@given(
    st.tuples(st.just(DUAL), _some(FAULTS.keys() - {*OF_ACTIVE, *OF_ROUTED}))
    | st.tuples(st.just(ACTIVE), _some(OF_ACTIVE))
    | st.tuples(st.just(ROUTED), _some(OF_ROUTED))
)
@steady(90)
def test_whatever_comes_together_gates_answer_and_each_problem_can_be_acted_on(case):
    """A gate that raises would hide what all the others have to say."""
    cluster, names = case
    look = Look(cluster)
    for name in names:
        try:
            FAULTS[name].put(look)
        except (AssertionError, IndexError, KeyError, StopIteration, ValueError):
            continue  # what it would break is gone already

    problems = [problem for some in look.problems().values() for problem in some]

    assert problems
    for problem in problems:
        assert problem.node in (*NAMES, None)
        assert problem.node is None or problem.node in problem.what
        assert problem.remedy
        assert "\n" not in problem.what + problem.remedy


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("name", ["web1", "web2"])
def test_an_unknown_section_is_told_by_nodes_and_closes_the_gate(section, name):
    said = found(Look(DUAL).unknown(name, section))

    assert said[0] == (
        "nodes",
        name,
        f"{name}: {section} could not be observed: {section} went wrong",
    )
    # Of a BACKUP nothing else can be said; of the MASTER, that nobody is known to be owner.
    assert {gate for gate, _, _ in said[1:]} <= ({"vip"} if name == "web2" else set())
    assert all("(web2 could not be asked)" in what for _, _, what in said[1:])
    assert len(said) <= 3


@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_unknown_of_a_node_behind_a_router_is_told_once(section):
    (said,) = found(Look(ROUTED).unknown("web3", section))

    assert said == ("nodes", "web3", f"web3: {section} could not be observed: {section} went wrong")


@given(
    st.dictionaries(
        st.sampled_from(NAMES), st.sets(st.sampled_from(SECTIONS), min_size=1), min_size=1
    )
)
@steady(60)
def test_whatever_is_unknown_is_never_healthy(unknown):
    look = Look()
    for name, sections in unknown.items():
        look.unknown(name, *sections)

    told = {what for gate, _, what in found(look) if gate == "nodes"}

    assert told >= {
        f"{name}: {section} could not be observed: {section} went wrong"
        for name, sections in unknown.items()
        for section in sections
    }


@pytest.mark.parametrize("names", [NAMES, NAMES[:2], NAMES[1:]])
def test_nodes_that_are_not_observed_are_never_healthy(names):
    look = Look()
    for name in names:
        look.unobserved(name)

    assert [p.node for p in look.problems()["nodes"]] == list(names)
    assert f"MASTER on nobody ({' and '.join(names)} could not be asked)" in look.said()[-1]


def test_bare_nodes_are_bad_at_every_gate_that_something_is_missing_for():
    look = Look()
    for name in NAMES:
        look.nodes[name] = bare(CLUSTER, name)

    assert list(look.problems()) == ["nodes", "vip", "realservers", "kernel", "drift"]


# --- upgrades ---


def _upgrade_notes(look: Look) -> tuple[Problem, ...]:
    return judge(look.view, PLUGINS)["nodes"].notes


def test_where_no_upgrade_has_left_a_mark_there_is_nothing_to_note():
    assert _upgrade_notes(Look()) == ()


def test_an_upgrade_that_has_not_ended_is_one_note_and_no_problem():
    look = Look().upgrading(web2=Stage.IN_PROGRESS, web3=Stage.PLANNED)

    assert look.said() == []
    assert _upgrade_notes(look) == (
        Problem(
            "an upgrade of keepalived by ops@bastion has not ended: web2 in progress, web3 planned",
            None,
            "go on: upgrade.py --data component=keepalived",
        ),
    )


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ((Stage.PLANNED, Stage.PLANNED, Stage.PLANNED), "web1 web2 web3 planned"),
        (
            (Stage.DONE, Stage.PLANNED, Stage.IN_PROGRESS),
            "web3 in progress, web2 planned, web1 done",
        ),
        ((Stage.DONE, Stage.DONE, Stage.DONE), "web1 web2 web3 done"),
    ],
)
def test_nodes_are_named_by_how_far_they_are(stages, words):
    (note,) = _upgrade_notes(Look().upgrading(**dict(zip(NAMES, stages, strict=True))))

    assert note.what.endswith(f"has not ended: {words}")


def test_packages_that_were_named_have_to_be_named_again():
    mark = replace(UPGRADE, component="packages", named=True, target={"nginx": "2", "curl": "3"})

    (note,) = _upgrade_notes(Look().upgrading(mark, web1=Stage.PLANNED))

    assert note.what.startswith("an upgrade of nginx curl by ops@bastion has not ended")
    assert note.remedy == ("go on: upgrade.py --data component=packages --data packages=nginx,curl")


def test_a_mark_that_cannot_be_read_is_a_problem():
    look = Look().upgrading(web1=Stage.PLANNED).unknown("web1", "upgrade")

    assert _upgrade_notes(look) == ()
    assert [what for _, _, what in found(look)] == [
        "web1: upgrade could not be observed: upgrade went wrong"
    ]


# --- changes ---


def test_a_change_that_has_not_ended_is_one_note_and_no_problem():
    look = Look().change_all("web1", "web3", changing=True)

    assert look.said() == []
    assert _upgrade_notes(look) == (
        Problem(
            "a change of the configuration has not ended on web1 web3",
            None,
            "go on: run cluster.py; or back: cluster.py --data rollback=true",
        ),
    )


def test_a_vip_that_is_not_described_any_more_is_a_note_until_it_is_taken_away():
    taken = desired()["web2"].vips
    look = Look().change("web2", held_resets=frozenset({*taken, ip_address("192.0.2.20")}))

    assert look.said() == []
    assert _realservers(look).notes == (
        Problem(
            "web2 still takes 192.0.2.20, not described any more",
            "web2",
            "take it away: run cluster.py",
        ),
    )


def judged(look: Look, *pending: str) -> list[tuple[str | None, str]]:
    """What gates say while some nodes still have to become as described."""
    view = replace(look.view, pending=frozenset(pending))
    return [(p.node, p.what) for v in judge(view, PLUGINS).values() for p in v.problems]


def test_a_node_that_is_pending_is_not_compared_with_the_others():
    """One that is not has the new table; the MASTER still has the old one."""
    look = Look().weigh(7, "web3", seen_by=["web1"])

    assert [what for _, what in judged(look) if "tables differ" in what]
    assert judged(look, "web2", "web3") == []


def test_nodes_that_are_not_pending_are_compared_with_each_other():
    look = Look().weigh(7, "web3", seen_by=["web1"])

    ((node, what),) = judged(look, "web3")

    assert node is None
    assert what.startswith("IPVS tables differ: web1 has")


@pytest.mark.parametrize(("pending", "node"), [((), "web3"), (("web2", "web3"), "web1")])
def test_a_check_that_only_the_changed_node_finds_failing_is_that_nodes(pending, node):
    """The realserver serves as before: it is the check that is new."""
    look = Look().weigh(0, "web3", seen_by=["web1"])

    found = [each for each in judged(look, *pending) if "its check fails" in each[1]]

    assert found == [(node, "web3 has weight 0 for 192.0.2.10:80 on web1: its check fails")]


def test_a_master_that_is_pending_does_not_hold_a_vip_that_is_new():
    """Others know the VIP already, and ask for it: nobody answers, and nobody should."""
    look = Look(DUAL)
    master = look.nodes["web2"]
    assert isinstance(master, NodeState)
    without = {at: held - {VIP6} for at, held in master.addresses.items() if at != "lo"}
    look.change("web2", addresses={**master.addresses, **without})
    for name in ("web1", "web3"):
        seen = look.nodes[name]
        assert isinstance(seen, NodeState)
        look.change(name, claims={**seen.claims, VIP6: frozenset()})

    assert any(f"{VIP6} is on no node's network interface" in what for _, what in judged(look))
    assert [what for node, what in judged(look, "web2", "web3") if node != "web2"] == []


def test_what_only_a_pending_node_finds_is_its_own():
    """It may check a realserver that is not described any more."""
    look = Look().weigh(0, "web3", seen_by=["web2"])

    found = [node for node, what in judged(look, "web2") if "its check fails" in what]

    assert found == ["web2"]


def test_a_node_that_is_about_to_start_fails_checks_as_it_should():
    look = Look().dead("web3")

    found = [node for node, what in judged(look, "web2", "web3") if "its check fails" in what]

    assert found == ["web3"]


# --- drained ---


def _realservers(look: Look) -> Verdict:
    return judge(look.view, PLUGINS)["realservers"]


@pytest.mark.parametrize("cluster", [CLUSTER, DUAL, APART, ROUTED, ROUTED_APART, ACTIVE], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_drained_node_is_a_note_and_no_problem(cluster, name):
    look = Look(cluster).drain(name)

    assert look.said() == []
    said = _realservers(look)
    rest = " ".join(each for each in NAMES if each != name)
    assert said.seen == f"{rest} answer through the VIP, {name} drained"
    assert said.notes == (
        Problem(
            f"{name} has been drained for 41 min by ops@bastion",
            name,
            f"put it back: undrain.py --data node={name}",
        ),
    )


def test_where_nobody_is_drained_is_nothing_to_note():
    assert _realservers(Look()).notes == ()


def test_several_that_are_drained_are_a_note_each():
    said = _realservers(Look().drain("web3").drain("web1", drain=Drain("me@here", CLOCK)))

    assert said.seen == "web2 answer through the VIP, web1 web3 drained"
    assert [note.what for note in said.notes] == [
        "web1 has been drained for 0 s by me@here",
        "web3 has been drained for 41 min by ops@bastion",
    ]


@pytest.mark.parametrize(
    ("since", "words"),
    [
        (0, "0 s"),
        (-5, "0 s"),  # another machine's clock wrote it
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172_799, "47 h"),
        (172_800, "2 d"),
    ],
)
def test_how_long_is_said_as_a_person_would(since, words):
    (note,) = _realservers(Look().drain("web3", drain=Drain("ops@bastion", CLOCK - since))).notes

    assert note.what == f"web3 has been drained for {words} by ops@bastion"


def test_what_a_hand_wrote_says_not_since_when():
    (note,) = _realservers(Look().drain("web3", drain=Drain("somebody by hand", None))).notes

    assert note.what == "web3 has been drained by somebody by hand"


def test_a_file_on_a_node_that_only_serves_drains_nobody():
    look = Look(ROUTED).change("web3", drained={"web1": Drain("ops@bastion", CLOCK)})

    assert look.said() == []
    assert look.view.drained() == {}


def test_a_director_whose_files_could_not_be_read_is_not_said_to_be_untold():
    look = Look().drain("web3").unknown("web1", "drained")

    said = found(look)

    assert said[0] == ("nodes", "web1", "web1: drained could not be observed: drained went wrong")
    assert not any("but not on" in what for _, _, what in said)


def test_a_dead_keepalived_has_nothing_to_take():
    look = Look().drain("web3").dead("web1")

    assert not any("has weight on web1" in what for _, _, what in found(look))


def test_the_masters_copy_of_a_table_apart_counts_too():
    look = Look(APART).drain("web3")
    fresh = Look(APART).nodes["web2"]
    assert isinstance(fresh, NodeState)

    look.change("web2", table=fresh.table)

    assert ("realservers", "web2", "web3 is drained, but has weight on web2: keepalived there has "
            "not taken it") in found(look)  # fmt: skip


def test_a_notes_words_do_not_close_a_gate():
    assert Verdict("fine", notes=(Problem("know this"),)).good


def test_counters_and_order_are_no_difference():
    look = Look()
    (service,) = look.nodes["web1"].table
    busy = tuple(replace(real, active_connections=9) for real in reversed(service.realservers))

    look.change("web1", table=(replace(service, realservers=busy),))

    assert look.said() == []


def test_other_addresses_and_sockets_and_packages_are_nobodys_business():
    look = Look()
    web1 = look.nodes["web1"]
    assert isinstance(web1, NodeState)
    look.change(
        "web1",
        packages={**web1.packages, "nginx": "1.22"},
        modules=web1.modules | {"ip_vs_wrr"},
        demotion=None,
    )

    assert look.said() == []


@pytest.mark.parametrize(
    ("socket", "listens"),
    [("0.0.0.0", True), ("::", True), ("192.0.2.10", True), ("::ffff:192.0.2.10", True),
     ("192.0.2.11", False), ("::1", False), ("::ffff:127.0.0.1", False)],
)  # fmt: skip
def test_sockets_that_take_what_comes_for_a_vip_of_ipv4(socket, listens):
    look = Look().change("web1", listening=frozenset({(ip_address(socket), 80)}))

    assert (look.said() == []) is listens


def test_an_unobserved_node_is_named_by_its_mac_where_its_peers_heard_it():
    """Its table and its VIP may be fine; whose MAC answers is known all the same."""
    look = Look().unobserved("web2")

    assert look.view.mac_of("web2") == "02:5b:00:00:00:0c"
    assert look.view.unasked("addresses") == ("web2",)
    assert not any("unknown" in what for what in look.said())


def test_a_gate_of_a_plugin_is_asked_beside_the_others():
    view = Look().view

    verdicts = judge(view, Plugins((never,)))

    assert list(verdicts) == ["never"]
    assert not verdicts["never"].good


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (lambda view: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda view: view.nothing, "AttributeError: 'View' object has no attribute 'nothing'"),
        (lambda view: True, "it answered a bool, no Verdict"),
        (lambda view: "", "it answered a str, no Verdict"),
    ],
)
def test_a_gate_of_a_plugin_that_fails_is_shut_and_the_others_are_asked(gate, said):
    site = ModuleType("site_a")
    site.register_gates = hook(lambda register: register("smoke", gate))

    verdicts = judge(Look().view, Plugins((site, never)))

    assert list(verdicts) == ["smoke", "never"]
    (problem,) = verdicts["smoke"].problems
    assert problem.what == f"gate 'smoke' could not be asked: {said}"
    assert problem.remedy == "mend plugin site_a"


def test_a_gate_that_has_nothing_to_do_with_this_cluster_is_not_shown():
    site = ModuleType("site_a")
    site.register_gates = hook(lambda register: register("smoke", lambda view: None))

    assert list(judge(Look().view, Plugins((site, never)))) == ["never"]


def test_a_view_gives_only_observed_nodes_with_what_they_should_have():
    view = View(
        CLUSTER, desired(), ClusterState((Unobserved("web1", "gone"), bare(CLUSTER, "web2")))
    )

    assert [(want.name, seen.name) for want, seen in view.pairs()] == [("web2", "web2")]
    assert view.state["web1"] == Unobserved("web1", "gone")
    assert view.masters == ()
