"""The watch beside keepalived, run for real: what it does with what it hears."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from made import CASES, made

from selfbalance.desired import places

pytestmark = pytest.mark.skipif(not shutil.which("perl"), reason="the watch is Perl")

USUAL = ("3 0", "10")


class Watch:
    """A running watch whose guard, FIFO and kernel are files of the test's."""

    def __init__(self, folder: Path) -> None:
        self.events = folder / "vrrp"
        self.packets = folder / "sync_threshold"
        self.seconds = folder / "sync_refresh_period"
        self._acts = folder / "acts"
        self._acts.touch()
        self.packets.touch()
        self.seconds.touch()
        guard = folder / "guard"
        guard.write_text(f'#!/bin/sh\necho "$*" >>{self._acts}\n')
        guard.chmod(0o700)
        text = {file.path: file.content for file in made(CASES["three nodes"])["web1"].all_files}[
            places.WATCH
        ]
        for real, here in (
            (places.GUARD, guard),
            (places.EVENTS, self.events),
            ("/proc/sys/net/ipv4/vs/sync_threshold", self.packets),
            ("/proc/sys/net/ipv4/vs/sync_refresh_period", self.seconds),
            ("/run/vrrp.pid", folder / "no.pid"),
        ):
            assert real in text
            text = text.replace(real, str(here))
        self.program = folder / "watch"
        self.program.write_text(text)

    def tell(self, *lines: str) -> None:
        """Write events as keepalived does: without waiting for a reader."""
        fifo = os.open(self.events, os.O_WRONLY)
        os.write(fifo, "".join(f"{line}\n" for line in lines).encode())
        os.close(fifo)

    def tells(self) -> tuple[str, str]:
        """When the kernel is to tell the other nodes of a session: by packets, and by seconds."""
        return self.packets.read_text(), self.seconds.read_text()

    def acts(self) -> list[str]:
        """What the guard was called for."""
        return self._acts.read_text().splitlines()


def eventually(what, value, seconds=20.0) -> None:
    """Wait for a value; a loaded machine may take its time."""
    deadline = time.monotonic() + seconds
    while what() != value and time.monotonic() < deadline:
        time.sleep(0.05)
    assert what() == value


@contextmanager
def running(folder: Path) -> Iterator[Watch]:
    """A watch at work."""
    watch = Watch(folder)
    with subprocess.Popen(["perl", str(watch.program)]) as process:
        try:
            eventually(watch.tells, USUAL)
            yield watch
        finally:
            process.kill()


def test_a_master_that_lasts_serves(tmp_path):
    with running(tmp_path) as watch:
        watch.tell('INSTANCE "web" MASTER 230')
        eventually(watch.acts, ["serving web"])


def test_each_instance_is_served_or_not_by_itself(tmp_path):
    with running(tmp_path) as watch:
        watch.tell('INSTANCE "web" MASTER 230', 'INSTANCE "web-52" MASTER 230')
        watch.tell('INSTANCE "web" BACKUP 230')
        eventually(watch.acts, ["serving web-52"])
        time.sleep(1)
        assert watch.acts() == ["serving web-52"]


def test_a_master_of_a_moment_does_not(tmp_path):
    with running(tmp_path) as watch:
        watch.tell('INSTANCE "web" MASTER 230', 'INSTANCE "web" BACKUP 230')
        time.sleep(2)
        assert watch.acts() == []


def test_a_false_master_makes_it_tell_of_all_sessions_for_some_seconds(tmp_path):
    with running(tmp_path) as watch:
        watch.tell('INSTANCE "web" MASTER_RX_LOWER_PRI 250')
        eventually(watch.tells, ("0 1", "0"))
        eventually(watch.tells, USUAL)
        assert watch.acts() == []


def test_what_it_does_not_know_it_leaves(tmp_path):
    with running(tmp_path) as watch:
        watch.tell("", "GROUP x", "VS [192.0.2.10]:tcp:80 UP", 'INSTANCE "web" MASTER 230')
        eventually(watch.acts, ["serving web"])


def test_nobody_else_may_write_into_its_ear(tmp_path):
    with running(tmp_path) as watch:
        assert watch.events.stat().st_mode & 0o777 == 0o600
