"""The arithmetic of a load's report, and a client that is told to stop."""

import socket

import pytest

from selfbalance.lab.load import Job, Load, NodeShare, Probe, Report, Session

REPORT = Report(
    sessions=[
        Session("web1", "alive", 10, 0.0, 5.0),
        Session("web1", "reset", 4, 0.0, 3.0),
        Session(None, "refused", 0, 0.0, 0.1),
    ],
    probes=[
        Probe(1.0, 1.1, ok=False, error="refused"),
        Probe(2.0, 2.1, ok=True, node="web2"),
        Probe(2.5, 3.5, ok=False, error="timed out"),
        Probe(4.0, 4.1, ok=False, node="web1", error="status 502"),
        Probe(5.0, 5.1, ok=True, node="web1"),
    ],
    client_lag=0.004,
)


def test_a_report_survives_its_json():
    assert Report.from_json(REPORT.to_json()) == REPORT


@pytest.mark.parametrize(("event", "seconds"), [(0.5, 3.5), (3.0, 1.0), (4.05, 0.0), (4.2, None)])
def test_the_last_failure_is_counted_from_the_event(event, seconds):
    assert REPORT.last_failure_after(event) == (None if seconds is None else pytest.approx(seconds))


def test_shares_count_what_each_node_served():
    assert REPORT.by_node() == {
        "web1": NodeShare(probes=1, sessions=2, sessions_alive=1),
        "web2": NodeShare(probes=1),
    }
    assert len(REPORT.failed_probes) == 3
    assert [session.outcome for session in REPORT.lost_sessions] == ["reset", "refused"]


def test_a_steady_client_stops_when_its_standard_input_ends():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    client = Load(lambda *argv: list(argv), Job(url, duration=60, steady=True))
    with client:
        pass
    report = client.report()
    assert len(report.probes) < 1000
    assert {probe.error for probe in report.probes} <= {"refused"}
