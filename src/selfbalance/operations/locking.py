"""One run at a time: a lock on the cluster's nodes, with its owner and a heartbeat."""

from __future__ import annotations

import getpass
import os
import shlex
import socket
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import gevent
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from selfbalance.desired import places
from selfbalance.operations.context import ask
from selfbalance.operations.looking import SIGHTS, taking_part
from selfbalance.operations.saying import say

HEARTBEAT_S = 5.0
"""How often a run says that it lives, in seconds."""

STALE_S = 30
"""How old a heartbeat has to be for its lock to be broken, in seconds."""


@dataclass
class Lock:
    """The lock that this run holds on the nodes. `lost` says that another run has broken it.

    `harm` says what a run that does not get it has done.
    """

    run: str
    owner: str
    hosts: Sequence[Host]
    harm: str = "nothing was changed"
    lost: str = field(default="", init=False)

    @classmethod
    def of_cluster(cls, hosts: Sequence[Host], harm: str = "nothing was changed") -> Lock:
        """Return one on all nodes of a cluster, but for those left out because they are down."""
        seen = {each.name for each in SIGHTS.of_all(hosts).seen}
        reachable = [each for each in hosts if each.name in seen | taking_part()]
        return cls(uuid.uuid4().hex[:12], whoami(), reachable, harm)

    @contextmanager
    def held(self) -> Iterator[Lock]:
        """Hold the lock, tell every node so again and again, and free it at the end.

        Raises `OperationError` if another run holds it: it names that run's owner.
        """
        asked: list[Host] = []
        hearts: list[gevent.Greenlet[[Host], None]] = []
        try:
            for host in self.hosts:
                asked.append(host)  # It may have it although its answer got lost.
                self._take(host)
            # One each: a node that does not answer must not stop another one's.
            hearts += [gevent.spawn(self._beat, host) for host in self.hosts]
            yield self
        finally:
            gevent.killall(hearts)
            for host in asked:
                ask(host, _free(self.run))

    def _take(self, host: Host) -> None:
        answer = ask(host, _take(self.run, self.owner, STALE_S))
        if not answer.good or not answer.said:
            raise OperationError(
                f"{host.name} could not be locked: {answer.wrong}; {self.harm}; "
                f"try: ssh {host.name} ls -l {places.LOCK}"
            )
        word, *rest = answer.said.split(None, 2)
        if word == "taken":
            return
        age, owner = int(rest[0]), " ".join(rest[1:]) or "somebody"
        if word == "broke":
            say(f"{host.print_prefix}broke a lock of {owner}: its last heartbeat was {age} s ago")
            return
        raise OperationError(
            f"{owner} holds the lock on {host.name}, heartbeat {age} s ago; {self.harm}; "
            f"if that run is dead, try again {STALE_S} s after its last heartbeat"
        )

    def _beat(self, host: Host) -> None:
        while True:
            gevent.sleep(HEARTBEAT_S)
            answer = ask(host, _beat(self.run))
            if answer.good and answer.said != "beat":
                self.lost = f"the lock on {host.name} is another run's by now: {answer.said}"


_TELL = "printf '%s\\n'"
"""`echo` of some shells makes a new line of the backslash in CORP\\new."""


def _take(run: str, owner: str, stale_s: int) -> str:
    """Take this node's lock: prints "taken", "broke AGE OWNER" or "held AGE OWNER", AGE in seconds.

    Whoever links its own file to the lock's name first has it (link(2)). Two that find it stale
    break it one after the other (flock(1)): the second one finds a fresh one.
    """
    lock, own, folder = places.LOCK, f"{places.LOCK}.{run}", places.LOCK.rpartition("/")[0]
    return (
        f"set -eu; umask 077; mkdir -p {folder}; exec 9<{folder}; flock -w 20 9; "
        f"trap 'rm -f {own}' EXIT; printf '%s\\n' {shlex.quote(f'{run} {owner}')} >{own}; "
        f"if ln {own} {lock} 2>/dev/null; then echo taken; exit 0; fi; "
        f"said=; read -r other said <{lock} || true; "
        f"age=$(($(date +%s) - $(stat -c %Y {lock}))); "
        f'if [ "$age" -le {stale_s} ]; then {_TELL} "held $age $said"; exit 0; fi; '
        f"mv {lock} {own}.stale && rm -f {own}.stale; "
        f"if ln {own} {lock} 2>/dev/null; then word=broke; else word=held age=0; fi; "
        f'{_TELL} "$word $age $said"'
    )


def _beat(run: str) -> str:
    """Say on this node that the run lives: prints "beat", or whose lock it is by now."""
    lock = places.LOCK
    return (
        f"read -r run said <{lock} 2>/dev/null || {{ echo nobody; exit 0; }}; "
        f'if [ "$run" = {run} ]; then touch -c {lock}; echo beat; else {_TELL} "$said"; fi'
    )


def _free(run: str) -> str:
    """Give this node's lock back, if it is still this run's; leave no folder on a bare node."""
    lock, folder = places.LOCK, places.LOCK.rpartition("/")[0]
    return (
        f"[ -d {folder} ] || exit 0; exec 9<{folder}; flock -w 20 9; "
        f'read -r run said <{lock} && [ "$run" = {run} ] && rm -f {lock}; '
        f"rmdir {folder} 2>/dev/null; true"
    )


def whoami() -> str:
    """Return who runs this, and where: "ops@bastion"."""
    return f"{os.environ.get('SUDO_USER') or _user()}@{socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may have no name for its user
        return str(os.getuid())
