"""The commands: one line for an error, and no import of the lab before it is asked for."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from selfbalance.cli import main


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("SELFBALANCE_LAB", raising=False)
    return lambda *words: CliRunner().invoke(main, ["lab", *words])


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["ssh", "web1", "true"],
        ["client", "true"],
        ["power-off", "web1"],
        ["power-on", "web1"],
        ["cable", "web1", "out"],
        ["publish", "keepalived"],
    ],
)
def test_without_a_lab_every_command_names_the_next_one(call, words):
    result = call(*words)
    assert result.exit_code == 1
    assert result.output == ("selfbalance: Lab 'lab' is not running. Next: selfbalance lab up\n")


def test_taking_down_nothing_is_fine(call):
    result = call("down")
    assert (result.exit_code, result.output) == (0, "Lab 'lab' was not up.\n")


def test_the_name_comes_from_the_environment_too(call, monkeypatch):
    monkeypatch.setenv("SELFBALANCE_LAB", "other")
    assert "'other'" in call("status").output


def test_a_bad_name_is_one_line(call):
    result = call("up", "--name", "../x")
    assert result.exit_code == 1
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("nodes", ["0", "61"])
def test_a_count_that_fits_no_lab_is_one_line(call, nodes):
    result = call("up", "--nodes", nodes)
    assert result.exit_code == 1
    assert "between 1 and 60" in result.output


def test_the_lab_is_not_imported_before_it_is_asked_for():
    code = "import sys, selfbalance.cli; sys.exit('selfbalance.lab' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_list_of_commands_names_the_lab():
    result = CliRunner().invoke(main, ["--help"])
    assert "lab" in result.output
