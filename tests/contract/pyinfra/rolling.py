"""The shape of our rolling deploys in miniature: it leans on each behaviour that is pinned here."""

from __future__ import annotations

from contextlib import contextmanager

import gevent
from pyinfra import host, inventory
from pyinfra.api import FactBase, FunctionCommand, operation
from pyinfra.api.exceptions import NestedOperationError, OperationError, PyinfraError
from pyinfra.context import ctx_host, ctx_state
from pyinfra.operations import server
from sim import note

UNKNOWN = object()  # a default that no host could have reported


class Value(FactBase):
    """What a host remembers under a key; UNKNOWN when it would not say."""

    def command(self, key: str) -> str:
        return f"get {key}"

    @staticmethod
    def default():
        return UNKNOWN

    def process(self, output):
        return output[0]


def shown(value: object) -> str:
    return "UNKNOWN" if value is UNKNOWN else str(value)


@contextmanager
def acting_on(node):
    """As `ctx_host.use`, and gives the context back also after an exception."""
    previous = ctx_host.get()
    ctx_host.set(node)
    try:
        yield node
    finally:
        ctx_host.set(previous)


def observe_all(key: str) -> dict[str, str]:
    """Ask every host of the inventory at once, each in a greenlet of our own."""

    def look(node) -> object:
        try:
            return node.get_fact(Value, key, _ignore_errors=True)
        except PyinfraError:  # the host could not be connected to
            return UNKNOWN

    greenlets = {node.name: gevent.spawn(look, node) for node in inventory}
    gevent.joinall(greenlets.values())
    return {name: shown(greenlet.get()) for name, greenlet in greenlets.items()}


def active_in_order() -> list:
    """The hosts of this run in the inventory's order: pyinfra keeps them in a set."""
    active = ctx_state.get().activated_hosts
    return [node for node in inventory if node in active]


def is_controller() -> bool:
    """One host carries the one operation of the run: the first that is active."""
    return host.name == active_in_order()[0].name


class Step:
    """A command that never fails, and remembers what went wrong."""

    def __init__(self, node, words: str) -> None:
        self.node = node
        self.words = words
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with acting_on(self.node):
                server.shell(commands=[self.words], _retries=0)
        except NestedOperationError as error:
            self.error = error


@operation(_set_in_op=False)
def roll(*steps: str):
    """Take the active hosts through all steps, one host after the other, and stop at a failure."""
    for node in active_in_order():
        for words in steps:
            step = Step(node, words)
            yield FunctionCommand(step.run, (), {})
            if step.error:
                raise OperationError(f"{words} failed on {node.name}")
        note(f"{node.name} is done, all say {sorted(observe_all('done').values())}")
