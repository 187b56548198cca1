"""The suites catch what is wrong: a plugin of a stranger's repository with one fault each."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

SCHEDULER = "SchedulerOnPaper", "register_schedulers"
STORE = "StoreOnPaper", "register_snapshot_stores"
GATE = "GateOnPaper", "register_gates"
STANDBY = "StandbyOnPaper", "register_standby_modes"
FORWARDING = "ForwardingOnPaper", "register_forwarding_methods"
COMPONENT = "ComponentOnPaper", "register_components"

GOOD = {
    "scheduler": (*SCHEDULER, "Scheduler('wrr', 'twos', weigh=lambda node: 2)"),
    "gate": (*GATE, "gate"),
    "standby mode": (*STANDBY, "StandbyMode('alone', False, objection=only_one_node)"),
    "forwarding method": (*FORWARDING, "ForwardingMethod('DR', 'dummy0', 'dummy')"),
    "component": (*COMPONENT, "Component('web', ('nginx',), ('nginx.service',))"),
    "store of the controller": (*STORE, "ControllerStore('here', save, load)"),
}

SAVE, LOAD = 'cat >"/srv/kept/$1"', 'cat "/srv/kept/$1"'
BAD = {
    # what the plugin registers, and the tests that must fail
    "a weight that is none": (
        *SCHEDULER,
        "Scheduler('wrr', 'x', weigh=lambda node: 0)",
        {"test_weights_are_whole_numbers_and_the_same_twice"},
    ),
    "weights by chance": (
        *SCHEDULER,
        "Scheduler('wrr', 'x', weigh=lambda node: random.randint(1, 60000))",
        {
            "test_weights_are_whole_numbers_and_the_same_twice",
            "test_the_same_description_gives_the_same_nodes",
        },
    ),
    "a scheduler that keepalived refuses": (
        *SCHEDULER,
        "Scheduler('nosuch', 'x')",
        {"test_keepalived_accepts_what_is_made_of_it"},
    ),
    "a flag that keepalived does not know": (
        *SCHEDULER,
        "Scheduler('mh', 'x', flags=('mh-prot',))",
        {"test_keepalived_accepts_every_choice_of_flags"},
    ),
    "a default flag that is none": (
        *SCHEDULER,
        "Scheduler('mh', 'x', default_flags=('mh-port',))",
        {"test_its_default_flags_are_flags_of_it"},
    ),
    "a sysctl that is a number": (
        *SCHEDULER,
        "Scheduler('wrr', 'x', sysctls={'net.ipv4.vs.sloppy_tcp': 1})",
        {"test_kernel_settings_are_names_and_values"},
    ),
    "no description": (
        *SCHEDULER,
        "Scheduler('wrr', '')",
        {"test_it_says_in_one_line_what_it_is"},
    ),
    "a method that keepalived does not know": (
        *FORWARDING,
        "ForwardingMethod('GRE', 'lo', 'x')",
        {"test_its_words_are_those_of_keepalived_and_the_kernel"},
    ),
    "a tunnel that ipvsadm is told to be none": (
        *FORWARDING,
        "ForwardingMethod('TUN', 'lo', 'x', listed='Tunnel')",
        {"test_its_words_are_those_of_keepalived_and_the_kernel"},
    ),
    "an objection of two lines": (
        *STANDBY,
        "StandbyMode('x', False, objection=lambda c: 'a\\nb' if len(c.nodes) > 3 else None)",
        {"test_an_objection_is_none_or_one_line"},
    ),
    "a unit without its kind": (
        *COMPONENT,
        "Component('x', ('nginx',), ('nginx',))",
        {"test_its_units_are_whole_names_of_systemd_units"},
    ),
    "a gate that counts on a MASTER": (
        *GATE,
        "lambda view: Verdict(view.masters[0].name)",
        {"test_it_answers_whatever_was_seen"},
    ),
    "a gate that counts on what is seen of each": (
        *GATE,
        "lambda view: Verdict(str([node.units['keepalived.service'] for node in view.state.seen]))",
        {"test_it_answers_whatever_was_seen"},
    ),
    "a gate that answers yes": (
        *GATE,
        "lambda view: True",
        {"test_it_answers_whatever_was_seen"},
    ),
    "a gate that names nobody": (
        *GATE,
        "lambda view: Verdict('x', (Problem('bad', 'web99'),))",
        {"test_each_problem_is_one_line_and_names_its_node"},
    ),
    "a gate that counts its calls": (
        *GATE,
        "lambda view: Verdict(str(next(COUNT)))",
        {"test_it_answers_the_same_twice"},
    ),
    "a store without any care": (
        *STORE,
        f"SnapshotStore('x', 'mkdir -p /srv/kept && ' {SAVE!r}, {LOAD!r})",
        {
            "test_older_ones_are_kept",
            "test_what_is_not_there_is_refused_with_a_word",
            "test_what_is_torn_is_refused_with_a_word",
            "test_another_nodes_is_refused_with_a_word",
            "test_nobody_else_reads_them",
            "test_a_save_that_is_cut_short_leaves_what_was_there",
        },
    ),
    "a store of the controller without any care": (
        *STORE,
        "ControllerStore('x', careless_save, careless_load)",
        {
            "test_older_ones_are_kept",
            "test_what_is_not_there_is_refused_with_a_word",
            "test_what_is_torn_is_refused_with_a_word",
            "test_another_nodes_is_refused_with_a_word",
            "test_nobody_else_reads_them",
            "test_a_save_that_is_cut_short_leaves_what_was_there",
        },
    ),
}

PREAMBLE = """
import itertools, os, random
from selfbalance.plugins import *
from selfbalance.snapshots import load, path_of, save

COUNT = itertools.count()

def gate(view):
    "How many were seen."
    return Verdict(str(len(view.state.seen)))

def only_one_node(cluster):
    return None if len(cluster.nodes) == 1 else "for one node only"

def careless_save(which, content):
    path_of(which).parent.mkdir(parents=True, exist_ok=True)
    path_of(which).write_bytes(content)
    path_of(which).chmod(0o644)
    os.fsync(0)

def careless_load(which, older):
    return path_of(which).read_bytes()
"""
HOOK = """
@hook(specname="{hook}")
def register_{number}(register):
    register("mine-{number}", {thing})
"""
CASE = """
class Test{number}(selfbalance.testing.{suite}):
    name = "mine-{number}"
    folder = "/srv/kept"
"""
CASES = {name: number for number, name in enumerate((*GOOD, *BAD))}


def repository(folder: Path, **files: str) -> Path:
    """A stranger's repository with these files: `plugins__mine` is plugins/mine.py."""
    for name, text in files.items():
        file = folder / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


def pytest_there(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run pytest as whoever works in that repository does."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SELFBALANCE_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *flags],
        cwd=folder,
        env={**clean, **{k: v for k, v in os.environ.items() if k == "SELFBALANCE_REQUIRE_LAB"}},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def ended(tmp_path_factory) -> Mapping[str, Mapping[str, set[str]]]:
    """How the tests of each case ended, all in one run: case -> outcome -> tests."""
    plugin, tests = PREAMBLE, "import selfbalance.testing\n"
    for name, (suite, hook, thing, *_) in {**GOOD, **BAD}.items():
        plugin += HOOK.format(hook=hook, number=CASES[name], thing=thing)
        tests += CASE.format(suite=suite, number=CASES[name])
    folder = repository(tmp_path_factory.mktemp("theirs"), plugins__mine=plugin, test_mine=tests)
    said = pytest_there(folder, "-rA", "--tb=short").stdout
    found = defaultdict(lambda: defaultdict(set))
    for outcome, number, test in re.findall(r"^(\w+) test_mine.py::Test(\d+)::(\w+)", said, re.M):
        found[list(CASES)[int(number)]][outcome].add(test)
    assert found, said
    return found


@pytest.mark.parametrize("name", GOOD)
def test_a_good_plugin_of_a_strangers_passes(ended, name):
    assert set(ended[name]) == {"PASSED"}
    assert len(ended[name]["PASSED"]) >= 2


@pytest.mark.parametrize("name", BAD)
def test_a_fault_fails_the_test_that_is_for_it(ended, name):
    *_, failing = BAD[name]

    assert failing <= ended[name]["FAILED"] | ended[name]["ERROR"]


def test_a_name_that_nobody_registered_lists_the_known_ones(tmp_path):
    folder = repository(
        tmp_path,
        test_mine="from selfbalance.testing import GateOnPaper\n"
        "class TestMine(GateOnPaper):\n    name = 'mine'\n",
    )

    said = pytest_there(folder).stdout

    assert "TestMine: gate 'mine' is not known; known are: nodes, founding, vip, " in said


SUITE = """
from selfbalance.testing import GateSuite

class TestMine(GateSuite):
    name = "nodes"
    harm = "true"

    def test_of_my_own(self, deployed):
        assert deployed.master()
"""


def test_what_needs_nodes_is_marked_so_and_nothing_else(tmp_path):
    folder = repository(tmp_path, test_mine=SUITE)
    flags = ("--collect-only", "--strict-markers", "-q", "-m")

    on_nodes, on_paper = (
        set(re.findall(r"::(test_\w+)", pytest_there(folder, *flags, which).stdout))
        for which in ("lab", "not lab")
    )

    assert on_nodes == {
        "test_it_is_open_on_a_healthy_cluster_and_shut_after_harm",
        "test_of_my_own",
    }
    assert "test_it_answers_whatever_was_seen" in on_paper
    assert not on_nodes & on_paper


IDLE = """
import sys

def test_it():
    assert "pytest_selfbalance" in sys.modules
    assert not [name for name in sys.modules if name.split(".")[0] == "selfbalance"]
"""


def test_where_no_test_asks_nothing_of_selfbalance_is_imported(tmp_path):
    ran = pytest_there(repository(tmp_path, test_mine=IDLE))

    assert ran.returncode == 0, ran.stdout
