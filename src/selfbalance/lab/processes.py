"""Processes by pid *and* start time, so that a reused pid is never taken for ours."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfbalance.lab.errors import LabError

#: Writes the boot's id and the shell's own /proc stat line, then becomes the command: the pid on
#: record is the command's as the machine sees it, also in a pid namespace (/proc is the machine's).
_RECORD_AND_BECOME = (
    "read -r boot </proc/sys/kernel/random/boot_id && read -r line </proc/self/stat && "
    'echo "$boot $line" >"$0.new" && mv "$0.new" "$0" && exec "$@"'
)
DEATH_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Process:
    """A process as recorded. `started` is in clock ticks since boot (proc(5), field 22)."""

    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        stat = _read_stat(self.pid)
        return stat is not None and stat[0] == self and stat[1] not in "ZX"

    def kill(self) -> None:
        """Send SIGKILL and wait until it is gone; nothing to do if it is, or its pid is reused."""
        if not self.alive:
            return
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive:  # asked again: from here on the descriptor means this process
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)
        wait_until(lambda: not self.alive, DEATH_TIMEOUT_S, f"process {self.pid} survives SIGKILL")


def parse_stat(text: str) -> tuple[Process, str] | None:
    """A /proc/PID/stat line as (process, state letter), or None when it is cut off or not one.

    The command's name may hold spaces and brackets, so fields are counted from the last bracket.
    """
    head, _, tail = text.rpartition(")")
    pid, _, _ = head.partition(" ")
    fields = tail.split()
    if not pid.isdigit() or len(fields) < 20 or not fields[19].isdigit():
        return None
    return Process(int(pid), int(fields[19])), fields[0]


def _read_stat(pid: int) -> tuple[Process, str] | None:
    try:
        return parse_stat(Path(f"/proc/{pid}/stat").read_text(errors="replace"))
    except (FileNotFoundError, ProcessLookupError):
        return None


def recorded(record: Path) -> Process | None:
    """The process that wrote `record` since this boot, alive or not; None when there is none."""
    try:
        text = record.read_text(errors="replace")
    except FileNotFoundError:
        return None
    return parse_record(text, Path("/proc/sys/kernel/random/boot_id").read_text().strip())


def parse_record(text: str, boot: str) -> Process | None:
    """A record's process; None for another boot's, whose pids and start times mean others now."""
    head, _, line = text.partition(" ")
    stat = parse_stat(line)
    return stat[0] if stat and head == boot else None


def recording(record: Path, argv: Sequence[str]) -> list[str]:
    """`argv`, made to leave its pid and start time in `record` before it starts."""
    return ["sh", "-c", _RECORD_AND_BECOME, str(record), *argv]


def start_detached(
    argv: Sequence[str], log: Path, record: Path, cwd: Path | None = None
) -> Process:
    """Start a recorded command in a session of its own and return it once it is on record.

    `setsid --fork` leaves no child behind to wait for; a Ctrl-C at the terminal does not reach it.
    """
    record.unlink(missing_ok=True)
    with log.open("ab") as output:
        subprocess.run(
            ["setsid", "--fork", *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            check=True,
        )
    wait_until(lambda: recorded(record) is not None, 10, f"{argv[0]} did not start, see {log}")
    process = recorded(record)
    assert process is not None  # noqa: S101 - just waited for
    return process


def wait_until(condition: Callable[[], bool], timeout_s: float, complaint: str) -> None:
    """Ask `condition` every 20 ms until it holds; a LabError with `complaint` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{complaint} (waited {timeout_s:.0f} s).")
        time.sleep(0.02)
