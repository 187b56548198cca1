"""Facts: what a gate is given when a host does not answer."""

from __future__ import annotations

import pytest

ASKING = """
    from pyinfra import host, inventory, state
    from pyinfra.api import operation
    from pyinfra.api.exceptions import ConnectError, PyinfraError
    from rolling import UNKNOWN, Value
    from sim import note

    @operation()
    def gate():
        yield "true"
        for name, key in {asked}:
            try:
                answer = inventory.get_host(name).get_fact(Value, key, _ignore_errors={ignore})
            except ConnectError:
                note(f"{{name}}: ConnectError")
            except PyinfraError as error:
                note(f"{{name}}: {{error}}")
            else:
                note(f"{{name}}: {{'UNKNOWN' if answer is UNKNOWN else answer}}")
        note(f"failed: {{sorted(h.name for h in state.failed_hosts)}}")

    if host.name == "@sim/a":
        gate(_serial=True)
"""


def asking(*asked: tuple[str, str], ignore: bool) -> str:
    return ASKING.format(asked=asked, ignore=ignore)


@pytest.fixture
def deploy(project):
    project.write(
        "inventory.py",
        """
        from sim import Failure

        def drops(memory, command):
            raise OSError("SSH session not active")

        nodes = [
            ("@sim/a", {"sim_memory": {"vip": "here"}}),
            ("@sim/silent", {"sim_answers": lambda memory, command: ""}),
            ("@sim/fails", {"sim_answers": lambda memory, command: Failure()}),
            ("@sim/drops", {"sim_answers": drops}),
            ("@sim/down", {"sim_down": True}),
        ]
        """,
    )

    def deploy(text, *flags):
        project.write("deploy.py", text)
        return project.pyinfra("inventory.py", "deploy.py", "-y", *flags)

    return deploy


def test_a_host_that_does_not_answer_gives_the_default(deploy):
    """Gates fail closed because the default is a thing that no host can report.

    A failed command, a dropped connection and a command that printed nothing at all look the same;
    only a host that cannot be connected to raises. With `_ignore_errors` no host is marked failed.
    """
    run = deploy(
        asking(
            ("@sim/a", "vip"),
            ("@sim/silent", "vip"),
            ("@sim/fails", "vip"),
            ("@sim/drops", "vip"),
            ("@sim/down", "vip"),
            ignore=True,
        ),
        "--exclude=@sim/down",
    )
    assert run.notes == [
        "@sim/a: here",
        "@sim/silent: UNKNOWN",
        "@sim/fails: UNKNOWN",
        "@sim/drops: UNKNOWN",
        "@sim/down: ConnectError",
        "failed: []",
    ]
    assert run.status == 0


def test_a_failed_fact_fails_its_host_unless_errors_are_ignored(deploy):
    """Why gates read facts with `_ignore_errors=True`: polling must take no host out of a run."""
    run = deploy(asking(("@sim/fails", "vip"), ignore=False), "--exclude=@sim/down")
    assert run.notes == ["@sim/fails: UNKNOWN", "failed: ['@sim/fails']"]
    assert run.status == 1


def test_a_failed_fact_raises_under_fail_percent_unless_errors_are_ignored(deploy):
    """We ship FAIL_PERCENT = 0: without `_ignore_errors` the first bad sample ends the run."""
    flags = ["--exclude=@sim/down", "--fail-percent=0"]
    run = deploy(asking(("@sim/fails", "vip"), ignore=False), *flags)
    assert run.notes[0].startswith("@sim/fails: Over 0% of hosts failed")
    run = deploy(asking(("@sim/fails", "vip"), ignore=True), *flags)
    assert (run.status, run.notes) == (0, ["@sim/fails: UNKNOWN", "failed: []"])


def test_a_missing_command_gives_the_default_and_fails_nothing(project):
    """No ipvsadm must not read as no realservers: the default says that nothing was seen.

    The guard is asked of a real shell, this machine's. pyinfra 4 is to raise instead.
    """
    project.write(
        "deploy.py",
        """
        from pyinfra import host, state
        from pyinfra.operations import python
        from rolling import Value, shown
        from sim import note

        class Table(Value):
            def requires_command(self, key):
                return "no-such-ipvsadm"

        def look():
            note(shown(host.get_fact(Table, "vip")))
            note(state.failed_hosts)

        python.call(function=look)
        """,
    )
    run = project.pyinfra("@local", "deploy.py", "-y")
    assert (run.status, run.notes) == (0, ["UNKNOWN", "set()"])
    assert "Table skipped on" in run.err


def test_facts_are_never_cached(deploy):
    """A gate that polls sees the present."""
    run = deploy(asking(("@sim/a", "vip"), ("@sim/a", "vip"), ignore=True), "--limit=@sim/a")
    assert run.commands("a") == ["true", "get vip", "get vip"]


def test_all_hosts_can_be_asked_at_once_from_within_an_operation(project):
    """A cluster is observed at one moment, in our own greenlets: pyinfra's pool may be full."""
    project.write(
        "inventory.py",
        """
        from sim import note

        def answers(memory, command):
            note("answered")

        data = {"sim_delay": 0.1, "sim_answers": answers, "sim_memory": {"done": "1"}}
        nodes = [(f"@sim/{name}", data) for name in "abc"]
        """,
    )
    project.write(
        "deploy.py",
        """
        from pyinfra.api import operation
        from rolling import is_controller, observe_all
        from sim import note

        @operation()
        def gate():
            note(observe_all("done"))
            yield "true"

        if is_controller():
            gate(_serial=True)
        """,
    )
    run = project.pyinfra("inventory.py", "deploy.py", "-y", "--parallel=1", "--limit=@sim/b")
    assert run.story[:6] == ["get done"] * 3 + ["answered"] * 3
    assert run.notes[3] == "{'@sim/a': '1', '@sim/b': '1', '@sim/c': '1'}"
