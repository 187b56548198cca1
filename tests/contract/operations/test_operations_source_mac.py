"""Standby source-mac by the real command line: a second run, a changed MAC, a node never seen."""

from __future__ import annotations

import pytest
from looks import CLUSTER, STRANGER, mac

from selfbalance.desired import places

NAMES = ["web1", "web2", "web3"]
ONE = 'vips = [{address = "192.0.2.10"}]'
TWO = 'vips = [{address = "192.0.2.10"}, {address = "192.0.2.20", vrid = 52}]'


def describe(site) -> None:
    """Have two VIPs of an instance each, and marks."""
    text = (site.path / "web.toml").read_text()
    site.describe('standby = "source-mac"\n' + text.replace(ONE, TWO))


@pytest.fixture
def marked(first_run_of_marked, site_like):
    """A site whose cluster runs and marks clients."""
    first, run = first_run_of_marked
    assert run.status == 0, run.said
    return site_like(first)


@pytest.fixture(scope="session")
def first_run_of_marked(new_site):
    """A site of bare nodes after its first run, and that run."""
    site = new_site("marked")
    describe(site)
    return site, site.run("cluster")


def test_bare_nodes_become_a_cluster_that_marks_clients(first_run_of_marked):
    site, run = first_run_of_marked

    assert run.status == 0, run.said
    assert "clients marked by nft" in run.out
    for name in NAMES:
        known = {mac(CLUSTER, peer) for peer in NAMES if peer != name}
        script = site.world[name]["files"][places.MARKS][0]
        assert {each for each in (mac(CLUSTER, n) for n in NAMES) if each in script} == known


def test_on_a_cluster_that_serves_nobody_each_instance_starts_on_its_own_node(first_run_of_marked):
    _, run = first_run_of_marked
    served = {
        e["host"]: e["what"].rpartition("selfbalance-guard serving ")[2]
        for e in run.log
        if e["kind"] == "activate" and "selfbalance-guard serving" in e["what"]
    }

    assert served == {"web1": "web", "web2": "web-52"}


def test_a_second_run_is_one_look_and_two_where_it_asks(marked):
    run = marked.run("cluster")
    asked = marked.run("cluster", answers="\n")

    assert (run.status, run.changes, sorted(run.did("look"))) == (0, [], NAMES)
    assert (asked.status, asked.changes, sorted(asked.did("look"))) == (0, [], sorted(NAMES * 2))


def test_a_changed_mac_is_named_by_status(marked):
    marked.inventory(web3={"mac": STRANGER})

    run = marked.run("status")

    assert run.status == 1
    for name in ("web1", "web2"):
        assert (
            f"! {name} takes web3 for a client: it does not know that its MAC is {STRANGER}, "
            f"not {mac(CLUSTER, 'web3')}; what web3 sends it is balanced again"
        ) in run.out
    assert "no such MAC" not in run.out


def test_a_changed_mac_is_put_right_on_the_others_and_keepalived_left_alone(marked):
    marked.inventory(web3={"mac": STRANGER})

    run = marked.run("cluster")

    assert run.status == 0, run.said
    assert run.did("activate") == []
    assert sorted(run.changes) == [
        (name, kind) for name in NAMES for kind in ("keep old", "kernel", "settle", "write")
    ]
    scripts = {name: marked.world[name]["files"][places.MARKS][0] for name in NAMES}
    assert [STRANGER in script for script in scripts.values()] == [True, True, False]
    assert marked.run("cluster").changes == []


def test_marks_that_somebody_flushed_are_set_again(marked):
    marked.change("web2", marks="")

    run = marked.run("cluster")

    assert run.status == 0, run.said
    assert run.changes == [("web2", "kernel")]


def test_a_node_that_is_down_is_known_by_the_record_of_the_others(marked):
    marked.inventory(web3={"fails": ["look"]})

    run = marked.run("status")

    assert "web3 could not be observed" in run.out
    assert "takes web3 for a client" not in run.out
    assert "no such MAC" not in run.out


def test_a_node_that_nobody_ever_saw_is_refused_and_nothing_is_done(bare):
    describe(bare)
    bare.inventory(web3={"fails": ["look"]})

    run = bare.run("cluster")

    assert (run.status, run.changes) == (1, [])
    assert "what every node should have follows from facts of web3" in run.err
    assert "Traceback" not in run.said
