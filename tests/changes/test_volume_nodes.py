"""Nodes that share a volume join, leave, die, are replaced: every file stays, copies get whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from bareness import differences, listing
from deployed import VIP, Run, Site, move, problems, weights
from lab_fixtures import running
from lossless import nothing_is_lost, until_nothing_fails
from shared_files import BRICK, MOUNT, VOLUME, check, writable, write

from selfbalance.lab import Lab

pytestmark = pytest.mark.timeout(1500)

_NODE = "Node(name=n.name, address=n.address)"
FOUR = f"detection='calm', volumes=[{VOLUME}], nodes=[{_NODE} for n in _lab.nodes]"
FILES = 60


def without(node: str) -> str:
    nodes = f"nodes=[{_NODE} for n in _lab.nodes if n.name != {node!r}]"
    return f"detection='calm', volumes=[{VOLUME}], {nodes}"


@pytest.fixture(scope="module")
def four_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running("volume-nodes", tmp_path_factory.mktemp("state"), nodes=4) as lab:
        yield lab


@pytest.fixture(scope="module")
def bare(four_lab: Lab) -> dict[str, list[str]]:
    """web4 as it was before the install."""
    return listing(four_lab, "web4")


@pytest.fixture(scope="module")
def four(
    four_lab: Lab, bare: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Site:
    """Three nodes, each with a copy of some files, and a fourth that joins in the first test."""
    assert bare
    site = Site(four_lab, tmp_path_factory.mktemp("site"))
    site.described = without("web4")
    site.deploy()
    writable(four_lab, "web1")
    write(four_lab, "web1", FILES, 65536)
    site.wait_until_healthy(120)
    return site


def deployed(site: Site, what: str) -> str:
    """Run cluster.py with nothing lost; return what it said."""
    runs = list[Run]()
    nothing_is_lost(site, lambda: runs.append(site.deploy()), what)
    (run,) = runs
    print(run.text)
    return run.text


def all_have_all(site: Site, count: int) -> None:
    """Every described node's copy and mount has every file, and the cluster is well."""
    status = site.wait_until_healthy(240)
    assert status["healthy"], problems(status)
    for row in status["nodes"]:
        assert check(site.lab, row["node"]) == count, row
        assert check(site.lab, row["node"], f"{BRICK}/files") == count, row
    assert all(probe.ok for probe in site.lab.requests(f"http://{VIP}/shared/files/made-7", 12))


def wait_until_unseen(site: Site, address: str) -> None:
    """Wait until glusterd has noticed that a node is gone."""
    began = time.monotonic()
    while True:
        said = _pool(site)
        if not any(address in line and "Connected" in line.split() for line in said.splitlines()):
            print(f"gluster noticed after {time.monotonic() - began:.0f} s")
            return
        assert time.monotonic() - began < 180, said
        time.sleep(2)


def _pool(site: Site) -> str:
    return site.lab.run("web1", "gluster pool list").stdout


class _Watch:
    """Counts the files in a new node's copy when a director first has weight for it."""

    def __init__(self, site: Site, address: str) -> None:
        self._site, self._address = site, address
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.copied: int | None = None

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.3) and self.copied is None:
            if weights(self._site, "web1").get(self._address):
                count = f"ls {BRICK}/files | wc -l"
                self.copied = int(self._site.lab.run("web4", count).stdout)


def test_a_node_that_joins_is_healed_before_it_gets_clients(four: Site) -> None:
    four.described = FOUR
    with _Watch(four, "192.0.2.14") as watch:
        text = deployed(four, "cluster.py, a node added with its copy")

    assert "give volume shared a copy at 192.0.2.14" in text
    assert watch.copied == FILES, "it got weight before its copy was whole"
    all_have_all(four, FILES)
    assert four.status()["checks"]["volumes"]["seen"].startswith("shared has 4 copies")
    mounts = four.lab.run("web4", f"grep -c ' {MOUNT} fuse.glusterfs ' /proc/mounts").stdout
    assert mounts.strip() == "1"


def test_a_node_gives_up_its_copy_and_is_as_bare_as_before(
    four: Site, bare: dict[str, list[str]]
) -> None:
    def act() -> None:
        # gluster's packages go with it, and a guest is slow at that.
        run = move(four, "teardown", "web4", within_s=800)
        assert run.code == 0, run.text

    nothing_is_lost(four, act, "teardown.py, of a node with a copy")
    found = differences(bare, listing(four.lab, "web4"))
    assert found == {}
    four.described = without("web4")
    deployed(four, "cluster.py without it")
    all_have_all(four, FILES)


def test_with_three_copies_none_is_given_up(four: Site) -> None:
    run = move(four, "teardown", "web3")

    assert run.code == 1
    assert "is one of 3 copies, and 3 are the fewest that are safe" in run.text
    assert four.wait_until_healthy()["healthy"]


def test_a_fresh_machine_in_the_place_of_a_dead_one_gets_its_copy_anew(four: Site) -> None:
    four.lab.power_off("web3")
    write(four.lab, "web1", 10, 4096, "meanwhile")
    four.lab.power_on("web3", fresh=True)
    until_nothing_fails(four)

    text = deployed(four, "cluster.py, a fresh machine in the place of a dead one")

    assert "let gluster be the peer again that the others know" in text
    all_have_all(four, FILES + 10)


def test_another_node_takes_over_the_copy_of_a_dead_one(four: Site) -> None:
    four.lab.power_off("web2")
    wait_until_unseen(four, "192.0.2.12")
    four.described = without("web2")

    text = deployed(four, "cluster.py, another node in the place of a dead one")

    assert "for 192.0.2.12:" in text
    all_have_all(four, FILES + 10)
    assert "192.0.2.12" not in _pool(four)


def test_a_dead_nodes_copy_is_taken_out_where_enough_are_left(four: Site) -> None:
    four.lab.power_on("web2", fresh=True)
    four.described = FOUR
    four.deploy()
    all_have_all(four, FILES + 10)
    four.lab.power_off("web4")
    wait_until_unseen(four, "192.0.2.14")
    four.described = without("web4")

    text = deployed(four, "cluster.py without a dead one of four")

    assert "take the copy at 192.0.2.14:" in text
    all_have_all(four, FILES + 10)
