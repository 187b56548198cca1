"""The client's side of a load: a program that does a `Job` in the client's network.

The job is its one argument, as JSON: it says `ready`, works, and prints one JSON report. A steady
job ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import random
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from selfbalance.lab.load import (
    PROBE_TIMEOUT_S,
    READY,
    SILENCE_TIMEOUT_S,
    Job,
    Outcome,
    Probe,
    Report,
    Session,
)

#: Before a steady load begins another session in place of one that was lost.
RETRY_S = 0.5
_FIRST_PORT, _LAST_PORT = 2000, 64000


class _Cut(Exception):  # noqa: N818 - it names what happened to the answer
    """The answer was not a whole HTTP answer."""


class _Client:
    """Sockets to one address and port, from one source port after the other."""

    def __init__(self, url: str, first_port: int | None = None) -> None:
        parts = urlsplit(url)
        port = parts.port or 80
        found = socket.getaddrinfo(
            parts.hostname, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
        self._family: socket.AddressFamily = found[0][0]
        self._target: Any = found[0][4]
        self.path = parts.path or "/"
        self._request = "GET {} HTTP/1.1\r\nHost: " + parts.netloc + "\r\nConnection: close\r\n\r\n"
        any_port = random.randrange(_FIRST_PORT, _LAST_PORT)  # noqa: S311 - no secret
        self._next_port = (first_port or any_port) - 1

    async def get(self, path: str) -> tuple[socket.socket, float]:
        """A connection that the request was sent on, and when it began."""
        began = time.monotonic()
        sock = await self._connected()
        try:
            request = self._request.format(path).encode()
            await asyncio.get_running_loop().sock_sendall(sock, request)
        except BaseException:
            sock.close()
            raise
        return sock, began

    async def _connected(self) -> socket.socket:
        for _ in range(100):
            sock = self._socket()
            try:
                await asyncio.get_running_loop().sock_connect(sock, self._target)
            except BaseException as error:
                sock.close()
                # The last connection from this port is not over yet.
                if isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL:
                    continue
                raise
            return sock
        raise OSError(errno.EADDRINUSE, "no free source port")

    def _socket(self) -> socket.socket:
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        sock.setblocking(False)
        # So a port in TIME_WAIT can be had again (network.py, build_client).
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        anywhere = "::" if self._family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104 - a source
        for _ in range(100):
            self._next_port += 1
            if self._next_port > _LAST_PORT:
                self._next_port = _FIRST_PORT
            try:
                sock.bind((anywhere, self._next_port))
            except OSError:  # somebody has it
                continue
            return sock
        sock.close()
        raise OSError(errno.EADDRINUSE, "no free source port")


@dataclass(frozen=True)
class _Head:
    status: int
    node: str | None
    length: int | None
    rest: bytes


def parse_head(data: bytes) -> _Head | None:
    """The head of an HTTP answer, or None while it is not whole."""
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    words = first.split()
    if len(words) < 2 or not words[1].isdigit():
        raise _Cut("not an HTTP answer")
    length = fields.get("content-length")
    return _Head(int(words[1]), fields.get("x-node"), int(length) if length else None, rest)


async def _read_head(sock: socket.socket) -> _Head:
    data, loop = b"", asyncio.get_running_loop()
    while (head := parse_head(data)) is None:
        more = await loop.sock_recv(sock, 65536)
        if not more:
            raise _Cut("cut short")
        data += more
    return head


def reason(error: BaseException) -> str:
    """A failure in the words of a report."""
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return "timed out"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return "reset"
    if isinstance(error, OSError):
        return (os.strerror(error.errno) if error.errno else str(error)).lower()
    return str(error)


async def _answer(client: _Client) -> tuple[str | None, str | None]:
    """Ask once; (node, what is wrong with the answer)."""
    sock, _ = await asyncio.wait_for(client.get(client.path), PROBE_TIMEOUT_S)
    with sock:
        head = await _read_head(sock)
        got, loop = len(head.rest), asyncio.get_running_loop()
        while head.length is None or got < head.length:
            more = await loop.sock_recv(sock, 65536)
            if not more:
                break
            got += len(more)
    if head.status != 200:
        return head.node, f"status {head.status}"
    return head.node, "cut short" if head.length is not None and got < head.length else None


async def _probe(client: _Client, probes: list[Probe], answer_s: float) -> None:
    began = time.monotonic()
    node, error = None, None
    try:
        node, error = await asyncio.wait_for(_answer(client), answer_s)
    except (OSError, _Cut, asyncio.TimeoutError) as failure:
        error = reason(failure)
    probes.append(Probe(began, time.monotonic(), error is None, node, error))


class _LongSession:
    """One download; `started` is set with its first byte, or with its end."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.node: str | None = None
        self.bytes = 0
        self.outcome: Outcome = "refused"
        self.error: str | None = None

    async def run(self, client: _Client, path: str) -> Session:
        began = time.monotonic()
        try:
            self.outcome = await self._download(client, path)
        except (TimeoutError, asyncio.TimeoutError, asyncio.CancelledError):
            self.outcome = "timed out"  # cancelled: it dribbles on after everything else has ended
            self.error = "timed out"
        except (OSError, _Cut) as error:
            self.error = reason(error)
            refused = self.outcome == "refused" and not isinstance(error, ConnectionResetError)
            self.outcome = "refused" if refused else "reset"
        finally:
            self.started.set()
        ended = time.monotonic()
        return Session(self.node, self.outcome, self.bytes, began, ended, self.error)

    async def _download(self, client: _Client, path: str) -> Outcome:
        loop = asyncio.get_running_loop()
        sock, _ = await asyncio.wait_for(client.get(path), SILENCE_TIMEOUT_S)
        self.outcome = "reset"  # from here on an error means a connection that was there
        with sock:
            head = await asyncio.wait_for(_read_head(sock), SILENCE_TIMEOUT_S)
            if head.status != 200 or head.length is None:
                self.error = f"status {head.status}"
                return "refused"
            self.node, self.bytes = head.node, len(head.rest)
            while self.bytes < head.length:
                if self.bytes:
                    self.started.set()
                more = await asyncio.wait_for(loop.sock_recv(sock, 65536), SILENCE_TIMEOUT_S)
                if not more:
                    self.error = "cut short"
                    return "reset"
                self.bytes += len(more)
        return "alive"


async def _spread(work: list[Callable[[], Coroutine[Any, Any, None]]], parallel: int) -> None:
    """Run all, at most `parallel` at a time."""
    gate = asyncio.Semaphore(parallel)

    async def one(start: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async with gate:
            await start()

    await asyncio.gather(*(one(start) for start in work))


async def _scheduled_probes(
    client: _Client, job: Job, probes: list[Probe], over: asyncio.Event
) -> float:
    """A probe at every multiple of the interval; returns how late one was started at worst."""
    tasks, lag, start = set(), 0.0, time.monotonic()
    for number in range(int(job.duration / job.probe_interval)):
        due = start + number * job.probe_interval
        if (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        if over.is_set():
            break
        lag = max(lag, time.monotonic() - due)
        task = asyncio.create_task(_probe(client, probes, job.answer_s))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    if tasks:
        await asyncio.wait(tasks)
    return lag


class _Sessions:
    """Long sessions side by side; in a steady job each is followed by another, until `over`."""

    def __init__(self, client: _Client, job: Job, over: asyncio.Event) -> None:
        self._client = client
        self._job = job
        self._over = over
        self._running: list[asyncio.Task[None]] = []
        self._ended: list[Session] = []

    async def start(self) -> None:
        """Start them 5 ms apart (a burst of SYNs is no failover), until each has its first byte."""
        first = [_LongSession() for _ in range(self._job.sessions)]
        for number, session in enumerate(first):
            seconds = first_seconds(self._job, number)
            self._running.append(asyncio.create_task(self._keep(session, seconds)))
            await asyncio.sleep(0.005)
        for session in first:
            await session.started.wait()

    async def end(self) -> list[Session]:
        """Give what runs the time that it may take; every session there was, in order of begin."""
        if self._running:
            await asyncio.wait(self._running, timeout=self._job.longest_s - self._job.duration)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running)
        return sorted(self._ended, key=lambda session: session.began)

    async def _keep(self, session: _LongSession, seconds: int) -> None:
        while True:
            self._ended.append(await session.run(self._client, f"/slow/{seconds}"))
            if self._ended[-1].outcome != "alive" and self._job.steady:
                await _pause(RETRY_S, self._over)
            if self._over.is_set() or not self._job.steady:
                return
            session, seconds = _LongSession(), self._job.session_seconds


def first_seconds(job: Job, number: int) -> int:
    """How long a first session lasts: those of a steady load do not all end at the same time."""
    if not job.steady:
        return job.session_seconds
    return 1 + number * job.session_seconds // job.sessions


async def _pause(seconds: float, over: asyncio.Event) -> None:
    """Sleep, but not beyond `over`."""
    with suppress(TimeoutError, asyncio.TimeoutError):
        await asyncio.wait_for(over.wait(), seconds)


async def work(job: Job, ready: Callable[[], None], over: asyncio.Event | None = None) -> Report:
    """Do the job; `ready` is called once every session has its first byte; `over` ends it."""
    over = over or asyncio.Event()
    client, probes = _Client(job.url, job.first_port), list[Probe]()
    sessions = _Sessions(client, job, over)
    await sessions.start()
    ready()
    lag = await _scheduled_probes(client, job, probes, over)
    over.set()
    await _spread([lambda: _probe(client, probes, job.answer_s)] * job.requests, job.parallel)
    ended = await sessions.end()
    return Report(ended, sorted(probes, key=lambda probe: probe.began), lag)


async def _work_until_told(job: Job) -> Report:
    """`work`, which the end of standard input ends, if the job is a steady one."""
    over, loop = asyncio.Event(), asyncio.get_running_loop()

    def told() -> None:
        loop.remove_reader(sys.stdin.fileno())
        over.set()

    if job.steady:
        loop.add_reader(sys.stdin.fileno(), told)
    return await work(job, lambda: print(READY, flush=True), over)  # noqa: T201 - its answer


def main() -> None:
    """The client's side as a program."""
    job = Job(**json.loads(sys.argv[1]))
    report = asyncio.run(_work_until_told(job))
    print(report.to_json(), flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
