"""Nodes leave a live cluster under load, as bare as before they came; others take their place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bareness import differences, listing, look
from deployed import VIP, Run, Site, move, problems, weights
from lab_fixtures import running
from lossless import nothing_is_lost, until_nothing_fails

from selfbalance.lab import Lab
from selfbalance.observed import NodeState

pytestmark = pytest.mark.timeout(900)

CALM = "detection='calm'"
_NODE = "Node(name=n.name, address=n.address, address6=n.address6)"


def without(node: str) -> str:
    return f"{CALM}, nodes=[{_NODE} for n in _lab.nodes if n.name != {node!r}]"


@pytest.fixture(scope="module")
def bare_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running("teardown", tmp_path_factory.mktemp("state")) as lab:
        yield lab


Before = dict[str, tuple[dict[str, list[str]], NodeState]]


@pytest.fixture(scope="module")
def before(bare_lab: Lab) -> Before:
    """Each node as it was before the install."""
    # Its first look may make what later ones find: both times, one has been there.
    for node in bare_lab.nodes:
        look(bare_lab, node.name)
    return {n.name: (listing(bare_lab, n.name), look(bare_lab, n.name)) for n in bare_lab.nodes}


@pytest.fixture(scope="module")
def live(bare_lab: Lab, before: Before, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The cluster on these nodes."""
    assert before
    site = Site(bare_lab, tmp_path_factory.mktemp("site"))
    site.described = CALM
    site.deploy()
    return site


@pytest.fixture
def well(live: Site) -> Iterator[Site]:
    """The cluster of three nodes, well before and after a test."""
    live.wait_until_healthy()
    yield live
    live.described = CALM
    live.wait_until_healthy()


def good(run: Run) -> Run:
    assert run.code == 0, run.text
    return run


def is_as_bare_as_before(site: Site, node: str, before: Before) -> None:
    there, state = before[node]
    assert look(site.lab, node) == state
    found = differences(there, listing(site.lab, node))
    assert found == {}, found


def comes_back(site: Site, node: str) -> None:
    """It is described again and serves."""
    site.described = CALM
    assert "healthy" in site.deploy().text
    good(move(site, "undrain", node))
    probes = site.lab.requests(f"http://{VIP}/", 60)
    assert all(probe.ok for probe in probes)
    assert node in {probe.node for probe in probes}


def test_a_realserver_leaves_and_comes_back(well: Site, before: Before) -> None:
    node = well.backups()[-1]

    def act() -> None:
        run = good(move(well, "teardown", node))
        assert f"next: take {node} out of the description" in run.text

    nothing_is_lost(well, act, f"teardown of {node}")
    is_as_bare_as_before(well, node, before)
    for director in well.backups():
        if director != node:
            assert weights(well, director)[well.lab.node(node).address] == 0
    again = good(move(well, "teardown", node))
    assert f"{node} has nothing of this cluster" in again.text
    well.described = without(node)
    nothing_is_lost(well, lambda: _forgotten(well, node), f"cluster.py without {node}")
    comes_back(well, node)


def _forgotten(site: Site, node: str) -> None:
    run = site.deploy()
    assert f"{node}: described no more" in run.text
    assert "web: 2 nodes, 1 VIP" in run.text
    status = site.status()
    assert status["healthy"], problems(status)
    left = "ls /var/lib/selfbalance | grep drained; true"
    others = [each for each in site.powered() if each != node]
    assert [site.lab.run(each, left).stdout for each in others] == ["", ""]


def test_the_master_leaves_and_comes_back(well: Site, before: Before) -> None:
    node = well.master()

    def act() -> None:
        assert "handed over to" in good(move(well, "teardown", node)).text

    nothing_is_lost(well, act, f"teardown of {node}, the MASTER")
    is_as_bare_as_before(well, node, before)
    well.described = without(node)
    nothing_is_lost(well, lambda: _forgotten(well, node), f"cluster.py without {node}")
    comes_back(well, node)


def test_killed_in_the_middle_it_is_ended_by_the_same_command(well: Site, before: Before) -> None:
    """As a power loss does it: some is gone, some is there."""
    node = well.backups()[0]
    well.lab.run(
        node,
        "systemctl stop keepalived; "
        "rm /etc/keepalived/keepalived.conf /etc/sysctl.d/60-selfbalance.conf; sync",
    )
    well.lab.power_off(node)
    well.lab.power_on(node)

    good(move(well, "teardown", node))

    there, _ = before[node]
    after = differences(there, listing(well.lab, node))
    # It has booted since: what the boot before had loaded is not there.
    assert {each: after[each] for each in after.keys() - {"modules", "sysctls"}} == {}
    well.described = without(node)
    well.deploy()
    comes_back(well, node)


def test_a_dead_node_is_forgotten_and_a_fresh_machine_takes_its_place(well: Site) -> None:
    node = well.backups()[0]
    well.lab.power_off(node)
    until_nothing_fails(well)
    well.described = without(node)

    nothing_is_lost(well, lambda: _alone(well), f"cluster.py without {node}, which is dead")

    well.lab.power_on(node, fresh=True)
    nothing_is_lost(well, lambda: comes_back(well, node), f"a fresh machine as {node}")


def _alone(site: Site) -> None:
    assert "web: 2 nodes, 1 VIP" in site.deploy().text


def test_a_fresh_machine_is_told_that_it_is_drained(well: Site) -> None:
    """It was drained when it died; nobody has taken it out of the description."""
    node = well.backups()[0]
    good(move(well, "drain", node))
    well.lab.power_off(node)
    well.lab.power_on(node, fresh=True)

    assert "healthy" in well.deploy().text

    status = well.status()
    assert [note["node"] for note in status["checks"]["realservers"]["notes"]] == [node]
    comes_back(well, node)
