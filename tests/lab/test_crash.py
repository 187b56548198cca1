"""What a client loses when a MASTER dies, stops, restarts, or is only suspected."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from deployed import VIP, Site
from measured import SESSIONS, measure

START = "systemctl start keepalived"
WRR = ", services=[Service(name='http', port=80, scheduler='wrr')]"


def test_power_loss_of_the_master_fast(cluster: Site) -> None:
    lose_the_master(cluster, bound_s=0.5)


def lose_the_master(cluster: Site, bound_s: float, first_port: int | None = None) -> None:
    master = cluster.master()
    measured = measure(
        cluster,
        lambda: cluster.lab.power_off(master),
        f"power loss of the MASTER, {cluster.described or 'fast'}",
        first_port=first_port,
    )
    report = measured.report
    served_by_survivors = [s for s in report.sessions if s.node != master]
    assert len(report.sessions) == SESSIONS
    assert len(served_by_survivors) >= SESSIONS / 3
    assert [s for s in served_by_survivors if s.outcome != "alive"] == []
    assert measured.last_failure_s <= bound_s
    assert not [each for each in measured.failed_probes if each.began < measured.began - 1.1]
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
    measured = measure(
        calm,
        lambda: calm.lab.run(master, f"systemctl {verb} keepalived"),
        f"systemctl {verb} keepalived on the MASTER",
    )
    measured.assert_nothing_lost()
    assert calm.master() != master
    calm.lab.run(master, START)


@pytest.fixture
def forgetful(site: Site) -> Iterator[Site]:
    """`wrr` gives a session that a director does not know to any realserver: mh would hide it."""
    with site.well("detection='calm'" + WRR):
        yield site


def test_power_loss_of_the_master_calm(forgetful: Site) -> None:
    """Right after other connections from the same source ports, which had another MASTER."""
    port = 10000
    with forgetful.lab.load(
        f"http://{VIP}", SESSIONS, duration=6, session_seconds=4, first_port=port
    ):
        pass
    forgetful.lab.run(forgetful.master(), "systemctl restart keepalived")
    forgetful.wait_until_healthy()
    lose_the_master(forgetful, bound_s=1.5, first_port=port)


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

    before = _loops(forgetful)
    measured = measure(forgetful, hand_over, "stop of the MASTER, sessions not synchronised")
    measured.assert_nothing_lost()
    assert _loops(forgetful) == before
    forgetful.lab.run(master, START)


def _loops(site: Site) -> list[str]:
    """How often each node met a packet at its last hop: two directors that send it to and fro."""
    look = "nstat --ignore --zeros --noupdate IcmpOutTimeExcds | tail -n 1"
    return [site.lab.run(node, look).stdout for node in site.powered()]


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

    measured = measure(calm, suspend, "BFD of a realserver stopped for 2 s")
    assert int(weights[0]) >= 1, "nobody suspected it: the test did not test"
    measured.assert_nothing_lost()


def test_last_node_standing_does_not_wait_for_a_taker(calm: Site) -> None:
    master = calm.master()
    for backup in calm.backups():
        calm.lab.run(backup, "systemctl stop keepalived")
    calm.lab.run(master, "systemctl stop keepalived")
    said = calm.lab.run(master, "journalctl -u keepalived --since -20s").stdout
    assert "nobody to hand over to" in said
    for node in calm.powered():
        calm.lab.run(node, START)


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
