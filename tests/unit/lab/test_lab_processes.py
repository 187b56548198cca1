"""A pid alone is nobody: start time and boot belong to it."""

import os
import subprocess
from pathlib import Path

import pytest

from selfbalance.lab import processes
from selfbalance.lab.errors import LabError
from selfbalance.lab.processes import Process, parse_record, parse_stat, recorded, recording

LINE = "4711 (a) S b) S 1 4711 4711 0 -1 4194304 99 0 0 0 0 0 0 0 20 0 1 0 123456 1 2 3"


def test_a_name_with_brackets_and_blanks_does_not_shift_the_fields():
    assert parse_stat(LINE) == (Process(4711, 123456), "S")


@pytest.mark.parametrize("text", ["", "4711", "4711 (sh) S 1 2", "x (sh) " + "1 " * 30])
def test_half_a_line_is_no_process(text):
    assert parse_stat(text) is None


def test_a_record_of_another_boot_is_nobody():
    assert parse_record(f"boot-a {LINE}\n", "boot-a") == Process(4711, 123456)
    assert parse_record(f"boot-a {LINE}\n", "boot-b") is None
    assert parse_record(LINE, "boot-a") is None


def test_a_reused_pid_is_not_alive():
    stat = parse_stat(Path("/proc/self/stat").read_text())
    assert stat is not None
    mine, _ = stat
    assert mine.alive
    assert not Process(mine.pid, mine.started - 1).alive
    assert not Process(2**22 + 1, 1).alive


def test_a_command_is_recorded_under_its_own_pid(tmp_path):
    record = tmp_path / "x.process"
    with subprocess.Popen(recording(record, ["sleep", "60"])) as process:
        processes.wait_until(lambda: recorded(record) is not None, 5, "no record")
        sleeper = recorded(record)
        assert sleeper is not None
        assert sleeper.pid == process.pid
        assert sleeper.alive
        sleeper.kill()
        assert not sleeper.alive
        process.wait()
    sleeper.kill()  # again: nothing to do


def test_no_record_is_nobody(tmp_path):
    assert recorded(tmp_path / "none") is None


def test_killing_spares_a_process_that_only_has_the_same_pid():
    with subprocess.Popen(["sleep", "60"]) as process:
        Process(process.pid, 1).kill()
        assert process.poll() is None
        os.kill(process.pid, 9)


def test_waiting_for_ever_is_not_waiting():
    with pytest.raises(LabError, match="no luck"):
        processes.wait_until(lambda: False, 0.05, "no luck")
