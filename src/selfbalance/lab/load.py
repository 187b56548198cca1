"""Load as a client sees it: long sessions that a failover can break, quick probes that count gaps.

`Load` has a client do a `Job` and takes its `Report`. The client is a program in the client's
network (load_client.py).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from selfbalance.lab.errors import LabError

Outcome = Literal["alive", "reset", "timed out", "refused"]
READY = "ready"
#: A probe that takes longer is late, and has failed: what a person calls "it hangs". A job may give
#: the answer more time, but never the connection: TCP sends a lost SYN again after a second (RFC
#: 6298, section 2.1), so what takes longer there has lost a packet.
PROBE_TIMEOUT_S = 1.0
#: A session that is silent for so long is lost. A slow failover (6 s) plus TCP's backed-off
#: retransmissions (twice that) must still fit.
SILENCE_TIMEOUT_S = 15.0
START_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Job:
    """What the client is to do, in seconds; `requests` is for quick ones without a schedule.

    A `steady` one begins another session for each that ends, until it is told to stop, but for
    `duration` at most. Source ports count up from `first_port`, or from one that chance gives. A
    probe has `answer_s` from its begin to its answer's end.
    """

    url: str
    sessions: int = 0
    session_seconds: int = 20
    probe_interval: float = 0.02
    duration: float = 0.0
    requests: int = 0
    parallel: int = 8
    steady: bool = False
    first_port: int | None = None
    answer_s: float = PROBE_TIMEOUT_S

    @property
    def longest_s(self) -> float:
        """After so long the client has ended, whatever it met."""
        requests = (self.requests / self.parallel + 1) * self.answer_s
        last_begin = self.duration if self.steady else 0.0
        sessions = max(self.duration, last_begin + self.session_seconds)
        return sessions + 2 * SILENCE_TIMEOUT_S + requests


@dataclass(frozen=True)
class Session:
    """One long download. `alive` only if every byte came; an early end counts as `reset`.

    Times are `time.monotonic()`; `error` says why one was lost.
    """

    node: str | None
    outcome: Outcome
    bytes: int
    began: float
    ended: float
    error: str | None = None


@dataclass(frozen=True)
class Probe:
    """One request on a connection and source port of its own. Times are `time.monotonic()`."""

    began: float
    ended: float
    ok: bool
    node: str | None = None
    error: str | None = None

    @property
    def late(self) -> bool:
        """Whether it was answered, but slowly."""
        return self.ok and self.ended - self.began > PROBE_TIMEOUT_S


@dataclass
class NodeShare:
    """What one node served."""

    probes: int = 0
    sessions: int = 0
    sessions_alive: int = 0


@dataclass(frozen=True)
class Report:
    """What a client went through."""

    sessions: list[Session] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    #: How late the client itself was at worst in starting a probe, in seconds: its own slowness.
    client_lag: float = 0.0

    @property
    def failed_probes(self) -> list[Probe]:
        """Probes that were refused, cut, late, or answered by anything but 200."""
        return [probe for probe in self.probes if not probe.ok]

    @property
    def lost_sessions(self) -> list[Session]:
        """Sessions that missed a byte or more."""
        return [session for session in self.sessions if session.outcome != "alive"]

    def last_failure_after(self, event: float) -> float | None:
        """Seconds from `event` to the start of the last probe that failed after it, or None."""
        failed = [probe.began for probe in self.failed_probes if probe.ended >= event]
        return max(0.0, max(failed) - event) if failed else None

    def by_node(self) -> dict[str, NodeShare]:
        """Who served what, by node name; what nobody answered is not in it."""
        shares: dict[str, NodeShare] = {}
        for probe in self.probes:
            if probe.ok and probe.node:
                shares.setdefault(probe.node, NodeShare()).probes += 1
        for session in self.sessions:
            if session.node:
                share = shares.setdefault(session.node, NodeShare())
                share.sessions += 1
                share.sessions_alive += session.outcome == "alive"
        return dict(sorted(shares.items()))

    def to_json(self) -> str:
        """One line that `from_json` takes back."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read `to_json`'s line."""
        data: dict[str, Any] = json.loads(text)
        return cls(
            sessions=[Session(**session) for session in data["sessions"]],
            probes=[Probe(**probe) for probe in data["probes"]],
            client_lag=data["client_lag"],
        )


class Load:
    """A client at work. Entering waits for every session's first byte; leaving waits for the end.

    A steady one is told to stop by leaving, or by asking for the report.

    `command` turns an argv into one that runs on the client.
    """

    def __init__(self, command: Callable[..., list[str]], job: Job) -> None:
        self._command = command
        self._job = job
        self._process: subprocess.Popen[str] | None = None
        self._report: Report | None = None

    def __enter__(self) -> Load:
        self._process = _start(self._command, self._job)
        try:
            self._wait_ready(self._process)
        except BaseException:
            self._stop(self._process)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.report()
        elif self._process is not None:
            self._stop(self._process)

    def report(self) -> Report:
        """Wait until the client has ended, and return what it met."""
        if self._report is None:
            if self._process is None:
                raise LabError("The load was never started: use it in a `with` statement.")
            self._report = _collect(self._process, self._job)
        return self._report

    def _wait_ready(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        # The client keeps its own time and says `ready` or ends, so this line always comes.
        line = process.stdout.readline().strip()
        if line != READY:
            process.wait()
            said = process.stderr.read().strip()[-500:] if process.stderr else ""
            raise LabError(f"The lab's client did not start its load: {said or line}")

    @staticmethod
    def _stop(process: subprocess.Popen[str]) -> None:
        _kill_group(process)
        process.communicate()


def requests(
    command: Callable[..., list[str]], url: str, count: int, timeout: float
) -> list[Probe]:
    """`count` quick requests, a few at a time."""
    job = Job(url, requests=count)
    process = _start(command, job)
    return _collect(process, job, timeout).probes


def _start(command: Callable[..., list[str]], job: Job) -> subprocess.Popen[str]:
    source = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        command(sys.executable, "-m", "selfbalance.lab.load_client", json.dumps(asdict(job))),
        env={
            **os.environ,
            "PYTHONPATH": path,
            "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin",
        },
        # communicate() closes it, which tells a steady client to stop; so does our end.
        stdin=subprocess.PIPE if job.steady else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _collect(process: subprocess.Popen[str], job: Job, timeout: float | None = None) -> Report:
    limit = job.longest_s + START_TIMEOUT_S if timeout is None else timeout
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired as error:
        _kill_group(process)
        process.communicate()
        raise LabError(f"The lab's client did not end within {limit:.0f} s.") from error
    except BaseException:
        _kill_group(process)
        process.communicate()
        raise
    if process.returncode:
        raise LabError(f"The lab's client ended with {process.returncode}: {err.strip()[-500:]}")
    return Report.from_json(out.strip().splitlines()[-1])


def _kill_group(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
