"""Store `controller`: where its files lie, how many, and whose; the suite has the rest."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from selfbalance import snapshots
from selfbalance.deployment import every_plugin
from selfbalance.errors import SnapshotError
from selfbalance.plugins import SnapshotOf

TABLE = b"-A -t 192.0.2.10:80 -s mh\n"


@pytest.fixture
def which(tmp_path: Path) -> SnapshotOf:
    return SnapshotOf(tmp_path, "web", "web1", "before-activation.ipvs")


def test_nodes_cannot_reach_it_and_reach_the_others():
    stores = every_plugin().snapshot_stores

    assert {name: store.on_node for name, store in stores.items()} == {
        "local": True,
        "run": True,
        "glusterfs": True,
        "controller": False,
    }


def test_it_lies_beside_the_inventories_by_cluster_and_node(which, tmp_path):
    snapshots.save(which, TABLE)

    kept = tmp_path / ".selfbalance/snapshots/web/web1/before-activation.ipvs"
    digest = hashlib.sha256(TABLE).hexdigest()
    assert kept.read_bytes() == f"selfbalance-snapshot 1 web1 {digest}\n".encode() + TABLE


def test_nobody_else_may_enter_and_git_is_told_to_leave_it_out(which, tmp_path):
    snapshots.save(which, TABLE)

    assert (tmp_path / ".selfbalance").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / ".selfbalance/.gitignore").read_text() == "*\n"


def test_the_last_five_are_kept(which):
    for number in range(8):
        snapshots.save(which, b"%d" % number)

    folder = snapshots.path_of(which).parent
    assert {file.name for file in folder.iterdir()} == {
        "before-activation.ipvs",
        *(f"before-activation.ipvs.{older}" for older in (1, 2, 3, 4)),
    }
    assert [snapshots.load(which, older) for older in range(5)] == [b"7", b"6", b"5", b"4", b"3"]


REFUSED = {
    "torn": (b"mh\n", b"m\n", "is torn: its checksum is another"),
    "another node's": (b" web1 ", b" web9 ", "is a snapshot of web9, not of web1"),
    "no snapshot": (b"selfbalance-snapshot 1", b"-A -t 192.0.2.10:80", "is no snapshot"),
    "of a later form": (b"selfbalance-snapshot 1", b"selfbalance-snapshot 2", "is no snapshot"),
}


@pytest.mark.parametrize(("old", "new", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_torn_or_foreign_is_refused_with_its_path(which, old, new, words):
    snapshots.save(which, TABLE)
    kept = snapshots.path_of(which)
    kept.write_bytes(kept.read_bytes().replace(old, new))

    with pytest.raises(SnapshotError) as caught:
        snapshots.load(which)

    assert str(caught.value) == f"{kept} {words}"


@pytest.mark.parametrize("call", ["fsync", "link", "open"])
def test_whatever_the_disk_refuses_the_older_one_stays(which, call, monkeypatch):
    snapshots.save(which, b"old")

    def refuse(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(SnapshotError, match=r"web1/before-activation.ipvs: No space left"):
            snapshots.save(which, b"new")

    assert snapshots.load(which) == b"old"


def test_what_an_interrupted_run_has_left_is_no_harm(which):
    snapshots.save(which, b"1")
    left = snapshots.path_of(which).with_name(".new.before-activation.ipvs")
    left.write_bytes(b"half")

    snapshots.save(which, b"2")

    assert (snapshots.load(which), snapshots.load(which, 1)) == (b"2", b"1")
    assert not left.exists()
