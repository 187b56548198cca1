"""Operations are generators: when they run, how often, and what stops the run."""

from __future__ import annotations

import pytest

STAGE = """
    from pyinfra import host, state
    from pyinfra.api import operation
    from rolling import Value
    from sim import note

    @operation()
    def stage():
        note(f"begin, executing: {state.is_executing}")
        host.get_fact(Value, "done")
        yield "set done 1"
        note(f"read back: {host.get_fact(Value, 'done')}")
        yield "set done 2"

    stage()
"""
PREPARED = ["begin, executing: False", "get done"]
EXECUTED = [
    "begin, executing: True",
    "get done",
    "set done 1",
    "get done",
    "read back: 1",
    "set done 2",
]


@pytest.mark.parametrize(
    ("flags", "story"),
    [
        pytest.param(["-y"], EXECUTED, id="yes-skips-prepare"),
        pytest.param([], PREPARED + EXECUTED, id="interactive-runs-from-scratch-after-prepare"),
        pytest.param(["--dry"], PREPARED, id="dry-stops-at-the-first-yield"),
        pytest.param(["--dry", "-y"], [], id="dry-with-yes-looks-at-nothing"),
    ],
)
def test_a_generator_is_a_coroutine_of_the_run(project, flags, story):
    """Gates live between yields: they must see the world after the command, and a dry run none."""
    project.write("inventory.py", 'nodes = [("@sim/a", {"sim_memory": {"done": "0"}})]')
    project.write("deploy.py", STAGE)
    run = project.pyinfra("inventory.py", "deploy.py", *flags, answers="\n")
    assert (run.status, run.story) == (0, story), run.err


def test_a_finally_around_a_yield_runs_in_prepare(deploy):
    """So no cleaning up in a generator's `finally`: a dry run would do it, too."""
    run = deploy(
        """
        from pyinfra import state
        from pyinfra.api import operation
        from sim import note

        @operation()
        def stage():
            try:
                yield "set done 1"
            finally:
                note(f"cleaning up, executing: {state.is_executing}")

        stage()
        """,
        "--dry",
        "--limit=@sim/a",
    )
    assert run.story == ["cleaning up, executing: False"]


def test_an_error_raised_by_a_serial_generator_ends_the_run(deploy):
    """The emergency brake of a rolling deploy: it needs neither FAIL_PERCENT nor luck."""
    run = deploy(
        """
        from pyinfra import host
        from pyinfra.api import OperationError, operation
        from pyinfra.operations import server

        @operation()
        def gate():
            yield "set done 1"
            raise OperationError("the gate is shut")

        if host.name == "@sim/b":
            gate(_serial=True)
        server.shell(commands="set later 1")
        """,
        "-y",
    )
    assert (run.status, run.commands()) == (1, ["b: set done 1"])
    assert run.err.count("Operation error in") == 1
    assert "the gate is shut" in run.err
    assert "Traceback" not in run.err


def test_an_error_inside_a_function_command_fails_only_its_host(deploy):
    """Why a step remembers its error and the generator raises it."""
    run = deploy(
        """
        from pyinfra import host
        from pyinfra.api import OperationError
        from pyinfra.operations import python, server

        def shut():
            raise OperationError("the gate is shut")

        if host.name == "@sim/b":
            python.call(function=shut, _serial=True)
        server.shell(commands="set later 1")
        """,
        "-y",
    )
    assert (run.status, sorted(run.commands())) == (1, ["a: set later 1", "c: set later 1"])


def test_retry_repeats_whole_operations_but_never_those_with_no_retries(deploy):
    """A drain that ran must not run again because a later command of the operation failed."""
    run = deploy(
        """
        from pyinfra.api import operation

        @operation()
        def restart(what):
            yield f"stop {what}"
            yield f"fail {what}"

        restart("often", _ignore_errors=True)
        restart("once", _ignore_errors=True, _retries=0)
        """,
        "-y",
        "--retry=2",
        "--retry-delay=0",
        "--limit=@sim/a",
    )
    assert run.story == ["stop often", "fail often"] * 3 + ["stop once", "fail once"]


def test_operations_that_run_once_may_run_on_every_host(project):
    """Why the rolling operation is given to one named host, and never marked `_run_once`.

    The hosts read facts before the first of them has said that the operation is taken.
    """
    project.write(
        "inventory.py",
        'nodes = [(f"@sim/{n}", {"sim_delay": 0.1, "sim_memory": {"done": "0"}}) for n in "abc"]',
    )
    once = STAGE.replace("\n    stage()", "\n    stage(_run_once=True)")
    project.write("deploy.py", once)
    run = project.pyinfra("inventory.py", "deploy.py", answers="\n")
    assert run.status == 0
    changes = sorted(command for command in run.commands() if "set done 1" in command)
    assert changes == ["a: set done 1", "b: set done 1", "c: set done 1"]
