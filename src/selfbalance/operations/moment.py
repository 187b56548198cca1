"""Doing something on several nodes in one moment, whatever their clocks say."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from selfbalance.operations import shell_moment
from selfbalance.operations.context import ask, at_once, do
from selfbalance.operations.saying import say

AHEAD_S = 3.0
"""How far ahead the moment is when nodes are told of it, in seconds."""

UNSURE_S = 0.15
"""How unsure the time on a node may be, in seconds: half of what its answer took."""

TRIES = 5

Commands = Mapping[Host, Callable[[str], str]]
"""What each node does, made of the words that let it wait for the moment."""

WITHIN_S = 20
"""How long what nodes do in that moment may take, in seconds."""


class NobodyActedError(OperationError):
    """Not everybody could be told of the moment, so it was cancelled."""


def in_one_moment(commands: Commands) -> None:
    """Let nodes do what these commands do: each is made of the words that wait for the moment.

    Their clocks are compared with ours first, so they need not be right. Raises
    `NobodyActedError` where one cannot be told in time, and `OperationError` where one fails: then
    others have done it.
    """
    hosts = list(commands)
    try:
        at = _agree(hosts, commands)
    except OperationError as error:
        at_once(partial(ask, command=shell_moment.cancel()), hosts)
        raise NobodyActedError(f"{error}; nodes were to change at the same second") from None
    time.sleep(max(0.0, at - time.time()))
    at_once(_see_ended, hosts)


def _agree(hosts: list[Host], commands: Commands) -> float:
    """Tell all nodes of a moment; returns when it is, by our own clock."""
    ahead = dict(zip(hosts, at_once(_ahead_s, hosts), strict=True))
    apart_ms = 1000 * (max(ahead.values()) - min(ahead.values()))
    say(f"clocks of {' '.join(host.name for host in hosts)} differ by {apart_ms:.0f} ms at most")
    at = time.time() + AHEAD_S
    at_once(partial(_tell, commands=commands, ahead=ahead, at=at), hosts)
    if time.time() > at - UNSURE_S:
        raise OperationError("not all nodes could be told in time")
    return at


def _ahead_s(host: Host) -> float:
    """Return how far a node's clock is ahead of ours, in seconds, by the quickest of some answers.

    Raises `OperationError` where no answer was quick enough to tell.
    """
    answers = [_compared(host) for _ in range(TRIES)]
    unsure_s, ahead_s = min(answers)
    if unsure_s > UNSURE_S:
        raise OperationError(
            f"{host.name}: its answer took {2 * unsure_s:.1f} s, too long to compare clocks; "
            "nothing was changed"
        )
    return ahead_s


def _compared(host: Host) -> tuple[float, float]:
    began = time.time()
    said = do(host, shell_moment.clock())
    ended = time.time()
    return (ended - began) / 2, int(said) / 1e9 - (began + ended) / 2


def _tell(
    host: Host,
    commands: Mapping[Host, Callable[[str], str]],
    ahead: Mapping[Host, float],
    at: float,
) -> None:
    moment = shell_moment.wait_until(int((at + ahead[host]) * 1e9))
    do(host, shell_moment.begin(commands[host](moment)))


def _see_ended(host: Host) -> None:
    try:
        do(host, shell_moment.ended(WITHIN_S))
    except OperationError as error:
        raise OperationError(f"{host.name}: {error}") from None
