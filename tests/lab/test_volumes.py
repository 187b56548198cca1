"""A shared volume on real nodes: made by one run, and hurt in every way.

tests/upgrades upgrades it; in tests/changes nodes join it and leave it.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator

import pytest
from deployed import VIP, Site, problems
from lab_fixtures import running
from shared_files import BRICK, MOUNT, VOLUME, check, writable, write

from selfbalance.deployment import every_plugin
from selfbalance.lab import Lab
from selfbalance.plugins import SnapshotStore

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def volumes_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Three bare nodes."""
    with running("volumes", tmp_path_factory.mktemp("state")) as lab:
        yield lab


@pytest.fixture(scope="module")
def three(volumes_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(volumes_lab, tmp_path_factory.mktemp("site"))
    site.described = f"detection='calm', volumes=[{VOLUME}]"
    return site


@pytest.fixture
def well(three: Site) -> Site:
    """The cluster, well before a test."""
    three.wait_until_healthy(180)
    return three


def test_three_bare_nodes_share_a_mounted_healed_volume_after_one_run(three: Site) -> None:
    run = three.deploy()
    assert "make volume shared" in run.text
    status = three.status()
    assert status["healthy"], problems(status)
    assert status["checks"]["volumes"]["seen"] == (
        "shared has 3 copies, healed, mounted on 3 nodes"
    )
    writable(three.lab, "web1")
    write(three.lab, "web1", 20, 4096)
    for node in ("web1", "web2", "web3"):
        assert check(three.lab, node) == 20
        assert check(three.lab, node, f"{BRICK}/files") == 20
    assert all(probe.ok for probe in three.lab.requests(f"http://{VIP}/shared/files/made-7", 12))


def test_a_second_run_changes_nothing(well: Site) -> None:
    """One look at each node, and one at the volume as a whole."""
    run = well.pyinfra("cluster", "-y", "-vvv")
    assert run.code == 0, run.text
    looks = {node: run.commands(node) for node in ("web1", "web2", "web3")}
    assert looks == {"web1": 2, "web2": 1, "web3": 1}, run.text
    assert re.search(r"Grand total +(\d+) +- +- +\1\b", run.text), run.text


def test_the_mount_is_there_after_a_boot_before_the_web_server(well: Site) -> None:
    well.lab.power_off("web3")
    well.lab.power_on("web3")
    well.wait_until_healthy(120)
    order = "systemctl show -p ActiveEnterTimestampMonotonic --value srv-shared.mount nginx"
    mounted, serving = map(int, well.lab.run("web3", order).stdout.split())
    assert 0 < mounted < serving


def test_a_full_disk_is_named(well: Site) -> None:
    well.lab.run("web2", "dd if=/dev/zero of=/data/other bs=1M 2>/dev/null", check=False)
    try:
        write(well.lab, "web1", 5, 4096, "late")
        (said,) = _said(well, "web2", "is full")
        assert f"the disk of {BRICK}" in said["what"]
        assert "what lies there beside the copy?" in said["remedy"]
    finally:
        well.lab.run("web2", "rm /data/other")
    well.wait_until_healthy(180)
    assert check(well.lab, "web2", f"{BRICK}/files") == check(well.lab, "web1")


def test_a_copy_that_is_gone_is_named_and_made_anew_by_what_status_says(well: Site) -> None:
    well.lab.run("web3", f"rm -rf {BRICK}")
    (said,) = _said(well, "web3", "is gone")
    assert BRICK in said["what"]
    _do(well, "web3", said["remedy"].partition("for a new copy: ")[2])
    well.wait_until_healthy(180)
    assert check(well.lab, "web3", f"{BRICK}/files") == check(well.lab, "web1")


def test_a_rejected_peer_is_named_and_taken_back_by_what_status_says(well: Site) -> None:
    info = "/var/lib/glusterd/vols/shared/info"
    well.lab.run(
        "web2",
        f"systemctl stop glusterd; sed -i '/^network.ping-timeout/d' {info}; "
        "systemctl start glusterd; sleep 3",
    )
    (said,) = _said(well, "web2", "is rejected by gluster's pool")
    assert "says web1 and web3" in said["what"]
    _do(well, "web2", said["remedy"].partition("on web2: ")[2])
    well.wait_until_healthy(180)


def test_snapshots_lie_on_the_volume_and_with_a_word_on_the_node_while_it_is_not_writable(
    well: Site,
) -> None:
    store = every_plugin().snapshot_stores["glusterfs"]
    assert isinstance(store, SnapshotStore)
    functions = f"save() {{\n{store.save}\n}}\nload() {{\n{store.load}\n}}\n"

    def kept(content: str) -> tuple[str, str]:
        done = well.lab.run("web1", f"{functions}echo {content} | save x; load x >/run/x")
        return done.stderr, well.lab.run("web1", "cat /run/x").stdout

    shared, own = f"{MOUNT}/.selfbalance/snapshots/web1/x", "/var/lib/selfbalance/snapshots/x"
    assert kept("one") == ("", "one\n")
    well.lab.run("web2", f"tail -n 1 {shared} | grep -qx one")
    well.lab.run("web1", "gluster volume set shared features.read-only on")
    try:
        word, back = kept("two")
    finally:
        well.lab.run("web1", "gluster volume set shared features.read-only off")
    assert "the volume is not writable at /srv/shared: snapshot x is kept on the node" in word
    assert back == "two\n"
    well.lab.run("web1", f"grep -qx two {own}")


def _said(site: Site, node: str, what: str) -> list[dict]:
    """The problems of a node with that word in it, as soon as status has one."""
    deadline = time.monotonic() + 60
    while True:
        status = site.status()
        found = [
            problem
            for problem in status["checks"]["volumes"]["problems"]
            if problem["node"] == node and what in problem["what"]
        ]
        if found or time.monotonic() > deadline:
            assert found, problems(status)
            return found


def _do(site: Site, node: str, commands: str) -> None:
    """Do what status says, word for word, as an operator at a terminal of the node."""
    site.lab.run(node, f"yes | sh -ec {shlex.quote(commands)}", timeout=120)
