"""The client's side of a load, against a server on loopback that answers as told."""

from __future__ import annotations

import asyncio

import pytest

from selfbalance.lab.load import Job, Report, work

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
            return await work(Job(url, first_port=FIRST_PORT, **job), lambda: None)

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
    report = asyncio.run(work(Job("http://127.0.0.1:9/", sessions=1), lambda: None))

    assert [(each.outcome, each.error) for each in report.sessions] == [("refused", "refused")]


def test_source_ports_count_up_from_the_first():
    _, ports = met(answer(b"whole", 5), sessions=3, requests=3, parallel=1)

    assert ports == sorted(ports)
    assert len(set(ports)) == 6
    assert FIRST_PORT <= ports[0] < FIRST_PORT + 100
