"""Operations that one host's generator runs on another host, now."""

from __future__ import annotations

NESTED = """
    from pyinfra import host, inventory
    from pyinfra.api import FunctionCommand, operation
    from pyinfra.api.exceptions import NestedOperationError
    from pyinfra.context import ctx_host
    from pyinfra.operations import server
    from sim import note

    def act(words):
        before = ctx_host.get()
        ctx_host.set(inventory.get_host("@sim/b"))
        try:
            server.shell(commands=words)
        except NestedOperationError:
            note(f"{words}: NestedOperationError")
        finally:
            ctx_host.set(before)
        note(f"back on {host.name}")

    @operation(_set_in_op=False)
    def conduct():
        yield FunctionCommand(act, ("set done 1",), {})
        yield FunctionCommand(act, ("fail 1",), {})
        act("set done 2")

    if host.name == "@sim/a":
        conduct(_serial=True)
    server.shell(commands="set later 1")
"""
STORY = [
    "set done 1",
    "back on @sim/a",
    "fail 1",
    "fail 1: NestedOperationError",
    "back on @sim/a",
    "set done 2",
    "back on @sim/a",
]


def test_a_nested_operation_on_another_host_runs_once_and_raises(deploy):
    """How the controller drains, upgrades and starts each node, and learns that it failed.

    It may be called by a command of the generator or by the generator itself; a failure of it
    neither fails the other host nor the run.
    """
    run = deploy(NESTED, "-y")
    assert run.status == 0, run.err
    assert run.commands("b") == ["set done 1", "fail 1", "set done 2", "set later 1"]
    assert run.story[: len(STORY)] == STORY


def test_under_serial_nested_operations_run_a_second_time(deploy):
    """Why `--serial` is refused: it would drain, upgrade and restart each node twice."""
    run = deploy(
        """
        from pyinfra import host, inventory
        from pyinfra.api import FunctionCommand, operation
        from pyinfra.operations import server
        from rolling import acting_on

        def act(other):
            with acting_on(inventory.get_host(other)):
                server.shell(commands=f"restart {other}")

        @operation(_set_in_op=False)
        def conduct(other):
            yield FunctionCommand(act, (other,), {})

        conduct("@sim/b" if host.name == "@sim/a" else "@sim/a")
        """,
        "-y",
        "--serial",
        "--limit=@sim/a",
        "--limit=@sim/b",
    )
    # Which of the two comes first is up to pyinfra; the other one restarts twice.
    assert sorted(len(run.commands(node)) for node in "ab") == [1, 2]
    assert "Cannot complete an already complete operation" in run.err


def test_ctx_host_use_leaks_when_its_body_raises(deploy):
    """Why we have a context manager of our own; when this fails, pyinfra's will do."""
    run = deploy(
        """
        from pyinfra import host, inventory
        from pyinfra.context import ctx_host
        from pyinfra.operations import python
        from rolling import acting_on
        from sim import note

        def look():
            other = inventory.get_host("@sim/b")
            for use in acting_on, ctx_host.use:
                try:
                    with use(other):
                        raise ValueError
                except ValueError:
                    note(host.name)

        python.call(function=look)
        """,
        "-y",
        "--limit=@sim/a",
    )
    assert run.notes == ["@sim/a", "@sim/b"]
