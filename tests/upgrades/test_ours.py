"""The same three upgrades by upgrade.py: nothing is lost, and little time beside apt's own."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from packages import installed, newer_keepalived, newer_nginx
from rows import Row, measure_upgrade

from selfbalance.lab import Lab
from selfbalance.testing import Site

SIDE = "selfbalance, upgrade.py"
SOAK_S = 3
MOST_BESIDE_APT_S = 15.0
ELSEWHERE = ("act", "wait")
"""Steps whose time is the package manager's or the machine's own, or that of running sessions."""


@pytest.fixture(scope="module")
def ours(fresh_lab: Callable[[], Lab], tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(fresh_lab(), tmp_path_factory.mktemp("site"))
    site.described = "detection='calm'"
    site.deploy()
    return site


def test_keepalived(ours: Site, rows: list[Row]) -> None:
    version = newer_keepalived(ours.lab)
    _upgrade(ours, rows, "keepalived", "component=keepalived")
    assert {installed(ours.lab, n.name, "keepalived") for n in ours.lab.nodes} == {version}


def test_nginx(ours: Site, rows: list[Row]) -> None:
    version = newer_nginx(ours.lab)
    _upgrade(ours, rows, "nginx", "component=packages", "packages=nginx,nginx-common")
    assert {installed(ours.lab, n.name, "nginx") for n in ours.lab.nodes} == {version}


def test_a_reboot_of_all(ours: Site, rows: list[Row]) -> None:
    _upgrade(ours, rows, "reboot", "component=reboot")


def _upgrade(ours: Site, rows: list[Row], what: str, *asked: str) -> None:
    data = [word for each in (*asked, f"soak={SOAK_S}") for word in ("--data", each)]
    runs = []
    row = measure_upgrade(
        ours.lab,
        lambda: runs.append(ours.pyinfra("upgrade", "-y", *data, within_s=800)),
        SIDE,
        what,
    )
    rows.append(row)
    (run,) = runs
    assert run.code == 0, run.text
    beside = _beside_apt(ours.folder)
    told = ", ".join(f"{node} {seconds:.1f} s" for node, seconds in beside.items())
    print(f"\n{row}\n{row.reasons}\nbeside act and wait: {told}")
    assert (row.failed, row.lost) == (0, 0)
    assert max(beside.values()) <= MOST_BESIDE_APT_S


def _beside_apt(folder: Path) -> dict[str, float]:
    """Seconds that each node's turn took beside the package manager, from the newest journal."""
    newest = max((folder / ".selfbalance" / "journal").glob("*.jsonl"))
    records = [json.loads(line) for line in newest.read_text().splitlines()]
    steps = [record for record in records if record["kind"] == "step"]
    elsewhere: dict[str, float] = defaultdict(float)
    for step in steps:
        if step["step"] in ELSEWHERE and step["state"] == "end":
            elsewhere[step["node"]] += step["seconds"]
    return {node: end - begin - elsewhere[node] for node, (begin, end) in _turns(steps).items()}


def _turns(steps: list[dict]) -> dict[str, tuple[float, float]]:
    """When each node's turn began and ended: from its mark "in progress" to that of "done"."""
    ends = [s for s in steps if s["step"] == "mark" and s["state"] == "end"]
    begun = {s["node"]: s["t"] for s in reversed(ends) if s["said"] == "in progress"}
    done = {s["node"]: s["t"] for s in ends if s["said"] == "done"}
    return {node: (begun[node], done[node]) for node in done}
