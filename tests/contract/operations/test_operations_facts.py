"""What is observed and decides: the kernel's modules before anything, weights by facts of nodes."""

from __future__ import annotations

import json
import shutil

import pytest
from sites import REPOSITORY, Site

from selfbalance.desired import places

NAMES = ["web1", "web2", "web3"]
CORES = {"web1": 1, "web2": 2, "web3": 4}
RAISING = """\
from selfbalance.plugins import Scheduler, hook

@hook
def register_schedulers(register):
    register("odd", Scheduler("wrr", "odd", weigh_observed=lambda node, facts: 1 // 0))
"""


def schedule(site, name: str) -> None:
    """Let the one service have another scheduler."""
    text = (site.path / "web.toml").read_text()
    site.describe(text.replace("port = 80}", f'port = 80, scheduler = "{name}"}}'))


def nodes(site, **more: dict[str, object]) -> None:
    """Give the nodes their cores, and some of them more than that."""
    site.inventory(**{name: {"cores": CORES[name], **more.get(name, {})} for name in NAMES})


def weights(site) -> dict[str, dict[str, int]]:
    """The weights that keepalived of each node has."""
    return {
        name: {real: weight for real, (weight, _) in has["running"][0][4].items()}
        for name, has in site.world.items()
    }


def files(site, *names: str) -> list[object]:
    return [site.world[name]["files"] for name in names]


def with_capacity(site: Site) -> Site:
    """Let weights follow from the nodes' cores."""
    shutil.copytree(REPOSITORY / "plugins", site.path / "plugins")
    schedule(site, "capacity")
    nodes(site)
    return site


@pytest.fixture(scope="module")
def _weighed(tmp_path_factory):
    site = with_capacity(Site(tmp_path_factory.mktemp("weighed")))
    run = site.run("cluster")
    assert run.status == 0, run.said
    return site


@pytest.fixture
def weighed(_weighed, bare):
    """A cluster whose weights follow from its nodes' cores."""
    shutil.copy(_weighed.path / ".world", bare.path)
    return with_capacity(bare)


# --- modules ---


def test_a_kernel_that_lacks_a_module_keeps_every_node_as_it_is(bare):
    bare.inventory(web2={"lacks": ["ip_vs_mh"]})

    run = bare.run("cluster")

    assert (run.status, run.changes) == (1, [])
    for name in NAMES:
        assert (
            f"[{name}] web2: its kernel 6.1.176 has no module ip_vs_mh; nothing was done to {name}"
        ) in run.err
    assert "Traceback" not in run.said


def test_a_dry_run_says_so_too(bare):
    bare.inventory(web2={"lacks": ["ip_vs_mh"]})

    run = bare.run("cluster", "--dry")

    assert (run.status, run.changes) == (0, [])
    assert "[web1] web2: its kernel 6.1.176 has no module ip_vs_mh" in run.err


def test_a_live_cluster_keeps_its_scheduler_where_a_kernel_lacks_the_new_one(deployed):
    schedule(deployed, "sed")
    deployed.inventory(web3={"lacks": ["ip_vs_sed"]})

    run = deployed.run("cluster")

    assert (run.status, run.changes) == (1, [])
    assert "web3: its kernel 6.1.176 has no module ip_vs_sed" in run.err


def test_a_limit_that_leaves_the_kernel_out_goes_on(bare):
    bare.inventory(web2={"lacks": ["ip_vs_mh"]})

    run = bare.run("cluster", "--limit", "web1", "--limit", "web3")

    assert sorted(run.did("activate")) == ["web1", "web3"]
    assert "web2" not in {host for host, _ in run.changes}
    assert "has no module" not in run.err


# --- weights ---


def test_weights_follow_from_what_was_observed_and_every_node_has_the_record(weighed):
    table = {"192.0.2.11": 1, "192.0.2.12": 2, "192.0.2.13": 4}

    assert weights(weighed) == dict.fromkeys(NAMES, table)
    records = {str(has["files"][places.FACTS]) for has in weighed.world.values()}
    assert len(records) == 1
    assert "web3 4 4294967296 02:5b:00:00:00:0d" in records.pop()


def test_a_second_run_changes_nothing_with_one_look_and_by_hand_two(weighed):
    run, by_hand = weighed.run("cluster"), weighed.run("cluster", answers="\n")

    assert (run.status, run.changes) == (0, [])
    assert sorted(e["host"] for e in run.log if e["kind"] != "connect") == NAMES
    assert (by_hand.status, by_hand.changes) == (0, [])
    assert sorted(e["host"] for e in by_hand.log if e["kind"] != "connect") == sorted(NAMES * 2)


def test_a_node_that_grows_changes_the_weights_of_all_one_by_one(weighed):
    """As long as some have the old ones, tables are compared among those that have the new."""
    nodes(weighed, web1={"cores": 8})
    weighed.impatient()

    run = weighed.run("cluster")

    assert run.status == 0, run.said
    assert run.did("activate") == ["web2", "web3", "web1"]
    table = {"192.0.2.11": 8, "192.0.2.12": 2, "192.0.2.13": 4}
    assert weights(weighed) == dict.fromkeys(NAMES, table)


def test_a_node_that_is_down_changes_nothing_on_the_others(weighed):
    before = files(weighed, "web1", "web2")
    nodes(weighed, web3={"down": True})
    weighed.impatient()

    run = weighed.run("cluster", "--limit", "web1", "--limit", "web2")

    assert run.changes == []
    assert files(weighed, "web1", "web2") == before
    assert "web3 could not be observed: " in run.out
    assert "changed by hand" not in run.out


def test_status_knows_a_node_that_is_down_by_the_others_records(weighed):
    nodes(weighed, web1={"down": True})

    run = weighed.run("status", "--data", "output=status.json")

    assert (run.status, run.changes) == (1, [])
    checks = json.loads((weighed.path / "status.json").read_text())["checks"]
    assert not checks["nodes"]["ok"]
    assert checks["drift"]["ok"]
    assert "facts" not in checks


def test_a_node_that_nobody_knows_is_refused_and_status_shows_all_the_same(bare):
    with_capacity(bare).inventory(web3={"down": True})
    unknown = "what every node should have follows from facts of web3, which could not be seen"

    run = bare.run("cluster", "--limit", "web1", "--limit", "web2")
    status = bare.run("status")

    assert (run.status, run.changes) == (1, [])
    for name in ("web1", "web2"):
        (line,) = [line for line in run.err.splitlines() if f"[{name}] what every" in line]
        assert unknown in line
        assert line.endswith(f"try: ssh web3; nothing was done to {name}")
    assert (status.status, status.changes) == (1, [])
    assert f"! {unknown}" in status.out
    for name in NAMES:
        assert f"\n{name}  " in status.out
    assert "Traceback" not in run.said + status.said


def test_a_plugin_that_cannot_weigh_is_one_line_and_nothing_is_changed(bare):
    (bare.path / "plugins").mkdir()
    bare.write("plugins/odd.py", RAISING)
    schedule(bare, "odd")
    said = "plugin odd: scheduler 'odd' cannot weigh web1: ZeroDivisionError: "

    run, status = bare.run("cluster"), bare.run("status")

    assert (run.status, run.changes) == (1, [])
    assert said in run.err
    assert (status.status, status.changes) == (1, [])
    assert f"! {said}" in status.out
    assert "Traceback" not in run.said + status.said
