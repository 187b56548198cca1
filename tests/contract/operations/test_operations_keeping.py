"""Snapshots on the controller: kept before a node is touched, or the node is not touched."""

from __future__ import annotations

import pytest

from selfbalance import snapshots
from selfbalance.desired import places
from selfbalance.plugins import SnapshotOf

NAMES = ["web1", "web2", "web3"]
CALM = 'detection = "calm"\n'


@pytest.fixture
def site(deployed):
    """A cluster that runs, whose snapshots the controller keeps, and a change to make."""
    deployed.describe(
        'snapshots = "controller"\n' + CALM + (deployed.path / "web.toml").read_text()
    )
    return deployed


def kept(site, node: str, kind: str) -> bytes:
    return snapshots.load(SnapshotOf(site.path, "web", node, f"before-activation.{kind}"))


def test_each_nodes_is_kept_before_it_is_touched(site):
    before = {name: site.world[name]["files"][places.CONFIG][0] for name in NAMES}

    run = site.run("cluster")

    assert run.status == 0, run.said
    events = [(e["kind"], e["host"]) for e in run.log if e["kind"] in {"snapshot", "activate"}]
    assert events == [
        (kind, name) for name in ("web2", "web3", "web1") for kind in ("snapshot", "activate")
    ]
    for name in NAMES:
        assert kept(site, name, "conf").decode() == before[name]
        assert site.world[name]["files"][places.CONFIG][0] != before[name]
        assert kept(site, name, "ipvs") == f"-A -t 192.0.2.10:80 -s mh # of {name}\n".encode()


def test_nothing_is_kept_on_the_nodes(site):
    run = site.run("cluster")

    sent = [e["what"] for e in run.log if e["kind"] in {"snapshot", "activate"}]
    assert not [each for each in sent if "save()" in each]


def test_bare_nodes_have_nothing_to_keep(bare):
    bare.describe('snapshots = "controller"\n' + (bare.path / "web.toml").read_text())

    run = bare.run("cluster")

    assert (run.status, run.did("snapshot")) == (0, []), run.said
    assert not (bare.path / ".selfbalance").exists()


def test_a_dry_run_keeps_nothing(site):
    run = site.run("cluster", "--dry")

    assert (run.status, run.changes) == (0, []), run.said
    assert not (site.path / ".selfbalance").exists()


def test_where_it_cannot_be_written_no_node_is_touched(site):
    (site.path / ".selfbalance").write_text("in the way")

    run = site.run("cluster")

    assert run.status == 1
    assert run.did("activate") == []
    assert "web2: no snapshot could be kept: " in run.error
    assert f"{site.path}/.selfbalance" in run.error
    assert "keepalived was not touched on web1, web2, web3" in run.error
    assert "Traceback" not in run.said


def test_where_a_node_cannot_be_asked_it_is_not_touched(site):
    site.inventory(web3={"fails": ["snapshot"]})

    run = site.run("cluster")

    assert run.status == 1
    assert run.did("activate") == ["web2"]
    assert "web3: no snapshot could be kept: snapshot went wrong" in run.error
    assert "keepalived was not touched on web1, web3" in run.error


def test_a_store_of_a_sites_own_that_raises_stops_before_the_node(site):
    (site.path / "plugins").mkdir()
    site.write(
        "plugins/attic.py",
        """
        from selfbalance.plugins import ControllerStore, hook

        @hook
        def register_snapshot_stores(register):
            register("attic", ControllerStore("the attic", lambda *_: 1 / 0, lambda *_: b""))
        """,
    )
    site.describe((site.path / "web.toml").read_text().replace('"controller"', '"attic"'))

    run = site.run("cluster")

    assert (run.status, run.did("activate")) == (1, [])
    assert "store 'attic': ZeroDivisionError: division by zero" in run.error
    assert "Traceback" not in run.said


def test_what_is_kept_is_shown_nowhere(site):
    """It may hold VRRP's password."""
    secret = "Q7.rzW%k"
    for name in NAMES:
        files = site.world[name]["files"]
        text = files[places.CONFIG][0] + f"auth_pass {secret}\n"
        site.change(name, files={**files, places.CONFIG: [text, 0o600]})

    run = site.run("cluster", "-vvv", "--debug")

    assert run.status == 0, run.said
    assert secret.encode() in kept(site, "web1", "conf")
    assert secret not in run.said
    # The head of what a node printed, as it came.
    assert "IyBXcml0dGVu" not in run.said.replace("\n", "")
