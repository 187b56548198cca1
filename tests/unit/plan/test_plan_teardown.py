"""Whether a node may be taken away, and what others remember of it."""

from __future__ import annotations

from dataclasses import replace

from looks import CLUSTER, NAMES, Look, bare, described, desired, healthy

from selfbalance.desired import places
from selfbalance.observed import Drain
from selfbalance.plan import ghosts, inherited, is_bare, is_new, teardown_objection

ALL = {*NAMES}
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
