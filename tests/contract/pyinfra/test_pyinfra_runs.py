"""Whole runs in the shape of our rolling deploys: modes, flags, limits, prompts."""

from __future__ import annotations

import pytest

ROLL = """
    from pyinfra.operations import server
    from rolling import is_controller, roll

    if is_controller():
        roll("count drained", "set done 1", _serial=True, _retries=0)
    server.shell(commands="set later 1")
"""
NODES = ["c", "a", "b"]
IN_ORDER = [f"{node}: {step}" for node in NODES for step in ("count drained", "set done 1")]


@pytest.fixture
def project(project):
    project.write("inventory.py", 'nodes = ["@sim/c", "@sim/a", "@sim/b"]')
    return project


def changes(run):
    return [command for command in run.commands() if "get" not in command]


@pytest.mark.parametrize("flags", [["-y"], []], ids=["yes", "interactive"])
def test_steps_run_exactly_once_in_the_order_of_the_inventory(deploy, flags):
    """No node is drained twice, none out of turn, whether or not a prepare phase came first.

    pyinfra itself keeps active hosts in a set: whoever wants an order iterates the inventory.
    """
    run = deploy(ROLL, *flags, answers="\n")
    assert run.status == 0, run.err
    assert changes(run)[:6] == IN_ORDER
    assert sorted(changes(run)[6:]) == [f"{node}: set later 1" for node in "abc"]


@pytest.mark.parametrize(
    ("answers", "status"), [("\n", 0), ("y\n", 0), ("", 1)], ids=["enter", "y", "closed"]
)
def test_only_an_empty_line_confirms(deploy, answers, status):
    """`yes | pyinfra` does nothing and exits 0: only our own record proves that a run happened."""
    run = deploy("from pyinfra.operations import server; server.shell('true')", answers=answers)
    assert run.status == status
    assert bool(run.commands()) is (answers == "\n")


def test_a_failed_step_stops_the_run_whatever_retry_says(project, deploy):
    """The nodes before it stay as they are, those after it are not touched, nothing runs twice."""
    project.write(
        "inventory.py",
        """
        from sim import Failure

        def broken(memory, command):
            return Failure() if command == "set done 1" else None

        nodes = ["@sim/c", ("@sim/a", {"sim_answers": broken}), "@sim/b"]
        """,
    )
    run = deploy(ROLL, "-y", "--retry=3", "--retry-delay=0")
    assert (run.status, changes(run)) == (1, IN_ORDER[:4])
    assert "set done 1 failed on @sim/a" in run.err


def test_limit_changes_only_its_hosts_and_observes_all(deploy):
    """Gates judge the whole cluster also when one node is upgraded; the others are only read."""
    run = deploy(ROLL, "-y", "--limit=@sim/a")
    assert (run.status, changes(run)) == (0, [*IN_ORDER[2:4], "a: set later 1"])
    assert run.notes == ["@sim/a is done, all say ['1', 'UNKNOWN', 'UNKNOWN']"]
    assert sorted(run.contacted) == ["a", "b", "c"]


REFUSING = """
    import click
    from pyinfra.api.exceptions import PyinfraError

    flags = click.get_current_context(silent=True).params
    for flag in "serial", "no_wait":
        if flags[flag]:
            raise PyinfraError(f"{flag} is not for a cluster")
"""


@pytest.mark.parametrize("flag", ["--serial", "--no-wait"])
def test_config_py_can_refuse_a_flag_before_any_host_is_contacted(project, deploy, flag):
    """Both flags would break the order that keeps sessions alive; they must not get that far."""
    project.write("config.py", REFUSING)
    run = deploy(ROLL, "-y", flag)
    assert (run.status, run.contacted) == (1, [])
    assert "is not for a cluster" in run.err
    assert "Traceback" not in run.err


MODES = """
    import click
    from pyinfra import state
    from pyinfra.api import BaseStateCallback, operation
    from rolling import is_controller
    from sim import note

    class Witness(BaseStateCallback):
        @staticmethod
        def operation_start(state, op_hash):
            note("operation_start")

    @operation()
    def serial_operation():
        note(f"in a serial operation: {click.get_current_context(silent=True) is not None}")
        yield "true"

    @operation()
    def fails():
        yield "fail"

    if is_controller():
        state.add_callback_handler(Witness())
        note(f"in a deploy file: {click.get_current_context(silent=True) is not None}")
        serial_operation(_serial=True)
        fails()
"""
SEEN = ["in config.py: True", "in an inventory: True", "in a deploy file: False"]


@pytest.mark.parametrize(
    ("flags", "notes", "status"),
    [
        pytest.param(
            [], ["operation_start", "in a serial operation: True", "operation_start"], 1, id="lock"
        ),
        pytest.param(["--serial"], ["in a serial operation: True"], 1, id="serial"),
        pytest.param(["--no-wait"], ["in a serial operation: False"], 0, id="no-wait"),
    ],
)
def test_operation_start_tells_lock_step_from_other_modes(project, deploy, flags, notes, status):
    """The second guard against `--serial` and `--no-wait`, for a folder without our config.py.

    The flags themselves can be read in config.py, in an inventory and in a generator that runs in
    click's own greenlet: one with `_serial`, unless `--no-wait` moved it. A run with `--no-wait`
    exits 0 although an operation failed: its exit code proves nothing.
    """
    look = "import click; from sim import note\n"
    look += "note(f'in {}: {{click.get_current_context(silent=True) is not None}}')\n"
    project.write("config.py", look.format("config.py"))
    project.write("inventory.py", look.format("an inventory") + 'nodes = ["@sim/a", "@sim/b"]\n')
    run = deploy(MODES, "-y", *flags)
    assert run.notes == SEEN + notes
    assert run.status == status


def test_ctrl_c_exits_0(project):
    """Why a run without its last record in our journal counts as failed, whatever it exits with."""
    project.write(
        "deploy.py",
        """
        import os, signal
        from pyinfra.operations import python, server

        def interrupt():
            os.kill(os.getpid(), signal.SIGINT)

        python.call(function=interrupt)
        server.shell(commands="set later 1")
        """,
    )
    run = project.pyinfra("inventory.py", "deploy.py", "-y", "--limit=@sim/a")
    assert (run.status, run.commands()) == (0, [])
    assert "Exiting upon user request!" in run.out


FAIL_ON_A = """
    from pyinfra import config, host
    from pyinfra.operations import server

    {first}
    if host.name == "@sim/a":
        server.shell(commands="fail")
    server.shell(commands="set later 1")
"""


def test_fail_percent_in_config_py_stops_a_run_at_the_first_failed_host(project, deploy):
    """Under -y a failed host would otherwise not keep the others from what comes next."""
    project.write("config.py", "from pyinfra import config; config.FAIL_PERCENT = 0")
    run = deploy(FAIL_ON_A.format(first=""), "-y")
    assert (run.status, run.commands()) == (1, ["a: fail"])


def test_fail_percent_in_a_deploy_file_stops_nothing(deploy):
    """Why we ship a config.py: a deploy file only ever changes a copy."""
    run = deploy(FAIL_ON_A.format(first="config.FAIL_PERCENT = 0"), "-y")
    assert run.status == 1
    assert sorted(run.commands()) == ["a: fail", "b: set later 1", "c: set later 1"]


def test_diff_is_seen_on_the_state_by_every_operation(deploy):
    """Our own masked diff of keepalived.conf asks `state.config`, as pyinfra's files do.

    The context's `config` is not to be used there: in parallel operations it is not set.
    """
    run = deploy(
        """
        from pyinfra import config, state
        from pyinfra.api import operation
        from sim import note

        @operation()
        def configure():
            try:
                seen = config.DIFF
            except AttributeError:
                seen = "nothing"
            note(f"state: {state.config.DIFF}, context: {seen}")
            yield "true"

        configure()
        configure(_serial=True)
        """,
        "-y",
        "--diff",
        "--limit=@sim/a",
    )
    assert run.notes == ["state: True, context: nothing", "state: True, context: True"]
