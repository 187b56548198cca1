"""deploys/status.py by the real command line: it changes nothing, its exit code answers."""

from __future__ import annotations

import json

import pytest

NAMES = ["web1", "web2", "web3"]


def test_a_healthy_cluster_exits_0_and_is_looked_at_once(deployed):
    run = deployed.run("status", "--data", "output=status.json")

    assert (run.status, run.changes) == (0, [])
    assert sorted(run.did("look")) == NAMES
    assert "NOT HEALTHY" not in run.out
    found = json.loads((deployed.path / "status.json").read_text())
    assert (found["format"], found["healthy"]) == (1, True)
    assert [node["role"] for node in found["nodes"]] == ["MASTER", "BACKUP", "BACKUP"]


def test_a_dead_keepalived_exits_1_and_is_named(deployed):
    deployed.change("web3", running=None)

    run = deployed.run("status", "--data", "output=status.json")

    assert (run.status, run.changes) == (1, [])
    assert "! web3: keepalived.service is inactive (dead)" in run.out
    assert "cluster web has 2 problems, see above" in run.error
    assert json.loads((deployed.path / "status.json").read_text())["healthy"] is False


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("web1", {"down": True}),
        ("web3", {"down": True}),
        ("web1", {"fails": ["look"]}),
        ("web2", {"cut": True}),
    ],
)
def test_a_node_that_cannot_be_looked_at_is_named_and_the_others_are_shown(deployed, name, fault):
    """web1 would have carried the look: another one does."""
    deployed.inventory(**{name: fault})

    run = deployed.run("status")

    assert (run.status, run.changes) == (1, [])
    assert f"! {name} could not be observed: " in run.out
    assert f"\n{name}  not observed" in run.out
    for other in {*NAMES} - {name}:
        assert f"\n{other}  " in run.out
    assert "Traceback" not in run.said


def test_a_limit_looks_at_all_the_same(deployed):
    run = deployed.run("status", "--limit", "web2")

    assert (run.status, run.changes) == (0, [])
    assert sorted(run.did("look")) == NAMES
    assert "3 of 3 observed" in run.out


def test_a_look_that_is_asked_about_first_is_the_same_look(deployed):
    run = deployed.run("status", answers="\n")

    assert (run.status, run.changes) == (0, [])
    assert "3 of 3 observed" in run.out


def test_bare_nodes_are_not_healthy(bare):
    run = bare.run("status")

    assert (run.status, run.changes) == (1, [])
    assert "NOT HEALTHY" in run.out
