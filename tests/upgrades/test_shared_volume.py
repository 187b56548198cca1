"""GlusterFS 10.3 to 11.1 by upgrade.py, while files are written and read everywhere.

And back, and forth again by a run that is killed. In the order of the file: one lab, one story.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from packages import installed
from rows import Row, measure_upgrade
from shared_files import BRICK, VOLUME, OnNodes, Worked, check, client_command, worked, writable

from selfbalance.lab import Lab
from selfbalance.operations.locking import STALE_S
from selfbalance.testing import Run, Site, problems
from selfbalance.testing.site import VIP

SIDE = "selfbalance, upgrade.py"
PACKAGE = "glusterfs-server"
ASKED = ("-y", "--data", "component=glusterfs", "--data", "soak=3")
MOST_S = 1500.0
AWAY_S = 60.0
ANSWER_S = 5.0
"""As file requests have: two cores are few for gluster's programs. A connection has a second."""
MOST_LATE = 0.001
"""Of all answers, this share may take more than a second."""


@pytest.fixture(scope="module")
def shared(fresh_lab: Callable[[], Lab], tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(fresh_lab(), tmp_path_factory.mktemp("shared"))
    site.described = f"detection='calm', volumes=[{VOLUME}]"
    site.deploy()
    writable(site.lab, "web1")
    return site


@pytest.fixture(scope="module")
def older(shared: Site) -> str:
    """The version that the nodes were deployed with."""
    return installed(shared.lab, "web1", PACKAGE)


@pytest.fixture(scope="module")
def newer(shared: Site, older: str) -> str:
    """The version that Debian's backports have."""
    assert older
    return shared.lab.publish_from("bookworm-backports", PACKAGE)


def test_after_a_minute_without_a_node_it_is_refused_until_that_is_healed(
    shared: Site, newer: str
) -> None:
    """The refusal says how many entries are left; `wait` lets it begin when there are none."""
    lab = shared.lab
    lab.power_off("web3")
    began = time.monotonic()
    script = f"for i in $(seq 240); do head -c 1000000 /dev/urandom >{MANY}/$i; done"
    lab.run("web1", f"mkdir -p {MANY}; {script}; sync", timeout=300)
    time.sleep(max(0.0, AWAY_S - (time.monotonic() - began)))
    lab.power_on("web3")
    run = upgrade(shared, "--data", "patience=90")
    assert run.code == 1, run.text
    said = re.search(
        r"(\d+) files or folders are still to be healed; nothing was touched", run.text
    )
    assert said, run.text
    assert int(said[1]) > 1
    assert "--data wait=SECONDS" in run.text
    assert installed(lab, "web1", PACKAGE) != newer


MANY = "/srv/shared/many"


def test_10_to_11_loses_no_request_and_no_byte(
    shared: Site, older: str, newer: str, rows: list[Row]
) -> None:
    """It begins as soon as the copy of the node that was away is healed."""
    files, run = _under_load(shared, "glusterfs 10.3 -> 11.1", rows, "--data", "wait=600")
    assert run.code == 0, run.text
    assert {installed(shared.lab, n.name, PACKAGE) for n in shared.lab.nodes} == {newer}
    _assert_whole(shared, files)
    assert "the way back is open" in run.text


def test_back_and_killed_in_the_middle_it_is_ended_by_the_same_command(
    shared: Site, older: str, newer: str, rows: list[Row]
) -> None:
    """Killed while packages change on the second node. 10 runs: the op-version was not raised."""
    version = ("--data", f"version={older}")
    process = subprocess.Popen(
        shared.command("upgrade", *ASKED, *version),
        cwd=shared.folder,
        env=shared.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    acts = 0
    for line in process.stdout:
        acts += bool(re.search(r"\] act$", line.rstrip()))
        if acts == 2:
            break
    time.sleep(5)
    process.kill()
    process.communicate()
    time.sleep(STALE_S + 1)
    files, run = _under_load(shared, "glusterfs 11.1 -> 10.3, resumed", rows, *version)
    assert run.code == 0, run.text
    assert "resumes the upgrade of glusterfs" in run.text
    assert {installed(shared.lab, n.name, PACKAGE) for n in shared.lab.nodes} == {older}
    _assert_whole(shared, files)


@dataclass(frozen=True)
class Files:
    """What was done to the files, by the client and on each node."""

    web: Worked
    nodes: dict[str, Worked]

    def __str__(self) -> str:
        ways = {"through the VIP": self.web, **self.nodes}
        return ", ".join(
            f"{who}: {did.written} written, {did.read} read, {len(did.failures)} failed"
            for who, did in ways.items()
        )


def upgrade(site: Site, *flags: str) -> Run:
    return site.pyinfra("upgrade", *ASKED, *flags, within_s=MOST_S)


def _under_load(site: Site, what: str, rows: list[Row], *flags: str) -> tuple[Files, Run]:
    """Upgrade while downloads, probes, and files go on: none may be lost, or wrong."""
    runs = list[Run]()
    url = f"http://{VIP}/shared/files"
    with OnNodes(site.lab, [node.name for node in site.lab.nodes]) as on_nodes:
        client = subprocess.Popen(
            client_command(site.lab, url, MOST_S),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            row = measure_upgrade(
                site.lab,
                lambda: runs.append(upgrade(site, *flags)),
                SIDE,
                what,
                # Two cores have gluster's own work to do beside: heals, and packages of 30 MB.
                sessions=60,
                probe_interval_s=0.1,
                most_s=MOST_S + 60,
                answer_s=ANSWER_S,
            )
        finally:
            said = client.communicate(timeout=30)[0]  # it ends as its standard input does
        files = Files(worked(said), on_nodes.stop())
    rows.append(row)
    print(f"\n{row}\n{row.reasons}\n{files}\n{_lateness(row)}")
    assert [*files.web.failures, *(f for did in files.nodes.values() for f in did.failures)] == []
    assert (row.failed, row.lost) == (0, 0)
    assert len(row.met.late) <= MOST_LATE * len(row.met.report.probes)
    return files, runs[0]


def _lateness(row: Row) -> str:
    """How many answers were late, how late, and when by the clock of the journal, UTC."""
    offset = time.time() - time.monotonic()
    took = sorted(probe.ended - probe.began for probe in row.met.late)
    times = (time.strftime("%H:%M:%S", time.gmtime(p.began + offset)) for p in row.met.late)
    slowest = f"the slowest after {took[-1]:.1f} s, " if took else ""
    when = ", ".join(dict.fromkeys(times))
    return f"answered after more than 1 s: {len(took)}; {slowest}at {when or 'no time'}"


def _assert_whole(site: Site, files: Files) -> None:
    """Every file is there, on every mount and in every copy, and right to the byte."""
    status = site.wait_until_healthy(120)
    assert "split-brain" not in " ".join(problems(status))
    nodes = [node.name for node in site.lab.nodes]
    counts = {check(site.lab, node) for node in nodes}
    counts |= {check(site.lab, node, f"{BRICK}/files") for node in nodes}
    assert len(counts) == 1
    assert counts.pop() >= files.web.written
    assert min(did.written for did in files.nodes.values()) > 0
