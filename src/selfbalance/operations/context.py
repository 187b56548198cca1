"""Acting on another host than the one whose operation it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyinfra import logger
from pyinfra.api import FunctionCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.state import State, StateStage
from pyinfra.context import ctx_host, ctx_state

from selfbalance.operations.saying import say


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
