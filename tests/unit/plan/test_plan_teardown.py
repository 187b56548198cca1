"""Whether a node may be taken away, and what others remember of it."""

from __future__ import annotations

from dataclasses import replace

from looks import (
    CLUSTER,
    NAMES,
    SHARING,
    WITH_FOURTH,
    Look,
    bare,
    described,
    desired,
    healthy,
)

from selfbalance.desired import places
from selfbalance.observed import Drain
from selfbalance.plan import (
    ghosts,
    going_copies,
    inherited,
    is_bare,
    is_new,
    pool_teller,
    teardown_objection,
)
from selfbalance.plugins import Problem, Verdict

ALL = {*NAMES}
ALL_FOUR = described(nodes=WITH_FOURTH.nodes, volumes=SHARING.volumes)
DRAIN = Drain("ops@bastion", 1_795_380_591)


def test_a_node_with_nothing_of_ours_is_bare_and_one_with_a_file_is_not():
    want = desired()["web1"]
    nothing = bare(CLUSTER, "web1")
    files = healthy()["web1"].files

    assert is_bare(want, nothing)
    assert is_bare(want, replace(nothing, files={places.CONFIG: files[places.CONFIG]}))
    assert not is_bare(want, replace(nothing, files={places.SYSCTLS: files[places.SYSCTLS]}))
    assert not is_bare(want, replace(nothing, addresses=healthy()["web1"].addresses))


def test_a_node_that_has_a_vip_and_no_file_of_ours_is_new():
    """As one of another cluster has it."""
    want, nothing = desired()["web1"], bare(CLUSTER, "web1")

    assert is_new(want, replace(nothing, addresses=healthy()["web1"].addresses))
    assert not is_new(want, replace(nothing, unknown={"files": "no"}))


def test_what_could_not_be_seen_may_be_there():
    assert not is_bare(desired()["web1"], replace(bare(CLUSTER, "web1"), unknown={"files": "no"}))


def test_a_healthy_node_may_go_and_so_may_the_master():
    for name in NAMES:
        assert teardown_objection(Look().view, name, ALL, {}) is None


def test_who_may_not_go_is_told_why():
    assert "there is no node 'web9'" in str(teardown_objection(Look().view, "web9", ALL, {}))
    assert teardown_objection(Look().view, "web3", ALL - {"web3"}, {}) == (
        "web3 is left out by --limit"
    )
    look = Look().unobserved("web3", "ssh timed out")
    assert "needs no teardown: take it out of the description" in str(
        teardown_objection(look.view, "web3", ALL, {})
    )


def test_a_drain_of_nobody_described_is_a_ghost():
    seen = replace(healthy()["web1"], drained={"web3": DRAIN, "web9": DRAIN})

    assert ghosts(NAMES, seen) == ("web9",)
    assert ghosts([*NAMES, "web9"], seen) == ()


def test_a_new_director_is_told_what_all_others_know():
    look = Look()
    for name in ("web1", "web2"):
        look.change(name, drained={"web3": DRAIN, "web9": DRAIN})

    assert inherited(look.view, "web3") == {"web3": DRAIN}
    look.change("web2", drained={})
    assert inherited(look.view, "web3") == {}


def test_one_that_only_serves_needs_no_drains():
    cluster = described(
        forwarding="tun",
        nodes=[
            *CLUSTER.nodes[:2],
            CLUSTER.nodes[2].model_copy(update={"director": False}),
        ],
    )
    look = Look(cluster)
    for name in ("web1", "web2"):
        look.change(name, drained={"web3": DRAIN})

    assert inherited(look.view, "web3") == {}


# --- volumes ---


def test_one_of_three_copies_is_not_given_up():
    said = str(teardown_objection(Look(SHARING).view, "web2", ALL, {}))

    assert said == (
        "192.0.2.12:/data/shared/brick is one of 3 copies, and 3 are the fewest that are safe: "
        "describe one more first (nodes, replica), and run cluster.py"
    )


def test_one_of_four_copies_is_if_all_others_are_whole():
    view, four = Look(ALL_FOUR).view, {*NAMES, "web4"}
    healing = Problem("volume shared: 3 files or folders are still to be healed", None, passes=True)
    its_own = Problem("web4: /srv/shared (shared) is not mounted", "web4")

    assert going_copies(view, "web4") == {"shared": ("192.0.2.14:/data/shared/brick", 3)}
    assert teardown_objection(view, "web4", four, {}) is None
    said = teardown_objection(view, "web4", four, {"volumes": Verdict("", (its_own, healing))})
    assert said == (
        "every other copy has to be whole first: "
        "volume shared: 3 files or folders are still to be healed"
    )
    assert teardown_objection(view, "web4", four, {"volumes": Verdict("", (its_own,))}) is None


def test_without_a_word_of_gluster_nothing_goes():
    look = Look(ALL_FOUR)
    for name in NAMES:
        look.change(name, unknown={"pool": "glusterd does not run"})

    assert teardown_objection(look.view, "web4", {*NAMES, "web4"}, {}) == (
        "what the volumes would lose is not known: gluster answers on no other node"
    )


def test_the_others_are_asked_about_the_pool():
    teller = pool_teller(Look(ALL_FOUR).view, "web1")

    assert teller is not None
    assert teller.name == "web2"
    assert pool_teller(Look().view, "web1") is not None
