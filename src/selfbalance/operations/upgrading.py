"""Operation `upgraded`: a component, node by node, each proven well before the next."""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import FrameType

from pyinfra.api import FunctionCommand, operation
from pyinfra.api.exceptions import OperationError, PyinfraError
from pyinfra.api.host import Host
from pyinfra.context import ctx_host

from selfbalance.deployment import Deployment
from selfbalance.errors import JournalError, SelfbalanceError, UpgradeError
from selfbalance.gates import View
from selfbalance.journal import End, Journal, Result
from selfbalance.observed import Stage
from selfbalance.operations.again import command_back, same_command
from selfbalance.operations.context import at_once, carried_out, executing, refusal
from selfbalance.operations.draining import Directors
from selfbalance.operations.gating import Gates, problems_of
from selfbalance.operations.locking import Lock, whoami
from selfbalance.operations.logbook import Logbook
from selfbalance.operations.looking import (
    cluster_hosts,
    deployment_of,
    look_at_all,
    taking_part,
)
from selfbalance.operations.progress import Rows, rows, take_terminal
from selfbalance.operations.saying import say, say_nothing_to_do
from selfbalance.operations.shell_upgrade import Lists
from selfbalance.operations.turning import (
    Options,
    OthersUnwellError,
    Steps,
    StillHealingError,
    in_hand,
    versions_in_words,
    versions_on,
)
from selfbalance.plan import (
    PackageVersions,
    Turn,
    UpgradePlan,
    Wish,
    drain_objection,
    plan_upgrade,
)
from selfbalance.snapshots import own_folder
from selfbalance.status import show

_UNTOUCHED = {"not touched", "current", "as it was"}


class InterruptedByOperatorError(OperationError):
    """An operator asked the run to stop, and it did, where that is safe."""


@operation(_set_in_op=False)
def upgraded(wish: Wish, options: Options) -> Generator[FunctionCommand, None, None]:
    """Bring a component to another version on every node, one node at a time.

    Raises `OperationError` at the first node that is not well afterwards: it is put back where
    that can be done, and no later node is touched.

    + wish: what to upgrade, to which versions
    + options: how careful
    """
    host = ctx_host.get()
    rows_allowed = executing() and take_terminal()
    try:
        work = Upgrading(host, wish, options, rows_allowed)
        plan = work.plan(Lists.FETCHED if executing() else Lists.FETCHED_APART)
    except SelfbalanceError as error:
        yield refusal(str(error))
        return
    if not plan.turns and plan.resumes is None and not options.finalize:
        say_nothing_to_do(
            host, f"{wish.words}: nothing to do, {' '.join(plan.current)} are current"
        )
        return
    for line in _in_words(plan, options):
        say(f"{host.print_prefix}{line}")
    yield from carried_out(work.carry_out)


def _in_words(plan: UpgradePlan, options: Options) -> Iterator[str]:
    if plan.resumes:
        yield f"resumes the upgrade of {plan.resumes.component} that {plan.resumes.by} began"
    for turn in plan.turns:
        yield f"{turn.node}: {turn.words}"
    if plan.current:
        yield f"current: {' '.join(plan.current)}"
    if options.finalize:
        yield "then, on one node: finalize, from which there is no way back"


class Upgrading:
    """A rolling upgrade of one cluster."""

    def __init__(self, host: Host, wish: Wish, options: Options, rows_allowed: bool) -> None:
        """Prepare one; nothing is contacted. Raises `UpgradeError` for what cannot be upgraded."""
        self.ready: Deployment = deployment_of(host)
        self.hosts = cluster_hosts(host)
        self.wish, self.options = wish, options
        component = self.ready.plugins.components[wish.component]
        if component.upgrade is None:
            raise UpgradeError(f"component '{wish.component}' has no upgrade")
        self.component, self.way = component, component.upgrade
        self.directors = Directors(host)
        self.gates = Gates(self.ready, self.hosts, options.patience_s)
        self.rows_allowed = rows_allowed
        self.interrupted = False

    # --- the plan

    def plan(self, lists: Lists) -> UpgradePlan:
        """Look at every node and plan. Raises `UpgradeError`."""
        state = look_at_all(self.hosts)
        view = View(self.ready.cluster, self.ready.desired, state)
        for node in state.unobserved:
            if node.name in taking_part():
                raise UpgradeError(
                    f"{node.name} could not be observed: {node.reason}; nothing was changed; mend "
                    "it, or leave it out with --limit"
                )
        absent = [each.name for each in self.hosts if each.name not in taking_part()]
        if self.options.finalize and absent:
            raise UpgradeError(
                f"{' and '.join(absent)} would be shut out by finalize, which cannot be undone; "
                "nothing was changed; leave --limit out, or finalize=true"
            )
        for seen in state.seen:
            if "upgrade" in seen.unknown:
                raise UpgradeError(
                    f"{seen.name}: its mark of an upgrade cannot be read "
                    f"({seen.unknown['upgrade']}); nothing was changed"
                )
        versions = self._versions(lists) if self.wish.versions else {}
        return plan_upgrade(view, self.wish, self.way, versions, taking_part())

    def _versions(self, lists: Lists) -> Mapping[str, Mapping[str, PackageVersions]]:
        """Ask every node that takes part at once what it has, and what it could have."""
        hosts = [each for each in self.hosts if each.name in taking_part()]
        found = at_once(partial(versions_on, packages=self.wish.versions, lists=lists), hosts)
        return {host.name: each for host, each in zip(hosts, found, strict=True)}

    # --- the run

    def carry_out(self) -> None:
        """Take every node through its turn. Raises `OperationError` where it has to stop."""
        lock = Lock.of_cluster(self.hosts)
        with self._interruptible(), lock.held() as self.lock:
            look_at_all(self.hosts)  # Another run may have ended since.
            plan = self.plan(Lists.AS_THEY_ARE)
            with self._journal(plan) as journal:
                self.book = Logbook(journal)
                say(f"journal: {journal.path}; as a page: selfbalance report {journal.path}")
                with rows([turn.node for turn in plan.turns], self.rows_allowed) as shown:
                    self.steps = self._steps(shown)
                    self._go(plan)

    def _steps(self, shown: Rows | None) -> Steps:
        return Steps(
            self.lock.run,
            self.wish.component,
            self.ready,
            self.hosts,
            self.component,
            self.way,
            self.options,
            self.directors,
            self.gates,
            self.book,
            shown,
        )

    def _go(self, plan: UpgradePlan) -> None:
        states = {turn.node: "not touched" for turn in plan.turns}
        states.update(dict.fromkeys(plan.current, "current"))
        try:
            self._preflight(plan)
            self._prepare(plan)
            for turn in plan.turns:
                if turn.resumed is None:
                    self.steps.mark(turn, Stage.PLANNED)
            for turn in plan.turns:
                self._safe_point()
                self._take(turn, states)
            self.steps.clear_marks()
            self._finalize(plan)
        except InterruptedByOperatorError as stop:
            self._end("interrupted", str(stop), states, [same_command()])
            raise
        except PyinfraError as error:
            following = self._following(plan, states)
            self._end("failed", str(error), states, [command for _, command in following])
            told = "; ".join(f"{name}: {state}" for name, state in states.items())
            ways = "".join(f"; {word}: {command}" for word, command in following)
            raise OperationError(f"{error}; nodes: {told}{ways}") from None
        self._end("done", f"{self.wish.words}: done on every node", states, [])

    def _finalize(self, plan: UpgradePlan) -> None:
        """Do what cannot be undone, if the operator asked; else say that it is left to do."""
        if self.options.finalize:
            self.steps.finalize(self.ready.cluster.nodes[0].name)
        elif self.way.finalize and plan.turns:
            say(
                f"{self.wish.component}: the way back is open as long as nobody says "
                f"--data component={self.wish.component} --data finalize=true"
            )

    def _following(self, plan: UpgradePlan, states: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the command that continues and, where versions were changed, the one back."""
        touched = set(states.values()) - _UNTOUCHED
        before = next((turn.before for turn in plan.turns if turn.before and touched), None)
        back = [("back", command_back(before, self.way.named))] if before else []
        return [("continue", same_command()), *back]

    def _preflight(self, plan: UpgradePlan) -> None:
        """Every gate has to be open, but for a node on which an upgrade was interrupted."""
        resumed = set[str]()
        for turn in plan.turns:
            if in_hand(turn):
                resumed.add(turn.node)
                if turn.resumed and turn.resumed.drained:
                    # Some directors may know of it and some not: tables would differ.
                    self.steps.drain(turn)
        # A node in hand may lack what was written meanwhile: it is healed when it is back.
        wait_s = 0.0 if resumed else self.options.wait_s
        view, verdicts = self.gates.healed(resumed, wait_s, say)
        left_out = {node.name for node in self.ready.cluster.nodes} - taking_part()
        wrong = [
            problem
            for problem in problems_of(verdicts)
            if problem.node not in resumed
            and problem.node not in left_out
            and not (resumed and problem.passes)
        ]
        self.book.look(view, wrong, None, 1, 1)
        if wrong:
            show(view, verdicts)
            only_time = all(problem.passes for problem in wrong)
            hint = "; wait for that by --data wait=SECONDS" if only_time else ""
            raise OperationError(
                f"the cluster is not well before: {wrong[0].what}; nothing was touched{hint}"
            )
        if not resumed:
            self._refuse_undrainable(plan, view)

    def _prepare(self, plan: UpgradePlan) -> None:
        """Do what harms nobody on every node at once, before the first turn.

        A node in hand was prepared by the run that began with it.
        """
        at_once(self.steps.prepare, (turn for turn in plan.turns if not in_hand(turn)))
        if plan.turns and self.steps.agree():
            in_hands = {turn.node for turn in plan.turns if in_hand(turn)}
            _, verdicts = self.gates.ask(in_hands, None, but_passing=True)
            wrong = [p for p in problems_of(verdicts) if p.node not in in_hands and not p.passes]
            if wrong:
                raise OperationError(
                    f"{wrong[0].what}, after all nodes began to agree; no package was changed"
                )

    def _refuse_undrainable(self, plan: UpgradePlan, view: View) -> None:
        """Say before the first turn what would stop a later one: whom nobody could stand in for."""
        for turn in plan.turns:
            if turn.node not in view.drained() and (
                objection := drain_objection(view, turn.node, taking_part())
            ):
                raise OperationError(f"{turn.node}: {objection}; nothing was touched")

    def _take(self, turn: Turn, states: dict[str, str]) -> None:
        """Take one node through its turn, or put it back."""
        acted = in_hand(turn)
        states[turn.node] = "in progress"
        drained = self.steps.may_drain(turn)
        try:
            self.steps.mark(turn, Stage.IN_PROGRESS, drained)
            self.steps.step_aside(turn, drained)
            if not self.steps.has_happened(turn):
                self.steps.wait_for_sessions(turn)
            if not acted and (self.interrupted or self._broken()):
                self.steps.undrain(turn, drained)
                self.steps.mark(turn, Stage.PLANNED)
                states[turn.node] = "not touched"
                self._safe_point()
            if not self.steps.has_happened(turn):
                self.steps.stop(turn)
            acted = True
            self.steps.act(turn)
            self.steps.start(turn)
            self.steps.verify(turn.node)
            self.steps.undrain(turn, drained)
        except InterruptedByOperatorError:
            raise
        except StillHealingError as error:
            states[turn.node] = "in progress" + (", drained" if drained else "")
            raise OperationError(f"{turn.node}: {error}") from None
        except PyinfraError as error:
            self._fail(turn, drained, acted, states, error)
        try:
            self.steps.soak(turn.node)
        except OthersUnwellError as error:
            self.steps.mark(turn, Stage.DONE)
            states[turn.node] = "done, and well"
            raise OperationError(str(error)) from None
        except PyinfraError as error:
            self._fail(turn, False, acted, states, error)
        self.steps.mark(turn, Stage.DONE)
        states[turn.node] = "done"

    def _fail(
        self, turn: Turn, drained: bool, acted: bool, states: dict[str, str], error: PyinfraError
    ) -> None:
        """Put the node back if that can be done, and say how it is. Always raises."""
        states[turn.node] = "in progress" + (", drained" if drained else "")
        if not acted:
            self._leave_as_it_was(turn, drained, states)
        elif self.options.rollback and turn.before:
            try:
                self.steps.roll_back(turn, drained)
            except PyinfraError as second:
                states[turn.node] += f"; it could not be put back: {second}"
            else:
                states[turn.node] = f"put back to {versions_in_words(turn.before)}, and well"
                self._forget(turn, states)
        raise OperationError(f"{turn.node}: {error}") from None

    def _forget(self, turn: Turn, states: dict[str, str]) -> None:
        """Clear the marks; one that stays must not hide why the upgrade has ended."""
        try:
            self.steps.clear_marks()
        except PyinfraError as error:
            states[turn.node] += f"; its upgrade has not ended: {error}"

    def _leave_as_it_was(self, turn: Turn, drained: bool, states: dict[str, str]) -> None:
        """Give a node its clients back that was only prepared; where all are so, nothing began."""
        try:
            self.steps.start(turn)
            self.steps.undrain(turn, drained)
            if "done" in states.values() or turn.resumed:
                self.steps.mark(turn, Stage.PLANNED)
            else:
                self.steps.clear_marks()
        except PyinfraError as second:
            states[turn.node] += f"; it could not be left as it was: {second}"
        else:
            states[turn.node] = "as it was"

    def _journal(self, plan: UpgradePlan) -> Journal:
        home = self.ready.home
        try:
            folder = own_folder(home) / "journal"
        except OSError as error:
            raise JournalError(
                f"{home}: the journal cannot be written: {error.strerror}; nothing was touched"
            ) from None
        return Journal.begin(
            folder,
            cluster=self.ready.cluster.name,
            component=self.wish.component,
            what=self.wish.words,
            command=["pyinfra", *sys.argv[1:]],
            controller=whoami(),
            nodes=[node.name for node in self.ready.cluster.nodes],
            order=[turn.node for turn in plan.turns],
            target={turn.node: turn.words for turn in plan.turns},
            resumed=plan.resumes is not None,
            soak_s=self.options.soak_s,
            drain_timeout_s=self.options.drain_timeout_s,
        )

    def _end(
        self, result: Result, said: str, states: Mapping[str, str], following: list[str]
    ) -> None:
        self.book.write(End(result, said, dict(states), following))

    # --- interruptions

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Let Ctrl-C ask for a stop at the next safe point: pyinfra's own would exit with 0."""

        def ask(_signal: int, _frame: FrameType | None) -> None:
            self.interrupted = True
            say("stopping at the next safe point: the node in hand is finished or put back first")

        before = signal.signal(signal.SIGINT, ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _broken(self) -> str:
        """Say why no other node may be begun: the lock is another run's, or nothing is noted."""
        return self.lock.lost or self.book.lost

    def _safe_point(self) -> None:
        if broken := self._broken():
            raise OperationError(f"stopped: {broken}")
        if self.interrupted:
            raise InterruptedByOperatorError(
                f"stopped as you asked, no node in hand; go on with: {same_command()}"
            )
