"""Acting on another host than the one whose operation it is."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import gevent
from pyinfra import logger
from pyinfra.api import FunctionCommand, StringCommand
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.api.exceptions import OperationError, PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.state import State, StateStage
from pyinfra.context import ctx_host, ctx_state

from selfbalance.errors import SelfbalanceError
from selfbalance.operations.connecting import LOST, connect
from selfbalance.operations.saying import say

_Each = TypeVar("_Each")
_Done = TypeVar("_Done")


@contextmanager
def acting_on(host: Host) -> Iterator[Host]:
    """Make `host` the one that nested operations act on; `ctx_host.use` leaks it on an error."""
    previous = ctx_host.get()
    ctx_host.set(host)
    try:
        yield host
    finally:
        ctx_host.set(previous)


def refusal(said: str) -> FunctionCommand:
    """Return a command that fails its host with one line, and with it the run.

    A plan says the line too: `--dry` ends there. What an operation of several hosts raises, gevent
    prints with a traceback first.
    """
    if ctx_state.get().current_stage is StateStage.Prepare:
        say(f"{ctx_host.get().print_prefix}{said}")

    def refuse(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra asks for both by name
        host.log_styled(said, fg="red", log_func=logger.error)
        return False

    return FunctionCommand(refuse, (), {})


def connector_arguments(host: Host) -> dict[str, object]:
    """Return what the host's data say about how commands are run there: sudo, a shell."""
    arguments, _ = pop_global_arguments(ctx_state.get(), host, {})
    return {key: value for key, value in arguments.items() if key in CONNECTOR_ARGUMENT_KEYS}


@dataclass(frozen=True)
class Answer:
    """What a node answered to a command: whether it did it, what it printed, what went wrong."""

    good: bool
    said: str = ""
    wrong: str = ""


def ask(host: Host, command: str, shown: bool = False) -> Answer:
    """Let a node do something. Never raises; with `shown`, -vv and -vvv show it as ever."""
    state = ctx_state.get()
    try:
        connect(host)
        good, output = host.run_shell_command(
            StringCommand(command),
            print_output=shown and state.print_output,
            print_input=shown and state.print_input,
            **connector_arguments(host),
        )
    except LOST as error:
        return Answer(False, wrong=str(error) or type(error).__name__)
    wrong = "; ".join(line.strip() for line in output.stderr_lines[-5:] if line.strip())
    return Answer(good, output.stdout.strip(), wrong)


def do(host: Host, command: str) -> str:
    """Let a node do something, and return what it printed.

    Not a nested operation: pyinfra 3.10 shows those under each other's names (#1370). Raises
    `OperationError` with the node's last words where it fails.
    """
    answer = ask(host, command, shown=True)
    if not answer.good:
        raise OperationError(answer.wrong or "it did not say why")
    return answer.said


def at_once(act: Callable[[_Each], _Done], each: Iterable[_Each]) -> list[_Done]:
    """Do the same with each of these at the same time, and return what came of it, in their order.

    When all have ended, raises what the first one has raised that failed.
    """
    begun = [gevent.spawn(_outcome, act, one) for one in each]
    gevent.joinall(begun, raise_error=True)
    outcomes = [one.get() for one in begun]
    for _, error in outcomes:
        if error is not None:
            raise error
    return [done for done, _ in outcomes]


def _outcome(act: Callable[[_Each], _Done], one: _Each) -> tuple[Any, Exception | None]:
    """Return what a greenlet does, or why it failed: gevent prints what one raises."""
    try:
        return act(one), None
    except (PyinfraError, SelfbalanceError) as error:
        return None, error


def executing() -> bool:
    """Whether the run executes: while it prepares, or with `--dry`, nothing may be done."""
    return ctx_state.get().current_stage is StateStage.Execute


class Step:
    """An act on one host as a command of the controller's operation.

    It never raises: an exception inside of a command fails one host only, one that the generator
    raises after it stops the run. So the generator asks `error` and raises.
    """

    def __init__(self, host: Host, act: Callable[[], object]) -> None:
        self._host = host
        self._act = act
        self.error: PyinfraError | None = None

    def command(self) -> FunctionCommand:
        """Return the command to yield."""
        return FunctionCommand(self._run, (), {})

    def _run(self) -> None:
        try:
            with acting_on(self._host):
                self._act()
        except PyinfraError as error:
            self.error = error


def carried_out(act: Callable[[], object]) -> Generator[FunctionCommand, None, None]:
    """Yield one command that does a whole act, on whatever hosts, and stop the run if it fails.

    Raises what the act raises, from where it stops the run.
    """
    step = Step(ctx_host.get(), act)
    yield step.command()
    if step.error:
        raise step.error
