"""Taking over a cluster of 2013: what is refused, who comes when, how far each stands back."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from foundings import LINES, lines, rendered
from looks import NAMES, VIP, described, desired, healthy

from selfbalance import Cluster, Service, Vip, VrrpOptions
from selfbalance.desired import places
from selfbalance.gates import View
from selfbalance.observed import ClusterState, NodeState, Role, SeenFounding, Unobserved
from selfbalance.observed.founding import read_founding
from selfbalance.plan import (
    adoption_objection,
    doubts,
    doubts_of_master,
    drain_objection,
    in_adoption,
    plan_adoption,
    plan_node,
    spared,
)
from selfbalance.plugins import Problem

WRR = Service(name="http", port=80, scheduler="wrr")
SPOKEN = described(detection="calm", vrrp=VrrpOptions(version=2, unicast=False), services=[WRR])
MASTER = "web1"
OLD = (
    *("/etc/keepalived/keepalived.conf", "/etc/keepalived/to_backup.sh"),
    *("/etc/keepalived/to_master.sh", "/tmp/keepalived.ipvs", "/etc/sysctl.d/60-lvs.conf"),
)


def founding(number: int = 0, old: str = "", new: str = "") -> SeenFounding:
    """What the first, second or third node is seen to have, something being otherwise."""
    conf = rendered("keepalived.conf.j2", number)
    assert old in conf
    found = read_founding([*lines(conf.replace(old, new)), *LINES])["founding"]
    assert isinstance(found, SeenFounding)
    return found


def nodes(cluster: Cluster = SPOKEN, **of: SeenFounding) -> dict[str, NodeState]:
    """Each node with the old design, or with `of` another one."""
    states = healthy(cluster, MASTER)
    return {
        name: replace(
            states[name],
            founding=of.get(name, founding(number)),
            drop_in_read=False,
            instances=(),
            files={k: v for k, v in states[name].files.items() if k != places.CONFIG},
        )
        for number, name in enumerate(NAMES)
    }


def view(states: dict[str, NodeState | Unobserved] | None = None, cluster=SPOKEN) -> View:
    states = states if states is not None else nodes(cluster)
    return View(cluster, desired(cluster), ClusterState(tuple(states.values())))


def objection(states=None, cluster: Cluster = SPOKEN, active=frozenset(NAMES)) -> str:
    return adoption_objection(view(states, cluster), active)


def taken_over(state: NodeState, standing_back: int = 190) -> NodeState:
    """A node after its turn, others being still to come."""
    return replace(healthy(SPOKEN, MASTER)[state.name], adopting=standing_back)


def test_backups_come_first_and_each_keeps_the_priority_that_it_had():
    adoption = plan_adoption(view(), NAMES)

    assert [(turn.node, turn.master) for turn in adoption.turns] == [
        *(("web2", False), ("web3", False), ("web1", True))
    ]
    priorities = {
        turn.node: desired(SPOKEN)[turn.node].priority - turn.standing_back
        for turn in adoption.turns
    }
    assert priorities["web2"] == 100
    assert priorities["web3"] == 50
    assert {turn.replaced for turn in adoption.turns} == {OLD}
    assert all(turn.config for turn in adoption.turns)


def test_nobody_outranks_the_old_master_even_where_it_is_not_the_highest():
    """With nopreempt a BACKUP may have the higher priority."""
    states = nodes(web1=founding(0, "priority 150", "priority 40"))
    adoption = plan_adoption(view(states), NAMES)

    priorities = {
        t.node: desired(SPOKEN)[t.node].priority - t.standing_back for t in adoption.turns
    }
    assert (priorities["web2"], priorities["web3"]) == (39, 39)


def test_who_has_had_a_turn_has_none_again_and_waits_for_the_end():
    states = nodes()
    states["web3"] = taken_over(states["web3"])
    adoption = plan_adoption(view(states), NAMES)

    assert [turn.node for turn in adoption.turns] == ["web2", "web1"]
    assert adoption.ending == ("web3",)
    assert objection(states) == ""


@pytest.mark.parametrize(
    "harm",
    [
        {"drop_in_read": False},
        {"left": ("/etc/sysctl.d/60-lvs.conf",)},
        {"files": {}},
        {"units": {}},
    ],
)
def test_whose_turn_was_interrupted_has_another(harm):
    states = nodes()
    states["web3"] = replace(taken_over(states["web3"]), **harm)
    turns = {turn.node: turn for turn in plan_adoption(view(states), NAMES).turns}

    assert turns["web3"].standing_back == 190
    assert turns["web3"].replaced == states["web3"].left
    assert turns["web3"].config is ("files" in harm)


def test_when_all_had_their_turns_only_the_end_is_left():
    states = {name: taken_over(state) for name, state in nodes().items()}
    adoption = plan_adoption(view(states), NAMES)

    assert (adoption.turns, adoption.ending) == ((), NAMES)
    assert adoption
    assert not plan_adoption(view(healthy(SPOKEN, MASTER)), NAMES)


def test_the_plan_says_who_comes_when_and_what_is_switched_off():
    said = "\n".join(plan_adoption(view(), NAMES).lines())

    assert said.index("take over web2: restarts") < said.index("take over web1: takes its new")
    assert f"web3: kept in {places.ADOPTED}, and switched off: {' '.join(OLD)}" in said


def test_what_is_as_described_may_be_done():
    assert objection() == ""


DIALECTS = {
    "version": (described(detection="calm"), {}, "write vrrp=VrrpOptions(vrid=51, version=2, "),
    "unicast": (
        described(detection="calm", vrrp=VrrpOptions(version=2), services=[WRR]),
        {},
        "unicast=False), detection='calm'",
    ),
    "VRID": (SPOKEN, {"old": "router_id 51", "new": "router_id 52"}, "vrid=52, version=2"),
    "advert": (SPOKEN, {"old": "advert_int 1", "new": "advert_int 5"}, "advert_s=5)"),
    "password": (
        SPOKEN,
        {"old": "advert_int 1", "new": "authentication {\n auth_type PASS\n auth_pass\n }"},
        "password='env:VRRP_PASSWORD')",
    ),
}


@pytest.mark.parametrize(("cluster", "otherwise", "said"), DIALECTS.values(), ids=DIALECTS)
def test_another_dialect_is_refused_with_what_to_write(cluster, otherwise, said):
    found = objection(nodes(cluster, web1=founding(0, **otherwise)), cluster)

    assert found.startswith("web1 speaks VRRP version 2, VRID 5")
    assert said in found
    assert found.endswith("two dialects of VRRP make two MASTERs")


def test_an_interval_that_is_described_is_no_other_dialect():
    cluster = described(
        detection="calm",
        vrrp=VrrpOptions(version=2, unicast=False, advert_s=5),
        services=[WRR],
    )
    states = nodes(
        cluster, **{n: founding(i, "advert_int 1", "advert_int 5") for i, n in enumerate(NAMES)}
    )
    assert objection(states, cluster) == ""


def test_a_backup_of_version_3_takes_its_masters_interval():
    cluster = described(vrrp=VrrpOptions(unicast=False), services=[WRR])
    states = nodes(
        cluster,
        **{name: founding(i, "state ", "version 3\n    state ") for i, name in enumerate(NAMES)},
    )
    assert objection(states, cluster) == ""


OTHERWISE = {
    "interface": ({"old": "interface eth0", "new": "interface eth1"}, "adverts by eth1"),
    "one more VIP": (
        {"old": "192.0.2.10/32\n", "new": "192.0.2.10/32\n 192.0.2.20/32\n"},
        "has the VIPs 192.0.2.10 192.0.2.20; describe exactly those as vips, not 192.0.2.10",
    ),
    "one more service": (
        {"old": "virtual_server 192.0.2.10 80", "new": "virtual_server 192.0.2.10 443"},
        "balances 192.0.2.10 port 443, which is not described",
    ),
    "another realserver": (
        {"old": "real_server 192.0.2.13 80", "new": "real_server 192.0.2.14 80"},
        "over 192.0.2.11:80 192.0.2.12:80 192.0.2.14:80; the described nodes are others",
    ),
    "another scheduler": (
        {"old": "lb_algo wrr", "new": "lb_algo wlc"},
        "web1 balances 192.0.2.10 port 80 by wlc; describe scheduler='wlc' there",
    ),
    "the scheduler that keepalived takes unless told": (
        {"old": "lb_algo wrr", "new": ""},
        "web1 balances 192.0.2.10 port 80 by wlc",
    ),
    "other peers": (
        {"old": "advert_int 1", "new": "unicast_peer {\n 192.0.2.12\n }"},
        "web1 speaks VRRP version 2, VRID 51, unicast",
    ),
}


@pytest.mark.parametrize(("otherwise", "said"), OTHERWISE.values(), ids=OTHERWISE)
def test_what_would_be_lost_is_refused(otherwise, said):
    assert said in objection(nodes(web1=founding(0, **otherwise)))


@pytest.mark.parametrize("excluded", [False, True])
def test_adverts_have_to_name_what_ours_would(excluded):
    """Ours name one VIP; peers drop an advert that names others than they would."""
    two = described(
        *(VIP, ip_address("192.0.2.20")),
        detection="calm",
        vrrp=VrrpOptions(version=2, unicast=False),
        services=[WRR],
    )
    old = "192.0.2.10/32\n"
    new = f"{old} }}\n virtual_ipaddress_excluded {{\n" if excluded else old
    states = nodes(
        two,
        **{n: founding(i, old, f"{new} 192.0.2.20/32\n") for i, n in enumerate(NAMES)},
    )
    said = objection(states, two)

    assert ("web1 names 192.0.2.10 192.0.2.20 in its adverts" in said) is not excluded
    assert (said == "") is excluded


def test_other_peers_are_refused():
    cluster = described(detection="calm", vrrp=VrrpOptions(version=2), services=[WRR])
    states = nodes(
        cluster,
        **{
            name: founding(i, "advert_int 1", "unicast_peer {\n 192.0.2.12\n }")
            for i, name in enumerate(NAMES)
        },
    )
    assert "web1 has the peers 192.0.2.12" in objection(states, cluster)


def test_a_node_that_is_not_seen_is_a_reason_to_wait():
    states = {**nodes(), "web3": Unobserved("web3", "ssh failed")}
    assert "web3 could not be observed" in objection(states)


@pytest.mark.parametrize("changes", [{"standby": "snapshot"}, {"forwarding": "tun"}])
def test_other_ways_to_stand_by_or_to_forward_come_later(changes):
    cluster = described(detection="calm", vrrp=VrrpOptions(version=2, unicast=False), **changes)
    assert "standby = 'backup-only' and forwarding = 'dr'" in objection(nodes(cluster), cluster)


def test_the_vips_have_to_be_on_one_node():
    states = nodes()
    states["web1"] = replace(states["web1"], addresses={})
    assert "the VIPs are on no node" in objection(states)
    both = {**nodes(), "web2": replace(nodes()["web2"], addresses=nodes()["web1"].addresses)}
    assert "the VIPs are on web1 and web2" in objection(both)


def test_the_master_is_not_taken_over_before_the_others():
    assert "web1 is MASTER and comes last" in objection(active={"web1", "web2"})
    assert objection(active={"web2"}) == ""


def test_behind_priority_1_nobody_can_stand():
    assert "priority 1" in objection(nodes(web1=founding(0, "priority 150", "priority 1")))


def test_what_is_not_known_is_overwritten_only_if_that_is_said():
    strange = founding(2, "state BACKUP", "track_script {\n x\n }")
    states = nodes(web3=strange)

    assert "web3: keepalived.conf is neither" in objection(states)
    assert "--data replace=true" in objection(states)
    assert objection(states, active={"web2"}) == ""
    assert adoption_objection(view(states), NAMES, overwrite=True) == ""
    assert not in_adoption(desired(SPOKEN)["web3"], states["web3"])


def test_of_a_node_still_to_come_the_drop_in_is_not_prepared():
    want, seen = desired(SPOKEN)["web3"], replace(nodes()["web3"], files={})
    plan = plan_node(want, seen)

    assert places.DROP_IN in {file.path for file in plan.files}
    assert places.DROP_IN not in {file.path for file in spared(plan, want, seen).files}
    done = replace(healthy(SPOKEN, MASTER)["web3"])
    assert spared(plan, want, done) == plan


def test_until_then_nobody_is_drained():
    """An old MASTER would go on sending clients there."""
    said = drain_objection(view(), "web3", NAMES)
    assert said
    assert "web1 was set up by another design, and its keepalived takes no drain" in said


# Is it well after a turn?


def mixed(**changes: object) -> dict[str, NodeState]:
    states = nodes()
    states["web3"] = replace(taken_over(states["web3"]), **changes)
    return states


def test_a_node_that_is_well_leaves_no_doubt():
    assert [*doubts(view(mixed()), (), ["web3"], "web1")] == []


def test_what_gates_say_of_others_does_not_count():
    problems = [Problem("web2: x", "web2", ""), Problem("web3: y", "web3", "")]
    assert [*doubts(view(mixed()), problems, ["web3"], "web1")] == ["web3: y"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"instances": ()}, "web3: keepalived is not known"),
        (
            {
                "instances": (
                    replace(healthy(SPOKEN, "web3")["web3"].instances[0], role=Role.FAULT),
                )
            },
            "web3: keepalived is FAULT",
        ),
        (
            {"addresses": {"eth0": frozenset({VIP})}},
            f"{VIP} is on web1 and web3, not on web1 alone",
        ),
    ],
)
def test_a_node_that_is_no_quiet_backup_is_a_doubt(changes, said):
    assert said in [*doubts(view(mixed(**changes)), (), ["web3"], "web1")]


def test_a_master_that_could_not_ask_the_others_is_a_doubt():
    states = mixed()
    states["web1"] = replace(states["web1"], unknown={"claims": "no Perl"})
    found = [*doubts(view(states), (), ["web3"], "web1")]
    assert found == ["web1 could not ask who answers for the VIPs: no Perl"]


def test_a_master_without_a_sync_daemon_does_not_hand_over():
    states = nodes()
    assert [*doubts_of_master(view(states), "web1")] == []
    states["web1"] = replace(states["web1"], sync=frozenset(), table=())
    found = [*doubts_of_master(view(states), "web1")]
    assert "is missing" in found[0]
    assert "does not tell the others of sessions" in found[1]


def test_a_vip_or_service_of_the_description_may_not_be_new_either():
    cluster = described(
        detection="calm",
        vrrp=VrrpOptions(version=2, unicast=False),
        vips=[Vip(address=VIP), Vip(address=ip_address("192.0.2.20"))],
        services=[Service(name="http", port=80), Service(name="https", port=443)],
    )
    assert "describe exactly those as vips" in objection(nodes(cluster), cluster)
