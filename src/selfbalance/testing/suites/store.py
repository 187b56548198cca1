"""What every snapshot store must hold, whether the node keeps its own or the controller all."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, TypeAlias

import pytest

from selfbalance.desired import places
from selfbalance.plugins import ControllerStore, Plugins, SnapshotStore
from selfbalance.plugins.registry import Registry
from selfbalance.testing.shelves import Here, Kept, OnController, OnLabNode, Refused, Shelf
from selfbalance.testing.site import VIP, Site
from selfbalance.testing.suites.base import OnNodes, OnPaper, Suite

AnyStore: TypeAlias = SnapshotStore | ControllerStore
OLD, NEW = b"one\ntwo", b"three\n\n'$four'\n"


class _Kind(Suite[AnyStore]):
    def registry(self, plugins: Plugins) -> Registry[AnyStore]:
        return plugins.snapshot_stores

    def asked(self, named: str) -> dict[str, object]:
        return {"snapshots": named}


class StoreOnPaper(_Kind, OnPaper[AnyStore]):
    """A store at work on this machine: by a real /bin/sh where it is shell, in a folder of a test.

    `folder` is the one that a store of nodes uses there; here another one takes its place. Where
    it names none, this machine cannot try it, and real nodes have to.
    """

    folder: ClassVar[str | None] = None

    @pytest.fixture
    def shelf(self, thing: AnyStore, tmp_path: Path) -> Shelf:
        """The store with nothing in it."""
        if isinstance(thing, ControllerStore):
            return OnController(thing, tmp_path)
        if self.folder is None:
            pytest.skip("`folder` is not said: only a node can try it")
        return Here(thing, self.folder, tmp_path)

    def test_what_was_kept_comes_back_whole(self, shelf: Shelf) -> None:
        """Byte for byte."""
        for content in (OLD, NEW, b""):
            shelf.save("x", content)
            assert shelf.load("x") == content

    def test_names_are_kept_apart(self, shelf: Shelf) -> None:
        """The table and the configuration are two."""
        shelf.save("x.ipvs", OLD)
        shelf.save("x.conf", NEW)
        assert (shelf.load("x.ipvs"), shelf.load("x.conf")) == (OLD, NEW)

    def test_older_ones_are_kept(self, shelf: Shelf) -> None:
        """The last may have been taken when all was lost already."""
        for content in (b"1", b"2", b"3"):
            shelf.save("x", content)
        assert [shelf.load("x", older) for older in (0, 1, 2)] == [b"3", b"2", b"1"]

    def test_it_does_not_grow_for_ever(self, shelf: Shelf) -> None:
        """A snapshot is taken whenever a node is touched."""
        for number in range(40):
            shelf.save("x", b"%d" % number)
        assert len(shelf.files()) < 40

    def test_what_is_not_there_is_refused_with_a_word(self, shelf: Shelf) -> None:
        """An empty snapshot would be an empty table."""
        with pytest.raises(Refused, match=r"\w"):
            shelf.load("x")
        shelf.save("x", OLD)
        with pytest.raises(Refused, match=r"\w"):
            shelf.load("x", 1)

    def test_what_is_torn_is_refused_with_a_word(self, shelf: Shelf) -> None:
        """Cut anywhere, or changed in any place: never half a table."""
        shelf.save("x", NEW)
        whole = {file: file.read_bytes() for file in shelf.files()}
        for file, content in whole.items():
            for at in range(len(content)):
                changed = bytes([content[at] ^ 1])
                for torn in (content[:at], content[:at] + changed + content[at + 1 :]):
                    file.write_bytes(torn)
                    with pytest.raises(Refused, match=r"\w"):
                        shelf.load("x")
            file.write_bytes(content)
        assert shelf.load("x") == NEW

    def test_another_nodes_is_refused_with_a_word(self, shelf: Shelf) -> None:
        """A disk that was copied, a shared folder, a file in the wrong place."""
        shelf.save("x", OLD)
        with pytest.raises(Refused, match=r"\w"):
            shelf.as_another_node().load("x")

    def test_nobody_else_reads_them(self, shelf: Shelf) -> None:
        """keepalived.conf may hold a password."""
        shelf.save("x", OLD)
        for file in shelf.files():
            assert file.stat().st_mode & 0o077 == 0, file

    def test_a_save_that_is_cut_short_leaves_what_was_there(self, shelf: Shelf) -> None:
        """Power loss or a full disk in the middle: whole, or not at all."""
        shelf.save("x", OLD)
        shelf.save_cut_short("x", NEW)
        assert shelf.load("x") == OLD

    def test_where_it_cannot_write_it_says_so(self, shelf: Shelf) -> None:
        """A change goes on only with a snapshot."""
        shelf.block()
        with pytest.raises(Refused, match=r"\w"):
            shelf.save("x", OLD)


class StoreOnNodes(_Kind, OnNodes[AnyStore]):
    """A store at work in a change of a real cluster."""

    def test_what_was_there_before_a_node_was_touched_can_be_read_again(
        self, deployed: Site, thing: AnyStore, named: str
    ) -> None:
        """An edited file is put right; the snapshot holds the edited one, and the table."""
        backup = deployed.backups()[0]
        deployed.lab.run(backup, f"echo '# edited for {named}' >> {places.CONFIG}")
        before = deployed.lab.run(backup, f"cat {places.CONFIG}").stdout

        deployed.deploy()

        kept: Kept = (
            OnController(thing, deployed.folder, "web", backup)
            if isinstance(thing, ControllerStore)
            else OnLabNode(thing, deployed.lab, backup)
        )
        assert f"edited for {named}" not in deployed.lab.run(backup, f"cat {places.CONFIG}").stdout
        assert kept.load("before-activation.conf").decode() == before
        assert f"-A -t {VIP}:80" in kept.load("before-activation.ipvs").decode()


class StoreSuite(StoreOnPaper, StoreOnNodes):
    """All that a snapshot store must hold."""
