"""What is done so that gluster has the volumes: on one node, in an order, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from clusters import clusters, steady
from hypothesis import given
from looks import (
    CLUSTER,
    FOURTH,
    MIB,
    NAMES,
    SHARED,
    SHARING,
    WITH_FOURTH,
    Look,
    bare,
    described,
    desired,
    healthy,
)

from selfbalance import Cluster, Volume
from selfbalance.errors import VolumeError
from selfbalance.gates import View
from selfbalance.observed import ClusterState, NodeState, SeenBrick, SeenCopy, SeenPeer
from selfbalance.observed.volumes import CONNECTED_IN_CLUSTER
from selfbalance.plan import (
    VolumeAct,
    VolumesPlan,
    VolumeStep,
    brick_objections,
    plan_volumes,
)

FOUR = (*NAMES, "web4")
ONE, TWO, THREE = desired(SHARING)["web1"].volumes[0].bricks
NEW = "192.0.2.14:/data/shared/brick"


def volume(**changes: object) -> Volume:
    return Volume(**{**dict(SHARED), **changes})


ALL_FOUR = described(nodes=[*CLUSTER.nodes, FOURTH], volumes=[SHARED])
THREE_OF_FOUR = described(nodes=[*CLUSTER.nodes, FOURTH], volumes=[volume(replica=3)])


def plan(look: Look, active: tuple[str, ...] = NAMES) -> VolumesPlan:
    return plan_volumes(look.view, active)


def steps(planned: VolumesPlan) -> list[tuple[str, str, str]]:
    """Each step as act, node, and what it is about."""
    return [
        (step.act.value, step.node, step.subject or (step.volume.name if step.volume else ""))
        for step in planned.steps
    ]


def refused(look: Look, active: tuple[str, ...] = NAMES) -> str:
    with pytest.raises(VolumeError) as error:
        plan(look, active)
    return str(error.value)


def fresh(cluster: Cluster = SHARING, **unknown: str) -> Look:
    """Nodes that have gluster's packages, and nothing else of it."""
    look = Look(cluster)
    for name in look.nodes:
        look.nodes[name] = replace(bare(cluster, name), unknown=unknown)
    return look


def node(look: Look, name: str) -> NodeState:
    state = look.nodes[name]
    assert isinstance(state, NodeState)
    return state


def otherwise(look: Look, **changes: object) -> Look:
    """Let every node's glusterd know the first volume otherwise."""
    for name in look.nodes:
        seen = node(look, name).volumes
        look.change(name, volumes={**seen, "shared": replace(seen["shared"], **changes)})
    return look


def with_copy(look: Look, name: str, **changes: object) -> Look:
    copies = node(look, name).copies
    return look.change(name, copies={**copies, "shared": replace(copies["shared"], **changes)})


def with_option(look: Look, key: str, value: str) -> Look:
    options = {**node(look, "web1").volumes["shared"].options, key: value}
    return otherwise(look, options=options)


def joining(cluster: Cluster) -> Look:
    """Three nodes that share a volume, and a fourth that nobody knows yet."""
    look = Look(cluster)
    three = Look(SHARING)
    for name in NAMES:
        seen = node(three, name)
        look.change(
            name,
            gluster_peers=seen.gluster_peers,
            volumes=seen.volumes,
            copies=seen.copies,
        )
    look.nodes["web4"] = replace(bare(cluster, "web4"), unknown={})
    return look


FRESH = [
    ("probe", "web1", "192.0.2.12"),
    ("probe", "web1", "192.0.2.13"),
    ("create", "web1", "shared"),
    ("set", "web1", "shared"),
    ("start", "web1", "shared"),
    ("mount", "web1", "shared"),
    ("mount", "web2", "shared"),
    ("mount", "web3", "shared"),
]


# --- what is done ---


def test_where_nothing_is_shared_there_is_nothing_to_do():
    assert plan(Look()) == VolumesPlan()
    assert plan_volumes(Look().view, ()) == VolumesPlan()


def test_a_fresh_cluster_is_made_on_one_node_and_mounted_on_all():
    planned = plan(fresh())

    assert steps(planned) == FRESH
    assert not planned.grows
    assert [step.words for step in planned.steps][:6] == [
        "take 192.0.2.12 into gluster's pool",
        "take 192.0.2.13 into gluster's pool",
        "make volume shared",
        "set options of volume shared",
        "start volume shared",
        "mount volume shared at /srv/shared",
    ]
    created = planned.steps[2].volume
    assert created == desired(SHARING)["web1"].volumes[0]


def test_where_gluster_is_not_even_installed_it_is_the_same():
    """Packages come first; the look is from before."""
    look = fresh(pool="no gluster", volumes="no gluster")

    assert steps(plan(look)) == FRESH


@pytest.mark.parametrize("cluster", [SHARING, WITH_FOURTH])
def test_a_healthy_cluster_is_left_alone(cluster):
    planned = plan(Look(cluster), FOUR)

    assert planned == VolumesPlan(())
    assert not planned.grows


@given(clusters(max_nodes=4, volumes=True))
@steady(20)
def test_any_cluster_is_made_and_then_left_alone(cluster):
    names = tuple(node.name for node in cluster.nodes)
    wants = desired(cluster)
    empty = tuple(replace(bare(cluster, name), unknown={}) for name in names)

    planned = plan_volumes(View(cluster, wants, ClusterState(empty)), names)

    told = [step for step in planned.steps if step.act is not VolumeAct.MOUNT]
    acts = [step.act.value for step in planned.steps]
    assert {step.node for step in told} == {names[0]}
    assert acts == [
        *["probe"] * (len(names) - 1),
        *["create", "set", "start"] * len(cluster.volumes),
        *["mount"] * len(cluster.volumes) * len(names),
    ]
    whole = ClusterState(tuple(healthy(cluster, names[0]).values()))
    assert plan_volumes(View(cluster, wants, whole), names) == VolumesPlan()


def test_two_volumes_are_made_one_after_the_other():
    assert [each[::2] for each in steps(plan(fresh(WITH_FOURTH), FOUR))][3:9] == [
        ("create", "shared"),
        ("set", "shared"),
        ("start", "shared"),
        ("create", "other"),
        ("set", "other"),
        ("start", "other"),
    ]


def test_a_fourth_node_joins_gets_its_copy_and_mounts():
    planned = plan(joining(ALL_FOUR), FOUR)

    assert steps(planned) == [
        ("probe", "web1", "192.0.2.14"),
        ("grow", "web1", NEW),
        ("set", "web1", "shared"),  # It may mount.
        ("mount", "web4", "shared"),
    ]
    assert planned.grows
    assert planned.steps[1].words == f"give volume shared a copy at {NEW}"


def test_a_fourth_node_without_a_copy_joins_and_mounts():
    planned = plan(joining(THREE_OF_FOUR), FOUR)

    assert steps(planned) == [
        ("probe", "web1", "192.0.2.14"),
        ("set", "web1", "shared"),
        ("mount", "web4", "shared"),
    ]
    assert not planned.grows


def test_a_node_whose_glusterd_is_new_is_taken_in_by_the_others():
    """Who knows nobody is asked about nothing."""
    look = Look(SHARING).change("web1", gluster_peers=(), volumes={})
    for by in ("web2", "web3"):
        known = [p for p in node(look, by).gluster_peers if "192.0.2.11" not in p.names]
        look.change(by, gluster_peers=tuple(known))

    assert steps(plan(look)) == [("probe", "web2", "192.0.2.11")]


@pytest.mark.parametrize("connected", [True, False])
def test_a_peer_that_is_known_is_not_taken_in_again_however_it_is(connected):
    look = Look(SHARING)
    peers = [
        replace(peer, connected=connected, state=6) for peer in node(look, "web1").gluster_peers
    ]
    look.change("web1", gluster_peers=tuple(peers))
    look.change("web2", unknown={"pool": "gone"})
    look.change("web3", unknown={"pool": "gone"})

    assert plan(look) == VolumesPlan()


def test_options_that_differ_are_set():
    changed = with_option(Look(SHARING), "network.ping-timeout", "42")

    assert steps(plan(changed)) == [("set", "web1", "shared")]
    assert plan(with_option(Look(SHARING), "performance.cache-size", "1GB")) == VolumesPlan()


def test_a_volume_that_is_not_started_is_started_after_its_options_are_set():
    look = otherwise(with_option(Look(SHARING), "network.ping-timeout", "42"), started=False)

    assert steps(plan(look)) == [("set", "web1", "shared"), ("start", "web1", "shared")]


def test_who_sees_most_of_the_others_does_it():
    look = with_option(Look(SHARING), "network.ping-timeout", "42").change("web1", gluster_peers=())

    assert {step.node for step in plan(look).steps} == {"web2"}


@pytest.mark.parametrize("mount", ["fails", "fails does not answer within 10 s", "ext4", "works"])
def test_only_what_is_not_mounted_is_mounted(mount):
    """What is there and does not work is for a person: others may be using it."""
    look = with_copy(Look(SHARING), "web2", mount=mount)

    assert plan(look) == VolumesPlan()


def test_a_node_that_lost_its_mount_gets_it_back():
    look = with_copy(Look(SHARING), "web2", mount="none")

    assert plan(look).steps == (
        VolumeStep(VolumeAct.MOUNT, "web2", desired(SHARING)["web2"].volumes[0]),
    )
    assert steps(plan(look.change("web3", copies={}))) == [
        ("mount", "web2", "shared"),
        ("mount", "web3", "shared"),
    ]


# --- --limit, and nodes that are away ---


def test_a_mount_needs_its_own_node_only():
    look = with_copy(Look(SHARING), "web2", mount="none")
    with_copy(look, "web3", mount="none")

    assert steps(plan(look, ("web2",))) == [("mount", "web2", "shared")]
    assert plan(look, ("web1",)) == VolumesPlan()


def test_whom_gluster_is_told_by_may_not_be_left_out():
    look = with_option(Look(SHARING), "network.ping-timeout", "42")

    assert refused(look, ("web2", "web3")) == (
        "set options of volume shared: that is done on web1, which is left out by --limit"
    )
    assert steps(plan(look, ("web1",))) == [("set", "web1", "shared")]


@pytest.mark.parametrize("unknown", [{}, {"pool": "no gluster", "volumes": "no gluster"}])
def test_a_copy_needs_its_node(unknown):
    assert refused(fresh(**unknown), ("web1", "web2")) == (
        "make volume shared: web3 would be needed for that"
    )
    assert refused(fresh(**unknown), ("web1",)) == (
        "make volume shared: web2 and web3 would be needed for that"
    )


def test_a_copy_needs_its_node_to_be_seen():
    look = fresh().unobserved("web3")

    assert refused(look) == "make volume shared: web3 would be needed for that"


def test_a_new_copy_needs_its_node_and_no_other():
    assert refused(joining(ALL_FOUR), NAMES) == (
        f"give volume shared a copy at {NEW}: web4 would be needed for that"
    )
    planned = plan(joining(ALL_FOUR), ("web1", "web4"))
    assert [each[0] for each in steps(planned)] == ["probe", "grow", "set", "mount"]


def test_a_node_without_a_copy_may_be_left_out():
    planned = plan(fresh(THREE_OF_FOUR), NAMES)

    assert [each[2] for each in steps(planned) if each[0] == "probe"] == [
        "192.0.2.12",
        "192.0.2.13",
    ]
    assert "web4" not in {step.node for step in planned.steps}


def test_where_nobody_was_seen_every_copys_node_is_needed():
    look = Look(SHARING)
    for name in NAMES:
        look.unobserved(name)

    assert "web1 and web2 and web3 would be needed" in refused(look)


# --- what would lose a copy ---


def test_a_copy_that_nobody_described_is_refused_and_not_removed():
    look = otherwise(Look(SHARING), bricks=(ONE, TWO, THREE, NEW, "192.0.2.15:/x"))

    assert refused(look) == (
        f"volume shared has a copy at {NEW} and 192.0.2.15:/x, which is not described, "
        "and gluster sees its node: if that has just died, try again in some minutes; if not, "
        "describe it, or describe the node and run teardown.py"
    )


# --- nodes that are gone, and machines that take their place ---


UUID = "2b1f8d52-6f4e-4d59-9d0a-3c7a1f5e9b10"


def peer(address: str, connected: bool) -> SeenPeer:
    words = "Peer in Cluster"
    return SeenPeer(frozenset({address, UUID}), connected, CONNECTED_IN_CLUSTER, words)


def lost(cluster: Cluster, address: str, bricks: tuple[str, ...]) -> Look:
    """Nodes that have one more peer, which is out of sight, and its copy."""
    look = Look(cluster)
    for name in look.nodes:
        peers = (*node(look, name).gluster_peers, peer(address, connected=False))
        look.change(name, gluster_peers=peers)
    return otherwise(look, bricks=bricks)


def test_a_dead_node_that_is_described_no_more_is_taken_out():
    planned = plan(lost(SHARING, "192.0.2.14", (ONE, TWO, THREE, NEW)))

    assert steps(planned)[:2] == [("shrink", "web1", NEW), ("detach", "web1", "192.0.2.14")]
    assert planned.steps[0].copies == 3
    assert planned.grows


def test_another_node_takes_over_the_copy_of_a_dead_one():
    planned = plan(lost(SHARING, "192.0.2.14", (ONE, TWO, NEW)))

    assert steps(planned)[:2] == [("replace", "web1", THREE), ("detach", "web1", "192.0.2.14")]
    assert planned.steps[0].other == NEW
    assert planned.grows


def test_a_peer_that_holds_something_else_or_is_there_stays():
    look = lost(SHARING, "192.0.2.14", (ONE, TWO, THREE))
    theirs = replace(node(look, "web1").volumes["shared"], bricks=("192.0.2.14:/theirs",))
    look.change("web1", volumes={**node(look, "web1").volumes, "theirs": theirs})
    assert steps(plan(look)) == []

    look = Look(SHARING)
    look.change(
        "web1",
        gluster_peers=(*node(look, "web1").gluster_peers, peer("192.0.2.14", connected=True)),
    )
    assert steps(plan(look)) == []


def replaced(address: str = "192.0.2.13") -> Look:
    """A fresh machine in the place of web3: the others know it, and it knows nobody."""
    look = Look(SHARING)
    for name in ("web1", "web2"):
        others = [each for each in node(look, name).gluster_peers if address not in each.names]
        look.change(name, gluster_peers=(*others, peer(address, connected=False)))
    look.change("web3", gluster_peers=(), volumes={})
    gone = SeenCopy(SeenBrick("gone", False, 512 * MIB, 400 * MIB), "none")
    return look.change("web3", copies={"shared": gone})


def test_a_fresh_machine_gets_the_id_that_others_know_and_a_new_copy():
    planned = plan(replaced())

    assert steps(planned) == [
        ("identify", "web3", UUID),
        ("reset", "web1", THREE),
        ("mount", "web3", "shared"),
    ]
    assert (planned.steps[0].other, planned.steps[0].members) == ("192.0.2.11", 3)
    assert planned.grows


def test_a_fresh_machine_that_does_not_take_part_stays_as_it_is():
    assert "identify" not in {act for act, *_ in steps(plan(Look(SHARING), ("web1",)))}


def test_no_copy_is_made_anew_while_another_is_not_there():
    look = replaced()
    with_copy(look, "web2", brick=SeenBrick("bare", False, 512 * MIB, 400 * MIB))

    assert "reset" not in {act for act, *_ in steps(plan(look))}


def test_a_copy_whose_folder_is_described_otherwise_is_refused():
    elsewhere = described(volumes=[volume(bricks={"web2": "/ssd/brick"})])
    look = Look(elsewhere)
    otherwise(look, bricks=(ONE, TWO, THREE))

    assert refused(look).startswith(f"volume shared has a copy at {TWO}, which is not described")


@pytest.mark.parametrize(
    ("arbiter", "words"), [(True, "has no arbiter"), (False, "has an arbiter")]
)
def test_an_arbiter_neither_comes_nor_goes(arbiter, words):
    look = Look(described(volumes=[volume(arbiter=arbiter)]))
    otherwise(look, arbiter=int(not arbiter))

    assert refused(look) == (
        f"volume shared {words}, and the description says otherwise; that is not changed here"
    )


# --- where a copy may lie ---


def objections(look: Look, names: tuple[str, ...] = NAMES) -> str:
    view = look.view
    return brick_objections(view.desired, view.state, names)


def on_root(look: Look, *names: str, state: str = "gone") -> Look:
    seen = SeenBrick(state, on_root=True, total=MIB, free=MIB)
    for name in names:
        with_copy(look, name, brick=seen)
    return look


def root(name: str) -> str:
    return (
        f"{name}: /data/shared/brick, the copy of shared, would lie on the root file system, and "
        "fill it: is its disk mounted? choose another folder as brick, or write on_root = true"
    )


def test_a_disk_of_its_own_is_no_objection():
    assert objections(fresh()) == ""
    assert objections(Look(SHARING)) == ""
    assert objections(Look()) == ""


@pytest.mark.parametrize("state", ["gone", "bare"])
def test_a_copy_on_the_root_file_system_is_refused_by_each_node(state):
    look = on_root(fresh(), "web2", state=state)

    assert objections(look) == root("web2")
    assert objections(on_root(look, "web3", state=state)) == f"{root('web2')}; {root('web3')}"


def test_who_says_so_may_have_it_there():
    look = on_root(fresh(described(volumes=[volume(on_root=True)])), *NAMES)

    assert objections(look) == ""


def test_a_copy_that_is_there_is_let_be():
    assert objections(on_root(Look(SHARING), *NAMES, state="marked")) == ""


def test_who_takes_no_part_has_no_say():
    look = on_root(fresh(), "web2")

    assert objections(look, ("web1", "web3")) == ""
    assert objections(look.unobserved("web2")) == ""


def test_a_node_without_a_copy_has_no_disk_for_it():
    assert objections(fresh(THREE_OF_FOUR).change("web4", copies={}), FOUR) == ""


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"unknown": {"copies": "no stat"}, "copies": {}}, "no stat"),
        ({"copies": {}}, "nothing is known of its disk"),
        ({"copies": {"shared": SeenCopy(None)}}, "nothing is known of its disk"),
    ],
)
def test_a_disk_of_which_nothing_is_known_is_refused(changes, why):
    look = fresh().change("web2", **changes)

    assert objections(look) == f"web2: /data/shared/brick, the copy of shared: {why}"
