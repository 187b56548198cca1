"""What a client loses when a MASTER dies, stops, restarts, or is only suspected."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from deployed import VIP, Site

from selfbalance.lab.load import Report

SESSIONS = 60


def measure(site: Site, act, seconds: float = 22.0) -> tuple[Report, float]:
    """Hold 60 long downloads, probe every 20 ms, do `act` after 2 s; return report and its time."""
    with site.lab.load(
        f"http://{VIP}", sessions=SESSIONS, probe_interval=0.02, duration=seconds
    ) as load:
        time.sleep(2)
        began = time.monotonic()
        act()
    return load.report(), began


def told(report: Report, began: float, what: str) -> None:
    """Print the figures that README quotes."""
    outcomes = Counter(session.outcome for session in report.sessions)
    last = report.last_failure_after(began)
    print(
        f"\n{what}: sessions {dict(outcomes)}, {len(report.failed_probes)} of "
        f"{len(report.probes)} probes failed"
        + (f", the last began {last:.2f} s after" if last is not None else "")
    )


@pytest.mark.parametrize(("detection", "bound_s"), [("fast", 0.5), ("calm", 1.5)])
def test_power_loss_of_the_master(cluster: Site, detection: str, bound_s: float) -> None:
    if detection != "fast":
        cluster.deploy(f"detection={detection!r}")
    master = cluster.master()
    report, began = measure(cluster, lambda: cluster.lab.power_off(master))
    told(report, began, f"power loss of the MASTER, {detection}")
    served_by_survivors = [s for s in report.sessions if s.node != master]
    assert len(report.sessions) == SESSIONS
    assert len(served_by_survivors) >= SESSIONS / 3
    assert [s for s in served_by_survivors if s.outcome != "alive"] == []
    last = report.last_failure_after(began)
    assert last is None or last <= bound_s
    assert not [probe for probe in report.failed_probes if probe.began < began - 1.1]
    # It comes back by itself, stands back, and takes nothing from anybody.
    heir = cluster.master()
    cluster.lab.power_on(master)
    status = cluster.wait_until_healthy(changes=f"detection={detection!r}")
    roles = {row["node"]: row["role"] for row in status["nodes"]}
    assert roles[heir] == "MASTER"
    assert roles[master] == "BACKUP"


@pytest.mark.parametrize("verb", ["stop", "restart"])
def test_systemctl_on_the_master_loses_nothing(cluster: Site, verb: str) -> None:
    master = cluster.master()
    report, began = measure(
        cluster, lambda: cluster.lab.run(master, f"systemctl {verb} keepalived")
    )
    told(report, began, f"systemctl {verb} keepalived on the MASTER")
    assert Counter(s.outcome for s in report.sessions) == {"alive": SESSIONS}
    assert report.failed_probes == []
    assert cluster.master() != master


def test_a_suspected_realserver_keeps_its_sessions(cluster: Site) -> None:
    suspect = cluster.backups()[0]
    # The BFD process is keepalived's youngest child (core/main.c, start_keepalived).
    bfd = cluster.lab.run(
        suspect, "cat /proc/$(cat /run/keepalived.pid)/task/*/children"
    ).stdout.split()[-1]
    weights: list[str] = []

    def suspend() -> None:
        cluster.lab.run(suspect, f"kill -STOP {bfd}; sleep 1; kill -CONT {bfd}")
        weights.append(
            cluster.lab.run(
                cluster.master(),
                "journalctl -u keepalived --since -15s | grep -c 'Disabling service'",
                check=False,
            ).stdout.strip()
        )

    report, began = measure(cluster, suspend)
    told(report, began, "BFD of a realserver stopped for 1 s")
    assert int(weights[0]) >= 1, "nobody suspected it: the test did not test"
    assert Counter(s.outcome for s in report.sessions) == {"alive": SESSIONS}
    assert report.failed_probes == []


def test_last_node_standing_does_not_wait_for_a_taker(cluster: Site) -> None:
    master = cluster.master()
    for backup in cluster.backups():
        cluster.lab.run(backup, "systemctl stop keepalived")
    cluster.lab.run(master, "systemctl stop keepalived")
    said = cluster.lab.run(master, "journalctl -u keepalived --since -20s").stdout
    assert "nobody to hand over to" in said


def test_a_killed_keepalived_leaves_no_vip_and_comes_back(cluster: Site) -> None:
    master = cluster.master()
    report, began = measure(
        cluster, lambda: cluster.lab.run(master, "systemctl kill -s KILL keepalived"), seconds=15
    )
    told(report, began, "SIGKILL of keepalived on the MASTER")
    assert [s for s in report.sessions if s.outcome != "alive"] == []
    last = report.last_failure_after(began)
    assert last is None or last <= 0.5
    status = cluster.wait_until_healthy()
    assert {row["node"]: row["role"] for row in status["nodes"]}[master] == "BACKUP"
