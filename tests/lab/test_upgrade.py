"""Rolling upgrades on real nodes, under load: nothing is lost, whatever happens to the run.

tests/upgrades has the next Debian's keepalived, nginx and reboots, beside what the design of 2013
loses.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import VIP, Run, Site, problems, weights
from packages import installed, keepalived_that_only_answers

from selfbalance.desired import places
from selfbalance.lab import Lab
from selfbalance.lab.load import Load, Probe, Report
from selfbalance.operations.locking import STALE_S
from selfbalance.testing.stalls import noted_stalls

pytestmark = pytest.mark.timeout(900)

KEEPALIVED = ("-y", "--data", "component=keepalived", "--data", "soak=3")
SESSIONS = 200
RUNS_WITHIN_S = 600
"""The load outlasts the runs, so that all of a run is measured, however slow the machine is."""


def upgrade(site: Site, *flags: str) -> Run:
    return site.pyinfra("upgrade", *KEEPALIVED, *flags)


def versions(site: Site) -> set[str]:
    return {installed(site.lab, node, "keepalived") for node in site.powered()}


def journal(site: Site) -> list[dict[str, object]]:
    newest = max((site.folder / ".selfbalance" / "journal").glob("*.jsonl"))
    return [json.loads(line) for line in newest.read_text().splitlines()]


def left_behind(site: Site) -> str:
    look = "cd /var/lib/selfbalance && ls -d lock* upgrade* drained-* 2>/dev/null; true"
    return "".join(site.lab.run(node, look).stdout for node in site.powered())


@pytest.fixture(scope="module")
def original(lab: Lab) -> str:
    """The keepalived that Debian has for the nodes."""
    ask = "apt-get -qq update; apt-cache madison keepalived | awk 'END { print $3 }'"
    return lab.run(lab.nodes[0].name, ask).stdout.strip()


@pytest.fixture
def well(calm: Site) -> Iterator[Site]:
    """The cluster, every realserver with its weight, before and after."""
    yield calm
    status = calm.wait_until_healthy()
    assert left_behind(calm) == ""
    assert set(weights(calm, calm.master()).values()) == {1}, problems(status)


def test_a_version_that_does_not_start_is_put_back_and_no_other_is_touched(well: Site) -> None:
    (before,) = versions(well)
    broken = keepalived_that_only_answers(well.lab)
    try:
        command = well.command("upgrade", *KEEPALIVED, "--data", "patience=15")
        (run,), report, failed = _under_load(well, [command])
    finally:
        well.lab.withdraw("keepalived", broken)
    assert run.code == 1, run.text
    assert f"put back to keepalived {before}, and well" in run.text
    assert versions(well) == {before}
    _assert_all_alive(report)
    assert failed == []
    took = [record for record in journal(well) if record.get("step") == "act"]
    assert len({record["node"] for record in took}) == 1


def test_two_runs_at_once_one_goes_and_loses_nothing(well: Site) -> None:
    newer = well.lab.publish("keepalived")
    commands = [well.command("upgrade", *KEEPALIVED)] * 2
    runs, report, failed = _under_load(well, commands)
    went, refused = sorted(runs, key=lambda run: run.code)
    assert (went.code, refused.code) == (0, 1), went.text + refused.text
    assert "holds the lock on web1, heartbeat" in refused.text
    assert versions(well) == {newer}
    _assert_all_alive(report)
    assert failed == []
    assert journal(well)[-1]["result"] == "done"


def _under_load(site: Site, commands: list[list[str]]) -> tuple[list[Run], Report, list[Probe]]:
    """Run these commands at once; as long as they last, 200 downloads and 25 probes a second."""
    with noted_stalls() as stalls, _steady_load(site) as load:
        time.sleep(2)
        began = time.monotonic()
        processes = [_started(site, command) for command in commands]
        runs = [_ended(process, began) for process in processes]
        report = load.report()
    failed = [probe for probe in report.failed_probes if not stalls.excuse(probe)]
    return runs, report, failed


def _steady_load(site: Site) -> Load:
    return site.lab.steady_load(
        f"http://{VIP}",
        sessions=SESSIONS,
        probe_interval=0.04,
        session_seconds=10,
        most_s=RUNS_WITHIN_S + 60,
    )


def _assert_all_alive(report: Report) -> None:
    """So many at any time, and more in all, for one that ends is followed by another."""
    outcomes = Counter(session.outcome for session in report.sessions)
    assert set(outcomes) == {"alive"}, outcomes
    assert outcomes["alive"] >= SESSIONS


def _ended(process: subprocess.Popen[str], began: float) -> Run:
    text, _ = process.communicate(timeout=RUNS_WITHIN_S)
    return Run(process.returncode, text, time.monotonic() - began)


def _started(site: Site, command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=site.folder,
        env=site.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_run_that_is_killed_three_times_is_ended_by_the_same_command(
    well: Site, original: str
) -> None:
    """From whatever version the nodes have to another one: here it is the way back, too."""
    (before,) = versions(well)
    to = well.lab.publish("keepalived") if before == original else original
    version = ("--data", f"version={to}")
    _killed_in(well, "drain", *version)
    time.sleep(STALE_S + 1)  # nobody says on the dead run's behalf that it lives
    for step in ("act", "hand-over"):
        _killed_in(well, step, *version)
        _as_if_time_had_passed(well)
    run = upgrade(well, *version)
    assert run.code == 0, run.text
    assert "resumes the upgrade of keepalived" in run.text
    assert "broke a lock of" in run.text
    assert versions(well) == {to}


def _killed_in(site: Site, step: str, *flags: str) -> None:
    """Start an upgrade and kill it when that step has begun."""
    folder = site.folder / ".selfbalance" / "journal"
    before = set(folder.glob("*")) if folder.exists() else set()
    process = _started(site, site.command("upgrade", *KEEPALIVED, *flags))
    deadline = time.monotonic() + 120
    while not any(step in line for line in _begun(folder, before)):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, step
        time.sleep(0.1)
    time.sleep(0.5)
    process.kill()
    process.communicate()


def _as_if_time_had_passed(site: Site) -> None:
    """Make the dead run's last heartbeat so old that its lock may be broken."""
    for node in site.powered():
        site.lab.run(node, f"touch -c -d '-{STALE_S + 1} seconds' {places.LOCK}")


def _begun(folder: Path, before: set[Path]) -> list[str]:
    new = set(folder.glob("*.jsonl")) - before if folder.exists() else set()
    lines = [line for path in new for line in path.read_text().splitlines()]
    return [line for line in lines if '"begin"' in line]
