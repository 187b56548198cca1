"""Gate `volumes`: silent where all is well; each fault is one problem, on its node, with a way out.

Whatever is unknown is never healthy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from clusters import clusters, steady
from hypothesis import given
from hypothesis import strategies as st
from looks import (
    CLUSTER,
    MIB,
    NAMES,
    PLUGINS,
    SHARED,
    SHARING,
    WITH_FOURTH,
    Look,
    bare,
    described,
    desired,
    shared,
    uuid,
)
from printed import OF_VOLUMES, WITH_VOLUMES

from selfbalance import Volume
from selfbalance.gates import judge
from selfbalance.gates.volumes import FULL_PERCENT, LOW_PERCENT, volumes
from selfbalance.observed import (
    HealCount,
    NodeState,
    SeenBrick,
    SeenCopy,
    SeenPeer,
    SeenSettings,
    SeenVolume,
    Shared,
)
from selfbalance.plugins import Problem, Verdict

ONE, TWO, THREE = desired(SHARING)["web1"].volumes[0].bricks
ARBITER = described(volumes=[Volume(**{**dict(SHARED), "arbiter": True})])
NOTHING = dict.fromkeys((ONE, TWO, THREE), HealCount(0, 0))


def verdict(look: Look) -> Verdict:
    said = volumes(look.view)
    assert said is not None
    return said


def sharing() -> Look:
    return Look(SHARING)


def node(look: Look, name: str) -> NodeState:
    state = look.nodes[name]
    assert isinstance(state, NodeState)
    return state


def copy(name: str, **changes: object) -> Callable[[Look], object]:
    """See what a node has of the volume otherwise."""

    def put(look: Look) -> object:
        copies = node(look, name).copies
        return look.change(name, copies={**copies, "shared": replace(copies["shared"], **changes)})

    return put


def brick(name: str, **changes: object) -> Callable[[Look], object]:
    def put(look: Look) -> object:
        seen = node(look, name).copies["shared"].brick
        assert seen is not None
        return copy(name, brick=replace(seen, **changes))(look)

    return put


def peers(by: str, of: str, **changes: object) -> Callable[[Look], object]:
    """Let a node see a peer otherwise; without changes, not at all."""

    def put(look: Look) -> object:
        address = str(look.cluster.node(of).address)
        seen = [
            replace(peer, **changes) if address in peer.names else peer
            for peer in node(look, by).gluster_peers
            if changes or address not in peer.names
        ]
        return look.change(by, gluster_peers=tuple(seen))

    return put


def settings(**changes: object) -> Callable[[Look], object]:
    """Let every node's glusterd have another volume."""

    def put(look: Look) -> object:
        for name in look.nodes:
            seen = node(look, name).volumes
            made = {**seen, "shared": replace(seen["shared"], **changes)}
            look.change(name, volumes=made)
        return look

    return put


def options(**changes: str | None) -> Callable[[Look], object]:
    def put(look: Look) -> object:
        found = {**node(look, "web1").volumes["shared"].options}
        for name, value in changes.items():
            found[name.replace("__", ".").replace("_", "-")] = value
        return settings(options={k: v for k, v in found.items() if v is not None})(look)

    return put


def whole(**changes: object) -> Callable[[Look], object]:
    """Have the observer say otherwise of the volume."""

    def put(look: Look) -> Look:
        seen = look.shared.volumes["shared"]
        volumes = {**look.shared.volumes, "shared": replace(seen, **changes)}
        look.shared = replace(look.shared, volumes=volumes)
        return look

    return put


def said_of_all(answer: Shared) -> Callable[[Look], object]:
    def put(look: Look) -> object:
        look.shared = answer
        return look

    return put


def both(*puts: Callable[[Look], object]) -> Callable[[Look], object]:
    return lambda look: [put(look) for put in puts]


def rejected(by: str, of: str) -> Callable[[Look], object]:
    return peers(by, of, state=6, words="Peer Rejected")


WIPE = (
    "on {}: systemctl stop glusterd; mv /var/lib/glusterd /var/lib/glusterd.old; "
    "mkdir /var/lib/glusterd; cp /var/lib/glusterd.old/glusterd.info /var/lib/glusterd/; "
    "systemctl start glusterd; gluster peer probe {}; "
    "timeout 60 sh -c 'until [ $(gluster pool list | wc -l) -gt {} ]; do sleep 1; done' "
    "&& systemctl restart glusterd"
)
PORT = "on {}: systemctl status glusterd; is port 24007 open between the nodes?"
RESET = (
    "on web2: if its disk is not mounted, mount it and systemctl restart glusterd; for a new copy: "
    f"gluster volume reset-brick shared {TWO} start; mkdir -p /data/shared/brick; "
    f"gluster volume reset-brick shared {TWO} {TWO} commit force"
)
FULL = (
    "on web2: what lies there beside the copy? delete it, or delete through /srv/shared, or give "
    "it a larger disk; the copy is healed some minutes later"
)
REMOUNT = "on web2: systemctl restart 'srv-shared.mount'"
UNANSWERED = "Failed to process entries completely. (Transport endpoint is not connected)"
LATE = "gluster did not answer within 90 s"
SUMMARY = "on web1: gluster volume heal shared info summary"
HEALS = f"it goes on by itself; {SUMMARY}"
SPLIT = (
    "in split-brain: copies differ, and gluster cannot know which is right",
    "on web1: gluster volume heal shared info split-brain; choose one, e.g. "
    "gluster volume heal shared split-brain latest-mtime FILE",
)
ASK = "on any node: systemctl status glusterd; gluster volume status"
FAULTS: dict[str, tuple[Callable[[Look], object], Problem]] = {
    # --- peers ---
    "a node rejected, as two see it": (
        both(rejected("web1", "web2"), rejected("web3", "web2"), rejected("web2", "web1"),
             rejected("web2", "web3")),
        Problem("web2 is rejected by gluster's pool: its volume files differ, says web1 and web3",
                "web2", WIPE.format("web2", "192.0.2.11", 3)),
    ),
    "a node rejected, as one sees it": (
        rejected("web3", "web2"),
        Problem("web2 is rejected by gluster's pool: its volume files differ, says web3", "web2",
                "which of the two is wrong? compare /var/lib/glusterd/vols on all nodes; status.py "
                "with more nodes up tells"),
    ),
    "a node that is not connected": (
        both(peers("web1", "web2", connected=False), peers("web3", "web2", connected=False)),
        Problem("web2 is not connected in gluster's pool, says web1 and web3", "web2",
                PORT.format("web2")),
    ),
    "a node that is no peer": (
        both(peers("web1", "web2"), peers("web3", "web2")),
        Problem("web2 is no peer of gluster's pool, says web1 and web3", "web2",
                PORT.format("web2")),
    ),
    "a node that sees nobody": (
        lambda look: look.change("web3", gluster_peers=()),
        Problem("web1 is no peer of gluster's pool, says web3", "web1", PORT.format("web1")),
    ),
    "a peer that is only probed": (
        peers("web1", "web3", state=4, words="Accepted peer request"),
        Problem("web3 is in state 4 in gluster's pool (Accepted peer request), says web1", "web3",
                PORT.format("web3")),
    ),
    # --- what gluster has been told ---
    "no volume": (
        lambda look: look.change_all(volumes={}),
        Problem("there is no volume shared", None, "make it: run cluster.py"),
    ),
    "a volume that is not started": (
        settings(started=False),
        Problem("volume shared is not started", None, "start it: run cluster.py"),
    ),
    "a copy too few": (
        settings(bricks=(ONE, TWO), replica=2),
        Problem(f"volume shared has the bricks {ONE} {TWO}, and should have {ONE} {TWO} {THREE}",
                None, "see what cluster.py would change: run it with --dry"),
    ),
    "a copy that nobody described": (
        settings(bricks=(ONE, TWO, THREE, "192.0.2.99:/x"), replica=4),
        Problem(f"volume shared has the bricks {ONE} {TWO} {THREE} 192.0.2.99:/x, and should have "
                f"{ONE} {TWO} {THREE}", None,
                "see what cluster.py would change: run it with --dry"),
    ),
    "an arbiter that nobody described": (
        settings(arbiter=1),
        Problem("volume shared has 3 copies and an arbiter among them, and should have 3 copies",
                None, "see what cluster.py would change: run it with --dry"),
    ),
    "bricks that are no copies of each other": (
        settings(replica=1),
        Problem("volume shared has 1 copy, and should have 3 copies", None,
                "see what cluster.py would change: run it with --dry"),
    ),
    "an option with another value": (
        options(network__ping_timeout="42"),
        Problem("volume shared: network.ping-timeout is 42, and should be 10", None,
                "set it: run cluster.py"),
    ),
    "an option that is not set": (
        options(auth__allow=None),
        Problem("volume shared: auth.allow is not set, and should be "
                "127.0.0.1,192.0.2.11,192.0.2.12,192.0.2.13", None, "set it: run cluster.py"),
    ),
    # --- copies ---
    "a copy that is gone": (
        brick("web2", state="gone"),
        Problem("web2: /data/shared/brick, its copy of shared, is gone", "web2", RESET),
    ),
    "a copy that is empty": (
        brick("web2", state="bare"),
        Problem("web2: /data/shared/brick, its copy of shared, is empty: gluster does not know it",
                "web2", RESET),
    ),
    "a copy of which nothing is told": (
        copy("web2", brick=None),
        Problem("web2: nothing is known of its copy of shared", "web2",
                "on web2: ls /data/shared/brick; then look again"),
    ),
    "a disk that is full": (
        brick("web2", free=5 * MIB),
        Problem("web2: the disk of /data/shared/brick, its copy of shared, is full: 5 of 500 MiB "
                "are free", "web2", FULL),
    ),
    "a disk of no size": (
        brick("web2", total=0, free=0),
        Problem("web2: the disk of /data/shared/brick, its copy of shared, is full: 0 of 0 MiB "
                "are free", "web2", FULL),
    ),
    "a glusterd that does not know the volume": (
        lambda look: look.change("web2", volumes={}),
        Problem("web2: its glusterd does not know volume shared", "web2",
                "on web2: systemctl restart glusterd; gluster peer status"),
    ),
    # --- mounts ---
    "a mount that is not there": (
        copy("web2", mount="none"),
        Problem("web2: /srv/shared (shared) is not mounted", "web2", REMOUNT),
    ),
    "a mount that hangs": (
        copy("web2", mount="fails does not answer within 10 s"),
        Problem("web2: /srv/shared (shared) cannot be written and read: does not answer within "
                "10 s", "web2", f"{REMOUNT}; are 2 copies online?"),
    ),
    "a mount that fails without a word": (
        copy("web2", mount="fails"),
        Problem("web2: /srv/shared (shared) cannot be written and read: no word why", "web2",
                f"{REMOUNT}; are 2 copies online?"),
    ),
    "another file system in its place": (
        copy("web2", mount="ext4"),
        Problem("web2: /srv/shared (shared) is a mount of ext4, not of the volume", "web2",
                "see /etc/fstab there"),
    ),
    # --- the volume as a whole ---
    "a copy that is offline": (
        whole(bricks={ONE: True, TWO: False, THREE: True}),
        Problem(f"web2: its copy of shared is not online: {TWO}", "web2",
                "on web2: tail /var/log/glusterfs/bricks/*.log; then "
                "gluster volume start shared force"),
    ),
    "a copy that gluster leaves out": (
        whole(bricks={ONE: True, THREE: True}),
        Problem(f"web2: its copy of shared is not online: {TWO}", "web2",
                "on web2: tail /var/log/glusterfs/bricks/*.log; then "
                "gluster volume start shared force"),
    ),
    "a self-heal daemon that is down": (
        whole(healers={"192.0.2.11": True, "192.0.2.12": False, "192.0.2.13": True}),
        Problem("web2: the self-heal daemon of shared does not run", "web2",
                "on web2: systemctl restart glusterd"),
    ),
    "a self-heal daemon that gluster leaves out": (
        whole(healers={"192.0.2.11": True, "192.0.2.13": True}),
        Problem("web2: the self-heal daemon of shared does not run", "web2",
                "on web2: systemctl restart glusterd"),
    ),
    "which is online unknown": (
        whole(unknown={"status": "gluster did not answer within 30 s"}, bricks={}, healers={}),
        Problem("which copies of shared are online is not known: gluster did not answer within "
                "30 s", None,
                "on web1: gluster volume status shared; a node that lost power makes it wait for "
                "2 min"),
    ),
    "counts unknown": (
        whole(unknown={"heal": "no", "again": "no"}, heals=()),
        Problem("what of shared has to be healed is not known: no", None, SUMMARY),
    ),
    "counts that take too long": (
        whole(unknown={"heal": LATE, "again": LATE}, heals=()),
        Problem(f"what of shared has to be healed is not known: {LATE}", None, SUMMARY,
                passes=True),
    ),
    "the second count unknown": (
        whole(unknown={"again": "no"}, heals=(NOTHING,)),
        Problem("what of shared has to be healed is not known: no", None, SUMMARY),
    ),
    "no count at all": (
        whole(heals=()),
        Problem("what of shared has to be healed is not known: nobody has counted", None, SUMMARY),
    ),
    "a copy that does not count": (
        whole(heals=({**NOTHING, TWO: UNANSWERED},) * 2),
        Problem(f"what of shared has to be healed from web2 is not known: {UNANSWERED}", "web2",
                SUMMARY),
    ),
    "a copy that is not counted": (
        whole(heals=({ONE: HealCount(0, 0), THREE: HealCount(0, 0)}, NOTHING)),
        Problem("what of shared has to be healed from web2 is not known: gluster does not name it",
                "web2", SUMMARY),
    ),
    "one to heal": (
        whole(heals=({**NOTHING, ONE: HealCount(1, 0)}, NOTHING)),
        Problem("volume shared: 1 file or folder is still to be healed", None, HEALS, passes=True),
    ),
    "some to heal, the second time": (
        whole(heals=(NOTHING, {**NOTHING, ONE: HealCount(2, 0), THREE: HealCount(51, 0)})),
        Problem("volume shared: 51 files or folders are still to be healed", None, HEALS,
                passes=True),
    ),
    "one in split-brain": (
        whole(heals=({**NOTHING, TWO: HealCount(0, 1)}, NOTHING)),
        Problem(f"volume shared: 1 file or folder is {SPLIT[0]}", None, SPLIT[1]),
    ),
    "several in split-brain": (
        whole(heals=(NOTHING, {**NOTHING, TWO: HealCount(0, 3)})),
        Problem(f"volume shared: 3 files or folders are {SPLIT[0]}", None, SPLIT[1]),
    ),
    "nobody could be asked": (
        said_of_all(Shared()),
        Problem("the volumes could not be asked for: no node could be asked", None, ASK),
    ),
    "who was asked did not answer": (
        said_of_all(Shared("web1", {}, "web1: the observing command failed")),
        Problem("the volumes could not be asked for: web1: the observing command failed", None,
                ASK),
    ),
}  # fmt: skip
TWICE = {"a node that sees nobody"}


def test_where_nothing_is_shared_the_gate_has_nothing_to_say():
    assert volumes(Look().view) is None
    assert "volumes" not in judge(Look().view, PLUGINS)


@pytest.mark.parametrize("cluster", [SHARING, ARBITER])
def test_a_healthy_volume_has_no_problem(cluster):
    look = Look(cluster)

    assert look.said() == []
    assert verdict(look) == Verdict("shared has 3 copies, healed, mounted on 3 nodes")
    assert list(judge(look.view, PLUGINS)) == [
        "nodes", "vip", "director", "realservers", "volumes", "kernel", "drift",
    ]  # fmt: skip


@pytest.mark.parametrize("away", ["bricks", "healers"])
def test_a_count_that_takes_too_long_does_not_pass_where_a_copy_is_away(away):
    """Then nobody heals: what is not known is a problem like others."""
    known = {"bricks": {ONE: True, THREE: True}, "healers": {"192.0.2.11": True}}[away]
    look = whole(unknown={"heal": LATE, "again": LATE}, heals=(), **{away: known})(Look(SHARING))

    unknown = [p for p in verdict(look).problems if LATE in p.what]
    assert [problem.passes for problem in unknown] == [False]
    # A run that goes on with that very node has to know that nothing else is wrong.
    (node,) = {problem.node for problem in unknown}
    assert node == {"bricks": "web2", "healers": None}[away]


def test_two_volumes_of_four_nodes():
    look = Look(WITH_FOURTH)

    assert look.said() == []
    assert verdict(look).seen == (
        "shared has 3 copies, healed, mounted on 4 nodes, "
        "other has 4 copies, healed, mounted on 4 nodes"
    )


@given(clusters(max_nodes=4, volumes=True))
@steady(20)
def test_any_healthy_cluster_that_shares_has_no_problem(cluster):
    look = Look(cluster, next(node.name for node in cluster.nodes if node.director))

    assert look.said() == []


@pytest.mark.parametrize("observer", NAMES)
def test_whoever_is_asked_it_is_the_same(observer):
    look = sharing()
    look.shared = shared(SHARING, observer)

    assert verdict(look).good


@pytest.mark.parametrize(
    ("put", "problem"),
    [each for name, each in FAULTS.items() if name not in TWICE],
    ids=[name for name in FAULTS if name not in TWICE],
)
def test_a_fault_is_one_problem_on_its_node_with_what_to_do(put, problem):
    look = sharing()
    put(look)

    assert verdict(look).problems == (problem,)
    assert verdict(look).notes == ()
    assert problem.remedy


def test_a_node_that_sees_nobody_names_each_of_them():
    """Who of the two is wrong only the others can tell, and nobody else complains."""
    put, problem = FAULTS["a node that sees nobody"]
    look = sharing()
    put(look)

    first, second = verdict(look).problems
    assert first == problem
    assert (second.node, second.remedy) == ("web2", PORT.format("web2"))


def test_what_the_others_know_is_missed_where_a_glusterd_does_not_know_it():
    look = sharing().change("web3", volumes={})
    brick("web3", state="gone")(look)

    assert [(p.node, p.what.rpartition(" ")[2]) for p in verdict(look).problems] == [
        ("web3", "gone"),
        ("web3", "shared"),
    ]


def test_who_is_rejected_and_who_is_away_have_each_their_own_way_out():
    """To throw away what glusterd knows is for the rejected one alone."""
    look = Look(WITH_FOURTH)
    for by in ("web1", "web4"):
        rejected(by, "web2")(look)
        peers(by, "web3", connected=False)(look)

    by_node = {problem.node: problem for problem in verdict(look).problems}

    assert by_node.keys() == {"web2", "web3"}
    assert by_node["web2"].remedy == WIPE.format("web2", "192.0.2.11", 4)
    assert by_node["web3"].remedy == PORT.format("web3")


def test_who_is_down_is_told_elsewhere_and_its_copy_with_it():
    look = sharing().unobserved("web2")
    for by in ("web1", "web3"):
        peers(by, "web2", connected=False)(look)
    both(
        whole(bricks={ONE: True, TWO: False, THREE: True}),
        whole(heals=({**NOTHING, TWO: UNANSWERED},) * 2),
    )(look)

    assert verdict(look).problems == ()
    assert verdict(look).seen == "shared has 2 copies, healed, mounted on 2 nodes"
    assert next(iter(look.problems())) == "nodes"


def test_what_is_missing_to_who_is_down_is_told_all_the_same():
    look = sharing().unobserved("web2")
    whole(heals=({**NOTHING, ONE: HealCount(9, 0), TWO: UNANSWERED},) * 2)(look)

    assert verdict(look).problems == (
        Problem("volume shared: 9 files or folders are still to be healed", None, HEALS,
                passes=True),
    )  # fmt: skip


def test_a_copy_that_is_gone_is_not_told_again_as_offline_or_uncounted():
    look = sharing()
    both(
        FAULTS["a copy that is gone"][0],
        FAULTS["a copy that is offline"][0],
        FAULTS["a copy that does not count"][0],
    )(look)

    assert verdict(look).problems == (FAULTS["a copy that is gone"][1],)


def test_split_brain_and_heals_are_two_things_and_only_one_of_them_passes():
    look = sharing()
    whole(heals=({**NOTHING, ONE: HealCount(4, 1)}, NOTHING))(look)

    assert [(p.passes, p.what.split(":")[1][:9]) for p in verdict(look).problems] == [
        (False, " 1 file o"),
        (True, " 4 files "),
    ]


def test_where_two_answers_differ_each_reason_is_told():
    look = sharing()
    whole(unknown={"heal": "first", "again": "second"}, heals=())(look)

    assert [p.what.rpartition(": ")[2] for p in verdict(look).problems] == ["first", "second"]


@pytest.mark.parametrize(
    ("percent", "full", "low"),
    [
        (100, False, False),
        (LOW_PERCENT + 1, False, False),
        (LOW_PERCENT, False, True),
        (FULL_PERCENT + 1, False, True),
        (FULL_PERCENT, True, False),
        (0, True, False),
    ],
)
def test_a_disk_that_gets_full_is_a_note_and_one_that_is_full_a_problem(percent, full, low):
    look = sharing()
    brick("web2", total=1000 * MIB, free=10 * percent * MIB)(look)

    said = verdict(look)

    assert bool(said.problems) is full
    assert bool(said.notes) is low
    if low:
        assert said.notes == (
            Problem(
                f"web2: the disk of /data/shared/brick gets full: {10 * percent} of 1000 MiB are "
                "free",
                "web2",
                "make room while there is time: what is then written is on the others only",
            ),
        )


def test_a_volume_that_is_not_there_yet_has_no_copies_to_miss():
    """Before the first run of cluster.py; mounts are missed, for web servers wait for them."""
    look = sharing()
    for name in NAMES:
        look.nodes[name] = replace(bare(SHARING, name), unknown={}, volumes={}, gluster_peers=())
    look.shared = Shared(
        "web1", {"shared": SeenVolume(unknown={"status": "Volume does not exist"})}
    )

    said = verdict(look)

    assert [p.what for p in said.problems if "peer" not in p.what] == [
        "there is no volume shared",
        *(f"{name}: /srv/shared (shared) is not mounted" for name in NAMES),
    ]


def test_bare_nodes_are_no_health():
    look = sharing()
    for name in NAMES:
        look.nodes[name] = bare(SHARING, name)
    look.shared = Shared(unknown="gluster answers on no node")

    said = verdict(look)

    assert said.problems[-1] == Problem(
        "the volumes could not be asked for: gluster answers on no node", None, ASK
    )
    assert "nodes" in look.problems()


def test_another_name_of_a_peer_is_the_peer():
    look = sharing()
    names = frozenset({uuid(SHARING, "web2"), "web2.example.org", "192.0.2.12"})
    peers("web1", "web2", names=names)(look)

    assert verdict(look).good


def test_peers_that_nobody_described_and_options_that_nobody_asked_for_are_no_fault():
    look = sharing()
    more = SeenPeer(frozenset({"192.0.2.99"}), connected=False, state=6, words="Peer Rejected")
    for name in NAMES:
        look.change(name, gluster_peers=(*node(look, name).gluster_peers, more))
    options(performance__cache_size="64MB")(look)

    assert verdict(look).good


def test_the_order_of_copies_is_no_difference():
    look = sharing()
    settings(bricks=(THREE, ONE, TWO))(look)

    assert verdict(look).good


def test_a_node_without_a_copy_needs_its_mount_only():
    look = Look(WITH_FOURTH)
    copy("web4", mount="none")(look)

    (problem,) = verdict(look).problems

    assert (problem.node, problem.what) == ("web4", "web4: /srv/shared (shared) is not mounted")


def test_each_volume_is_asked_about():
    look = Look(WITH_FOURTH)
    other = look.shared.volumes["other"]
    counts = {**other.heals[0], "192.0.2.12:/ssd/other": HealCount(2, 0)}
    volumes = {**look.shared.volumes, "other": replace(other, heals=(counts, other.heals[1]))}
    look.shared = replace(look.shared, volumes=volumes)

    (problem,) = verdict(look).problems

    assert problem.what == "volume other: 2 files or folders are still to be healed"


# --- whatever is unknown is never healthy ---


def test_of_a_volume_that_the_answer_leaves_out_nothing_is_known():
    look = sharing()
    look.shared = Shared("web1", {})

    told = [problem.what for problem in verdict(look).problems]

    assert told[0] == "which copies of shared are online is not known: not asked"
    assert not any(problem.passes for problem in verdict(look).problems)


def test_what_has_to_be_healed_is_told_whoever_was_asked_and_is_gone_now():
    """The answer is older than the look, or its observer went away in between."""
    for look in (sharing().unobserved("web1"), sharing().unknown("web1", "volumes")):
        whole(heals=({**NOTHING, TWO: HealCount(7, 0)}, NOTHING))(look)

        assert "volume shared: 7 files or folders are still to be healed" in [
            problem.what for problem in verdict(look).problems
        ]


def test_where_no_glusterd_tells_of_the_volumes_an_older_answer_does_not_count():
    look = sharing()
    for name in NAMES:
        look.unknown(name, "volumes")

    assert [problem.what for problem in verdict(look).problems] == [
        "the volumes could not be asked for: no node could be asked"
    ]


@pytest.mark.parametrize("section", OF_VOLUMES)
@pytest.mark.parametrize("name", NAMES)
def test_a_section_that_is_unknown_is_told_once_by_nodes(section, name):
    look = sharing().unknown(name, section)

    assert look.said() == [f"nodes: {name}: {section} could not be observed: {section} went wrong"]


@given(
    st.dictionaries(
        st.sampled_from(NAMES), st.sets(st.sampled_from(WITH_VOLUMES), min_size=1), min_size=1
    )
)
@steady(40)
def test_whatever_sections_are_unknown_it_is_never_healthy(unknown):
    look = sharing()
    for name, sections in unknown.items():
        look.unknown(name, *sections)

    told = {p.what for p in look.problems()["nodes"]}

    assert told >= {
        f"{name}: {section} could not be observed: {section} went wrong"
        for name, sections in unknown.items()
        for section in sections
    }


LESS = {
    "bricks": st.dictionaries(st.sampled_from((ONE, TWO, THREE)), st.booleans()),
    "healers": st.dictionaries(
        st.sampled_from(("192.0.2.11", "192.0.2.12", "192.0.2.13")), st.booleans()
    ),
    "heals": st.lists(
        st.dictionaries(
            st.sampled_from((ONE, TWO, THREE)),
            st.just("-") | st.builds(HealCount, st.integers(0, 2), st.integers(0, 2)),
        ),
        max_size=2,
    ).map(tuple),
    "unknown": st.dictionaries(st.sampled_from(("status", "heal", "again")), st.just("no")),
}
WHOLE = shared(SHARING).volumes["shared"]


@given(st.sets(st.sampled_from(sorted(LESS)), min_size=1), st.data())
@steady(150)
def test_whatever_gluster_says_only_all_copies_online_and_healed_are_healthy(changed, data):
    seen = replace(WHOLE, **{field: data.draw(LESS[field]) for field in sorted(changed)})
    look = sharing()
    look.shared = Shared("web1", {"shared": seen})

    well = (
        not seen.unknown
        and all(seen.bricks.get(each) for each in WHOLE.bricks)
        and all(seen.healers.get(each) for each in WHOLE.healers)
        and bool(seen.heals)
        and all(sample.get(each) == HealCount(0, 0) for sample in seen.heals for each in NOTHING)
    )

    said = verdict(look)

    assert said.good is well
    for problem in said.problems:
        assert problem.remedy
        assert problem.node in (*NAMES, None)
        assert problem.node is None or problem.node in problem.what


def test_every_field_of_an_answer_is_tried():
    assert LESS.keys() == {field.name for field in fields(SeenVolume)}


COPIES = st.builds(
    SeenCopy,
    brick=st.none()
    | st.builds(
        SeenBrick,
        state=st.sampled_from(("marked", "bare", "gone")),
        on_root=st.booleans(),
        total=st.sampled_from((0, 1000)),
        free=st.sampled_from((0, 20, 21, 1000)),
    ),
    mount=st.sampled_from(("works", "none", "ext4", "fails", "fails x", "work", "")),
)
PEERS = st.lists(
    st.builds(
        SeenPeer,
        names=st.sampled_from(tuple(frozenset({f"192.0.2.1{n}"}) for n in (1, 2, 3))),
        connected=st.booleans(),
        state=st.sampled_from((0, 2, 3, 4, 6)),
        words=st.just("x"),
    ),
    max_size=3,
    unique_by=lambda peer: peer.names,
).map(tuple)
GOOD = node(sharing(), "web2")
SETTINGS = st.builds(
    SeenSettings,
    started=st.booleans(),
    bricks=st.sampled_from(((ONE, TWO, THREE), (ONE, TWO), ())),
    replica=st.sampled_from((3, 2)),
    arbiter=st.sampled_from((0, 1)),
    options=st.sampled_from((GOOD.volumes["shared"].options, {})),
)


@given(
    st.dictionaries(
        st.sampled_from(NAMES),
        st.fixed_dictionaries(
            {},
            optional={
                "copies": st.just({}) | COPIES.map(lambda copy: {"shared": copy}),
                "gluster_peers": PEERS,
                "volumes": st.just({}) | SETTINGS.map(lambda one: {"shared": one}),
            },
        ),
    )
)
@steady(250)
def test_whatever_nodes_say_only_what_is_as_described_is_healthy(said):
    look = sharing()
    for name, changes in said.items():
        look.change(name, **changes)

    well = all(_is_well(node(look, name)) for name in NAMES)

    problems = verdict(look).problems
    assert (problems == ()) is well or _is_seen_by_the_observer_only(look, well)
    for problem in problems:
        assert problem.remedy, problem
        assert "\n" not in problem.what + problem.remedy
        assert problem.node is None or problem.node in problem.what


def _is_well(state: NodeState) -> bool:
    copy = state.copies.get("shared")
    brick = copy.brick if copy else None
    mine = {"web1": "192.0.2.11", "web2": "192.0.2.12", "web3": "192.0.2.13"}
    others = {address for name, address in mine.items() if name != state.name}
    good = {
        name
        for peer in state.gluster_peers
        if peer.connected and peer.state == 3
        for name in peer.names
    }
    return (
        copy is not None
        and brick is not None
        and copy.mount == "works"
        and brick.state == "marked"
        and brick.free * 100 > brick.total * FULL_PERCENT
        and others <= good
        and state.volumes == GOOD.volumes
    )


def _is_seen_by_the_observer_only(look: Look, well: bool) -> bool:
    """Settings are one node's word: the pool agrees on them, or rejects who does not."""
    for name in NAMES:
        if name != look.view.state.observer:
            look.change(name, volumes=GOOD.volumes)
    return not well and all(_is_well(node(look, name)) for name in NAMES)


def test_a_cluster_that_shares_has_all_other_gates_too():
    assert [v.seen for v in judge(Look().view, PLUGINS).values()][:4] == [
        v.seen for v in judge(sharing().view, PLUGINS).values()
    ][:4]
    assert CLUSTER.volumes == ()
