"""Drain, undrain and hand-over on real nodes, under load."""

from __future__ import annotations

import time

from deployed import VIP, Site, move, problems, weights
from measured import measure

from selfbalance.testing.site import Status

LONG_S = 20
"""Downloads outlast pyinfra's own start, and still go on when the act is done."""


def _notes(status: Status) -> list[str]:
    return [note["what"] for note in status["checks"]["realservers"]["notes"]]


def test_a_drain_ends_no_session_and_lasts_through_everything(calm: Site) -> None:
    node = calm.backups()[-1]
    runs = []
    measured = measure(
        calm,
        lambda: runs.append(move(calm, "drain", node, "--data", "timeout=40")),
        f"drain of {node}",
        download_s=LONG_S,
        seconds=30,
    )
    (run,) = runs
    measured.assert_nothing_lost()
    assert run.code == 0, run.text
    assert "sessions left" in run.text
    assert "serves nobody" in run.text
    _stays_drained(calm, node)
    for each in calm.powered():
        calm.lab.run(each, "systemctl reload keepalived")
    time.sleep(3)
    _stays_drained(calm, node)
    (other,) = {*calm.backups()} - {node}
    calm.lab.power_off(other)
    calm.lab.power_on(other)
    calm.wait_until_healthy()
    _stays_drained(calm, node)
    calm.lab.run(calm.master(), "systemctl restart keepalived")
    calm.wait_until_healthy()
    _stays_drained(calm, node)
    again = move(calm, "drain", node)
    assert again.code == 0, again.text
    back = move(calm, "undrain", node)
    assert back.code == 0, back.text
    assert _notes(calm.status()) == []
    assert node in {probe.node for probe in calm.lab.requests(f"http://{VIP}/", 60)}


def _stays_drained(site: Site, node: str) -> None:
    for director in site.powered():
        assert weights(site, director)[site.lab.node(node).address] == 0, director
    probes = site.lab.requests(f"http://{VIP}/", 60)
    assert {(probe.ok, probe.node == node) for probe in probes} == {(True, False)}
    status = site.status()
    assert status["healthy"], problems(status)
    (note,) = _notes(status)
    assert note.startswith(f"{node} has been drained for ")


def test_the_master_hands_over_and_loses_nothing(calm: Site) -> None:
    master, runs = calm.master(), []
    measure(
        calm,
        lambda: runs.append(move(calm, "handover", master)),
        "hand-over",
        download_s=LONG_S,
    ).assert_nothing_lost()
    (run,) = runs
    assert run.code == 0, run.text
    assert calm.master() != master
    assert move(calm, "handover", master).code == 0  # it is MASTER no more: nothing to do


def test_nobody_hands_over_to_nobody_and_the_last_one_is_not_drained(calm: Site) -> None:
    master, (first, second) = calm.master(), calm.backups()
    calm.lab.power_off(first)
    calm.lab.run(second, "systemctl stop keepalived")
    run = move(calm, "handover", master, "--limit", master, "--limit", second)
    assert run.code != 0
    assert f"nobody could take over {VIP} from {master}; nothing was changed" in run.text
    assert calm.master() == master
