"""`selfbalance plugins`: what is registered, from where, and what it is set to."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from selfbalance.cli import main
from selfbalance.loading import DISABLED, FOLDER

HALVES = """\
from selfbalance.plugins import Scheduler, hook

def half(node):
    \"\"\"1 for every node but the first.\"\"\"
    return 1

@hook
def register_schedulers(register):
    register("halves", Scheduler("wrr", "less for the first", weigh=half))
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `selfbalance WORDS` in a folder with one plugin."""
    for name in (FOLDER, DISABLED):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "halves.py").write_text(HALVES)
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(main, ["plugins", *words])


def test_everything_is_listed_with_where_it_is_from_and_what_it_is(run):
    said = run()

    assert said.exit_code == 0
    lines = [" ".join(line.split()) for line in said.output.splitlines()]
    assert "halves plugins/halves.py less for the first" in lines
    assert "dr built in direct routing: one network, no address rewritten" in lines
    assert "packages built in any packages, named by --data packages=NAME[=VERSION],..." in lines
    assert "reboot built in the node itself: it reboots, for instance into a new kernel" in lines
    assert "glusterfs built in the volumes that the nodes share, where one is described" in lines
    for kind in (
        "component",
        "scheduler",
        "forwarding method",
        "standby mode",
        "snapshot store",
        "gate",
    ):
        assert kind in lines


def test_one_is_shown_with_its_options(run):
    said = run("show", "halves")

    assert said.exit_code == 0
    assert said.output.splitlines()[0] == (
        "scheduler halves, plugins/halves.py: less for the first"
    )
    assert "  kernel: wrr" in said.output
    assert "  weigh: 1 for every node but the first." in said.output


@pytest.mark.parametrize(
    ("name", "upgrade"),
    [
        ("keepalived", "packages=keepalived, named=False, interrupts=False, reboots=False"),
        ("packages", "packages=-, named=True, interrupts=True, reboots=False"),
        ("reboot", "packages=-, named=False, interrupts=True, reboots=True"),
    ],
)
def test_a_component_is_shown_with_how_it_is_upgraded(run, name, upgrade):
    said = run("show", name)

    assert said.exit_code == 0
    assert f"  upgrade: {upgrade}, stop=No command., " in said.output
    assert " at 0x" not in said.output
    assert "  needed: True: every cluster consists of it.\n" in said.output


def test_a_name_that_nobody_registered_lists_the_known_ones(run):
    said = run("show", "thirds")

    assert said.exit_code == 1
    assert "nothing is registered as 'thirds'; known are: backup-only, " in said.output


def test_a_wrong_plugin_is_one_line(run, tmp_path):
    (tmp_path / "plugins" / "halves.py").write_text("1 / 0\n# mended later\n")

    said = run()

    assert said.exit_code == 1
    assert said.output.startswith("Error: plugin halves: cannot be imported: ")
    assert len(said.output.splitlines()) == 1
