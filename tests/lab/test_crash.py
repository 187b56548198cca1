"""What a client loses when a MASTER dies, stops, restarts, or is only suspected."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from deployed import VIP, Site
from stalls import Stalls, noted_stalls

from selfbalance.lab.load import Report

SESSIONS = 60
WRR = ", services=[Service(name='http', port=80, scheduler='wrr')]"


@dataclass(frozen=True)
class Measured:
    """What a client met while something was done, and when that began."""

    report: Report
    began: float
    stalls: Stalls

    @property
    def last_failure_s(self) -> float:
        """Seconds from the act to the start of the last probe that failed; 0 if none did.

        The time that this machine itself stood still meanwhile does not count.
        """
        last = self.report.last_failure_after(self.began) or 0.0
        return last - self.stalls.within(self.began, self.began + last)

    def tell(self, what: str) -> None:
        """Print the figures that README quotes."""
        outcomes = Counter(session.outcome for session in self.report.sessions)
        last = self.report.last_failure_after(self.began)
        stood = self.stalls.within(self.began, self.began + 10)
        print(
            f"\n{what}: sessions {dict(outcomes)}, {len(self.report.failed_probes)} of "
            f"{len(self.report.probes)} probes failed"
            + (f", the last began {last:.2f} s after" if last is not None else "")
            + f"; in the 10 s after, this machine stood still for {stood:.2f} s"
        )


def measure(site: Site, act, what: str, seconds: float = 22.0) -> Measured:
    """Hold 60 long downloads, probe every 20 ms, do `act` after 2 s; return what was met."""
    with (
        noted_stalls() as stalls,
        site.lab.load(
            f"http://{VIP}", sessions=SESSIONS, probe_interval=0.02, duration=seconds
        ) as load,
    ):
        time.sleep(2)
        began = time.monotonic()
        act()
        report = load.report()
    measured = Measured(report, began, stalls)
    measured.tell(what)
    return measured


def test_power_loss_of_the_master_fast(cluster: Site) -> None:
    lose_the_master(cluster, bound_s=0.5)


def test_power_loss_of_the_master_calm(calm: Site) -> None:
    lose_the_master(calm, bound_s=1.5)


def lose_the_master(cluster: Site, bound_s: float) -> None:
    master = cluster.master()
    measured = measure(
        cluster,
        lambda: cluster.lab.power_off(master),
        f"power loss of the MASTER, {cluster.described or 'fast'}",
    )
    report = measured.report
    served_by_survivors = [s for s in report.sessions if s.node != master]
    assert len(report.sessions) == SESSIONS
    assert len(served_by_survivors) >= SESSIONS / 3
    assert [s for s in served_by_survivors if s.outcome != "alive"] == []
    assert measured.last_failure_s <= bound_s
    assert not [each for each in report.failed_probes if each.began < measured.began - 1.1]
    # It comes back by itself, stands back, and takes nothing from anybody.
    heir = cluster.master()
    cluster.lab.power_on(master)
    status = cluster.wait_until_healthy()
    roles = {row["node"]: row["role"] for row in status["nodes"]}
    assert roles[heir] == "MASTER"
    assert roles[master] == "BACKUP"


@pytest.mark.parametrize("verb", ["stop", "restart"])
def test_systemctl_on_the_master_loses_nothing(calm: Site, verb: str) -> None:
    master = calm.master()
    report = measure(
        calm,
        lambda: calm.lab.run(master, f"systemctl {verb} keepalived"),
        f"systemctl {verb} keepalived on the MASTER",
    ).report
    assert Counter(s.outcome for s in report.sessions) == {"alive": SESSIONS}
    assert report.failed_probes == []
    assert calm.master() != master


@pytest.fixture
def forgetful(calm: Site) -> Iterator[Site]:
    """`wrr` gives a session that a director does not know to any realserver: mh would hide it."""
    profile, calm.described = calm.described, calm.described + WRR
    calm.deploy()
    calm.wait_until_healthy()
    yield calm
    calm.described = profile
    calm.deploy()


def test_a_hand_over_tells_of_sessions_that_the_others_missed(forgetful: Site) -> None:
    """As after a false alarm, when they were directors for a moment and heard nothing."""
    master, *others = forgetful.master(), *forgetful.backups()
    start = f"ipvsadm --start-daemon backup --mcast-interface {forgetful.lab.interface} --syncid"
    for node in others:
        forgetful.lab.run(node, f"ipvsadm --stop-daemon backup; {start} 99")

    def hand_over() -> None:
        for node in others:
            forgetful.lab.run(node, f"ipvsadm --stop-daemon backup; {start} 51")
        forgetful.lab.run(master, "systemctl stop keepalived")

    report = measure(forgetful, hand_over, "stop of the MASTER, sessions not synchronised").report
    assert Counter(s.outcome for s in report.sessions) == {"alive": SESSIONS}
    assert report.failed_probes == []


def test_a_suspected_realserver_keeps_its_sessions(calm: Site) -> None:
    suspect = calm.backups()[0]
    # The BFD process is keepalived's youngest child (core/main.c, start_keepalived).
    bfd = calm.lab.run(
        suspect, "cat /proc/$(cat /run/keepalived.pid)/task/*/children"
    ).stdout.split()[-1]
    weights: list[str] = []

    def suspend() -> None:
        calm.lab.run(suspect, f"kill -STOP {bfd}; sleep 2; kill -CONT {bfd}")
        weights.append(
            calm.lab.run(
                calm.master(),
                "journalctl -u keepalived --since -15s | grep -c 'Disabling service'",
                check=False,
            ).stdout.strip()
        )

    report = measure(calm, suspend, "BFD of a realserver stopped for 2 s").report
    assert int(weights[0]) >= 1, "nobody suspected it: the test did not test"
    assert Counter(s.outcome for s in report.sessions) == {"alive": SESSIONS}
    assert report.failed_probes == []


def test_last_node_standing_does_not_wait_for_a_taker(calm: Site) -> None:
    master = calm.master()
    for backup in calm.backups():
        calm.lab.run(backup, "systemctl stop keepalived")
    calm.lab.run(master, "systemctl stop keepalived")
    said = calm.lab.run(master, "journalctl -u keepalived --since -20s").stdout
    assert "nobody to hand over to" in said


def test_a_killed_keepalived_leaves_no_vip_and_comes_back(calm: Site) -> None:
    master = calm.master()
    measured = measure(
        calm,
        lambda: calm.lab.run(master, "systemctl kill -s KILL keepalived"),
        "SIGKILL of keepalived on the MASTER",
    )
    assert measured.report.lost_sessions == []
    assert measured.last_failure_s <= 1.5
    status = calm.wait_until_healthy()
    assert {row["node"]: row["role"] for row in status["nodes"]}[master] == "BACKUP"
