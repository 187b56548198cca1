"""Operation `torn_down`: a node leaves the cluster, and is what it was before it came."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from pyinfra.api import FunctionCommand, operation
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host
from pyinfra.context import ctx_host

from selfbalance.gates import View
from selfbalance.observed import ClusterState, NodeState
from selfbalance.operations import shell_teardown, shell_volumes
from selfbalance.operations.again import same_command
from selfbalance.operations.context import ask, carried_out, do, refusal
from selfbalance.operations.draining import Directors
from selfbalance.operations.gating import Gates, left_out, problems_of
from selfbalance.operations.handing_over import give_up, see_taken
from selfbalance.operations.locking import Lock, whoami
from selfbalance.operations.looking import SIGHTS, look_at_all, taking_part
from selfbalance.operations.saying import say, say_nothing_to_do
from selfbalance.plan import (
    going_copies,
    is_bare,
    mastered,
    pool_teller,
    teardown_objection,
)
from selfbalance.plugins import Verdict
from selfbalance.status import show


@operation(_set_in_op=False)
def torn_down(
    node: str, timeout_s: float = 300.0, patience_s: float = 30.0
) -> Generator[FunctionCommand, None, None]:
    """Drain a node, hand over, wait until it serves nobody, then take away all that is ours.

    Raises `OperationError` where it has to stop: the node stays drained, and the same command goes
    on.

    + node: name of the node
    + timeout_s: how long its sessions may last, in seconds
    + patience_s: how long the gates are asked again before they count as shut, in seconds
    """
    host = ctx_host.get()
    work = TearingDown(host, node, timeout_s, patience_s)
    view, verdicts = work.judged(SIGHTS.of_all(work.hosts))
    if objection := teardown_objection(view, node, taking_part(), verdicts):
        yield refusal(f"{objection}; nothing was changed")
        return
    if work.is_done(view):
        say_nothing_to_do(host, f"{node} has nothing of this cluster; {_next(node)}")
        return
    say(f"{host.print_prefix}{node}: sent no new clients; wait until it serves nobody; then all")
    say(f"{host.print_prefix}that was installed is taken away, and what was there before put back")
    yield from carried_out(work.carry_out)


class TearingDown:
    """The teardown of one node."""

    def __init__(self, host: Host, node: str, timeout_s: float, patience_s: float) -> None:
        """Prepare it; nothing is contacted."""
        self.directors = Directors(host)
        self.ready, self.hosts = self.directors.ready, self.directors.hosts
        self.node, self.timeout_s, self.patience_s = node, timeout_s, patience_s
        self.host = next(each for each in self.hosts if each.name == node)
        self.want = self.ready.desired[node]

    def judged(self, state: ClusterState) -> tuple[View, dict[str, Verdict]]:
        """Return a look beside what should be there, and what the gates say of it."""
        return Gates(self.ready, self.hosts).judged(state)

    def is_done(self, view: View) -> bool:
        """Whether a look finds nothing of ours on the node, nor a word of what was there before."""
        seen = view.state[self.node]
        if not isinstance(seen, NodeState) or not is_bare(self.want, seen):
            return False
        known = ask(self.host, shell_teardown.recorded())
        return known.good and not known.said

    def carry_out(self) -> None:
        """Do it. Nobody is kept from other changes while sessions are waited for."""
        with Lock.of_cluster(self.hosts).held():
            view = self._agreed()
            # One whose keepalived was taken away by a run that was killed directs nothing.
            seen = view.state[self.node]
            if isinstance(seen, NodeState) and not seen.keepalived_active:
                self.directors.active = [n for n in self.directors.active if n != self.node]
            self.directors.stop_clients(self.node, f"{whoami()} (teardown)")
            self._hand_over()
        try:
            self.directors.wait_for_sessions(self.node, self.timeout_s)
        except OperationError as error:
            raise OperationError(
                f"{error}; nothing was taken away; go on with: {same_command()}"
            ) from None
        with Lock.of_cluster(self.hosts).held():
            view = self._agreed()
            if not self.directors.is_done(view, self.node):
                raise OperationError(
                    f"{self.node} gets clients again: somebody has put it back meanwhile; nothing "
                    f"was taken away; go on with: {same_command()}"
                )
            self._hand_over()
            self._leave_volumes(view)
            self._take_away()
            self._prove()
        say(f"{self.host.print_prefix}{self.node} is as it was before it came; {_next(self.node)}")

    def _agreed(self) -> View:
        """Look again: another run may have ended since. Raises `OperationError` if it may not."""
        view, verdicts = self.judged(look_at_all(self.hosts))
        if objection := teardown_objection(view, self.node, taking_part(), verdicts):
            raise OperationError(f"{objection}; nothing was taken away from {self.node}")
        return view

    def _hand_over(self) -> None:
        """Let another node be MASTER of all that this one is."""
        gates = Gates(self.ready, self.hosts, self.patience_s)
        if given := mastered(self.directors.view(), self.node):
            give_up(gates, self.node)
            look_at_all(self.hosts)
            see_taken(gates, self.node, given)

    def _leave_volumes(self, view: View) -> None:
        """Unmount them, give up the node's copies, and leave gluster's pool."""
        teller = pool_teller(view, self.node)
        if not self.want.volumes or teller is None:
            return
        units = [volume.mount_unit for volume in self.want.volumes]
        self._step("unmount its volumes", shell_volumes.unmount(units))
        going = going_copies(view, self.node)
        for volume in self.want.volumes:
            if volume.name in going:
                brick, copies = going[volume.name]
                what = f"take the copy at {brick} out of volume {volume.name}"
                self._step(what, shell_volumes.shrink(volume, brick, copies), on=teller.name)
        address = self.want.pool[self.node]
        if any(address in peer.names for peer in teller.gluster_peers):
            what = f"take {address} out of gluster's pool"
            self._step(what, shell_volumes.detach(address), on=teller.name)
        bricks = [volume.brick for volume in self.want.volumes if volume.brick]
        self._step("end gluster, delete its copies", shell_volumes.leave(bricks))

    def _take_away(self) -> None:
        """Take away what is ours, from what balances to what is only written down."""
        self._step("stop what runs for the cluster", shell_teardown.quiet(self.want))
        ask_packages = shell_teardown.to_purge(self.want.packages)
        said = self._step("find the packages that came", ask_packages)
        for word, *packages in map(str.split, said):
            if word == "purge":
                self._step(f"remove {' '.join(packages)}", shell_teardown.purge(packages))
        self._step("put back what was there before", shell_teardown.clear(self.want))

    def _step(self, what: str, command: str, on: str | None = None) -> list[str]:
        """Do a step, on the node or on another, and pass on what it says. Raises `OperationError`.

        What was seen of the node is no longer true then.
        """
        host = next(each for each in self.hosts if each.name == (on or self.node))
        say(f"{host.print_prefix}{what}")
        try:
            said = do(host, command).splitlines()
        except OperationError as error:
            raise OperationError(
                f"{self.node}: {what}: {error}; it is drained, and serves nobody; "
                f"go on with: {same_command()}"
            ) from None
        finally:
            SIGHTS.forget(host)
        for line in said:
            if not line.startswith("purge "):
                say(f"{host.print_prefix}{line}")
        return said

    def _prove(self) -> None:
        """See that the others are well: what is wrong with the node itself is no news.

        All are looked at anew: what one of them saw before knows of the node's copy.
        """
        _, verdicts = self.judged(look_at_all(self.hosts))
        known = left_out(verdicts) | self._its_copies(verdicts)
        gates = Gates(self.ready, self.hosts, self.patience_s, known)
        view, verdicts = gates.ask({self.node}, None)
        wrong = [
            each
            for each in problems_of(verdicts)
            if each.node != self.node and each.what not in gates.known
        ]
        if wrong:
            show(view, verdicts)
            raise OperationError(
                f"{self.node} is as it was before it came, but: {wrong[0].what}; look at the "
                f"cluster: status.py; then {_next(self.node)}"
            )

    def _its_copies(self, verdicts: Mapping[str, Verdict]) -> frozenset[str]:
        """Return what is said of a volume because the description still gives the node a copy."""
        pool, volumes = self.want.pool, self.want.volumes
        own = [f"{pool[self.node]}:{each.brick}" for each in volumes if each.brick]
        return frozenset(
            problem.what
            for problem in problems_of(verdicts)
            if any(brick in problem.what for brick in own)
        )


def _next(node: str) -> str:
    return (
        f"next: take {node} out of the description and run cluster.py; until then it stays drained"
    )
