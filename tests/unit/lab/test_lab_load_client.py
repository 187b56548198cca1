"""The client's side of a load, against a server on loopback that answers as told."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket

import pytest

from selfbalance.lab import load, load_client
from selfbalance.lab.load import Job, Report


def test_half_a_head_is_waited_for():
    assert load_client.parse_head(b"HTTP/1.1 200 OK\r\nX-Node: web1\r\n") is None
    head = load_client.parse_head(
        b"HTTP/1.1 200 OK\r\nX-Node: web1\r\nContent-Length: 5\r\n\r\nweb"
    )
    assert head is not None
    assert (head.status, head.node, head.length, head.rest) == (200, "web1", 5, b"web")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "x"), "refused"),
        (ConnectionResetError(104, "x"), "reset"),
        (asyncio.TimeoutError(), "timed out"),
        (OSError(113, "x"), "no route to host"),
        (load_client._Cut("cut short"), "cut short"),
    ],
)
def test_a_failure_has_words(error, words):
    assert load_client.reason(error) == words


def _answer(body: bytes, length: int) -> bytes:
    return f"HTTP/1.1 200 OK\r\nX-Node: me\r\nContent-Length: {length}\r\n\r\n".encode() + body


class Server:
    """Answers each path as told: bytes to send, then how to end."""

    def __init__(self, answers):
        self.answers = answers
        self.ports = []
        self.over = asyncio.Event()

    async def serve(self, reader, writer):
        self.ports.append(writer.get_extra_info("peername")[1])
        with contextlib.suppress(ConnectionError):
            path = (await reader.readline()).split()[1].decode()
            await reader.readuntil(b"\r\n\r\n")
            data, ending = self.answers[path]
            if ending == "slow":
                await asyncio.sleep(0.3)
            writer.write(data)
            await writer.drain()
            if ending == "reset":
                linger = b"\x01\0\0\0\0\0\0\0"
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
                await asyncio.sleep(0.05)
            elif ending == "hang":
                await self.over.wait()
        writer.close()


def _run(answers, family=socket.AF_INET, stop_after=None, **job):
    async def run():
        server = Server(answers)
        host = "127.0.0.1" if family == socket.AF_INET else "::1"
        listening = await asyncio.start_server(server.serve, host, 0, family=family)
        port = listening.sockets[0].getsockname()[1]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        ready = []
        over = asyncio.Event()
        if stop_after is not None:
            asyncio.get_running_loop().call_later(stop_after, over.set)
        report = await load_client.work(Job(url, **job), lambda: ready.append(True), over)
        server.over.set()
        listening.close()
        await asyncio.sleep(0.05)  # the server's side of the last connections ends too
        assert ready == [True]
        return report, server

    return asyncio.run(run())


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_probes_come_in_time_each_from_a_port_of_its_own(family):
    if family == socket.AF_INET6 and not _has_ipv6():
        pytest.skip("no IPv6 on loopback here")
    answers = {"/": (_answer(b"me\n", 3), "close")}
    report, server = _run(answers, family, probe_interval=0.01, duration=0.5)
    assert len(report.probes) == 50
    assert report.failed_probes == []
    assert {probe.node for probe in report.probes} == {"me"}
    assert len(set(server.ports)) == 50


def _has_ipv6():
    with socket.socket(socket.AF_INET6) as sock:
        try:
            sock.bind(("::1", 0))
        except OSError:
            return False
    return True


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((_answer(b"m", 3), "close"), "cut short"),
        ((b"", "close"), "cut short"),
        ((b"nonsense\r\n\r\n", "close"), "not an HTTP answer"),
        ((_answer(b"", 3), "reset"), "reset"),
        ((b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n", "close"), "status 502"),
    ],
)
def test_an_answer_that_is_none_is_a_failed_probe(answer, error):
    report, _ = _run({"/": answer}, requests=2)
    assert [probe.error for probe in report.probes] == [error, error]


def test_a_silent_server_is_a_probe_that_timed_out(monkeypatch):
    monkeypatch.setattr(load_client, "PROBE_TIMEOUT_S", 0.1)
    report, _ = _run({"/": (b"", "hang")}, requests=1)
    assert [probe.error for probe in report.probes] == ["timed out"]


def test_a_slow_answer_is_late_where_the_job_gives_it_time_and_failed_where_not(monkeypatch):
    for module in (load, load_client):
        monkeypatch.setattr(module, "PROBE_TIMEOUT_S", 0.1)
    answers = {"/": (_answer(b"me\n", 3), "slow")}
    (failed,) = _run(answers, requests=1, answer_s=0.1)[0].probes
    assert (failed.ok, failed.late, failed.error) == (False, False, "timed out")
    (late,) = _run(answers, requests=1, answer_s=5)[0].probes
    assert (late.ok, late.late, late.error) == (True, True, None)
    (quick,) = _run({"/": (_answer(b"me\n", 3), "close")}, requests=1)[0].probes
    assert (quick.ok, quick.late) == (True, False)


def test_a_connection_that_is_slow_to_come_has_failed_however_much_time_the_answer_has(monkeypatch):
    monkeypatch.setattr(load_client, "PROBE_TIMEOUT_S", 0.1)
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(2):  # what comes after these is not heard
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        job = Job(f"http://127.0.0.1:{full.getsockname()[1]}", requests=1, answer_s=5)
        (probe,) = asyncio.run(load_client.work(job, lambda: None)).probes
    assert probe.error == "timed out"
    assert probe.ended - probe.began < 1


@pytest.mark.parametrize(
    ("answer", "outcome", "size"),
    [
        ((_answer(b"0123456789", 10), "close"), "alive", 10),
        ((_answer(b"01234", 10), "close"), "reset", 5),
        ((_answer(b"01234", 10), "reset"), "reset", 5),
        ((_answer(b"01234", 10), "hang"), "timed out", 5),
        ((b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "close"), "refused", 0),
    ],
)
def test_a_session_lives_only_with_every_byte(monkeypatch, answer, outcome, size):
    monkeypatch.setattr(load_client, "SILENCE_TIMEOUT_S", 0.2)
    report, _ = _run({"/slow/1": answer}, sessions=3, session_seconds=1)
    assert [session.outcome for session in report.sessions] == [outcome] * 3
    assert {session.bytes for session in report.sessions} == {size}


def test_a_closed_port_refuses_sessions_and_probes():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    job = Job(url, sessions=2, requests=2)
    report = asyncio.run(load_client.work(job, lambda: None))
    assert [session.outcome for session in report.sessions] == ["refused"] * 2
    assert [probe.error for probe in report.probes] == ["refused"] * 2


def test_a_session_that_outlasts_everything_is_lost_not_forgotten(monkeypatch):
    monkeypatch.setattr(Job, "longest_s", 0.2)
    report, _ = _run({"/slow/1": (_answer(b"01", 10), "hang")}, sessions=2, session_seconds=1)
    assert [session.outcome for session in report.sessions] == ["timed out"] * 2


STEADY = {"/": (_answer(b"me\n", 3), "close"), "/slow/1": (_answer(b"0123456789", 10), "close")}


def test_a_steady_load_begins_another_session_for_each_that_ends_until_it_is_told():
    report, _ = _run(
        STEADY, stop_after=0.3, steady=True, sessions=2, session_seconds=1,
        probe_interval=0.05, duration=60,
    )  # fmt: skip
    assert 1 <= len(report.probes) <= 7
    assert len(report.sessions) > 10
    assert report.lost_sessions == []
    assert report.sessions == sorted(report.sessions, key=lambda session: session.began)


def test_the_first_sessions_of_a_steady_load_end_one_after_the_other():
    job = Job("http://127.0.0.1", sessions=4, session_seconds=20)
    assert [load_client.first_seconds(job, number) for number in range(4)] == [20] * 4
    steady = dataclasses.replace(job, steady=True)
    assert [load_client.first_seconds(steady, number) for number in range(4)] == [1, 6, 11, 16]


def test_a_steady_load_ends_by_itself_and_does_not_hurry_after_a_loss(monkeypatch):
    monkeypatch.setattr(load_client, "RETRY_S", 0.1)
    refused = {**STEADY, "/slow/1": (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "close")}
    report, _ = _run(
        refused, steady=True, sessions=1, session_seconds=1, probe_interval=0.1, duration=0.5
    )
    assert len(report.probes) == 5
    assert 3 <= len(report.lost_sessions) <= 6


FIRST_PORT = 47000


def met(answer: bytes, **job: object) -> tuple[Report, list[int]]:
    """What a client met where everybody is answered so, and the source ports it came from."""
    ports: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ports.append(writer.get_extra_info("peername")[1])
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async def run() -> Report:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            return await load_client.work(Job(url, first_port=FIRST_PORT, **job), lambda: None)

    return asyncio.run(run()), ports


def answer(body: bytes, length: int, status: int = 200) -> bytes:
    head = f"HTTP/1.1 {status} So\r\nX-Node: web1\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize(
    ("said", "outcome", "error"),
    [
        (answer(b"whole", 5), "alive", None),
        (answer(b"who", 5), "reset", "cut short"),
        (b"HTTP/1.1 200 So\r\n", "reset", "cut short"),
        (answer(b"", 0, status=503), "refused", "status 503"),
        (b"what?\r\n\r\n", "reset", "not an HTTP answer"),
    ],
)
def test_a_session_that_is_lost_says_why(said, outcome, error):
    report, _ = met(said, sessions=1)

    assert [(each.outcome, each.error) for each in report.sessions] == [(outcome, error)]


def test_a_session_where_nobody_listens_says_so():
    report = asyncio.run(load_client.work(Job("http://127.0.0.1:9/", sessions=1), lambda: None))

    assert [(each.outcome, each.error) for each in report.sessions] == [("refused", "refused")]


def test_source_ports_count_up_from_the_first():
    _, ports = met(answer(b"whole", 5), sessions=3, requests=3, parallel=1)

    assert ports == sorted(ports)
    assert len(set(ports)) == 6
    assert FIRST_PORT <= ports[0] < FIRST_PORT + 100
