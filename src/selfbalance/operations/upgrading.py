"""Operation `upgraded`: a component, node by node, each proven well before the next."""

from __future__ import annotations

import signal
import sys
import time
import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from selfbalance.model import VrrpInstance
from selfbalance.observed import NodeState, Stage, UpgradeMark
from selfbalance.operations import shell, shell_upgrade
from selfbalance.operations.again import command_back, same_command
from selfbalance.operations.connecting import LOST, connect
from selfbalance.operations.context import ask, at_once, carried_out, do, executing, refusal
from selfbalance.operations.draining import Directors, whoami
from selfbalance.operations.gating import Gates, problems_of
from selfbalance.operations.handing_over import give_up, see_taken
from selfbalance.operations.keeping import keep_here
from selfbalance.operations.locking import Lock
from selfbalance.operations.logbook import Logbook
from selfbalance.operations.looking import (
    SIGHTS,
    cluster_hosts,
    deployment_of,
    look_at_all,
    taking_part,
)
from selfbalance.operations.progress import Rows, rows, take_terminal
from selfbalance.operations.saying import say, say_nothing_to_do
from selfbalance.operations.shell_upgrade import Lists
from selfbalance.plan import (
    PackageVersions,
    Turn,
    UpgradePlan,
    Wish,
    drain_objection,
    handover_objection,
    mastered,
    plan_upgrade,
    read_versions,
)
from selfbalance.plugins import ControllerStore, Problem, SnapshotStore
from selfbalance.snapshots import own_folder
from selfbalance.status import show

BEFORE = "before-upgrade"
"""What a snapshot is called that is taken before a node's turn."""

SAMPLES = 3
"""How many good looks in a row a node's turn ends with, at least."""

PACE_S = 2.0
"""How far the beginnings of these looks are apart at most, in seconds, if nodes answer in time."""


@dataclass(frozen=True)
class Options:
    """How careful an upgrade is: times in seconds.

    `soak_s` is how long the cluster has to be well after each node, `drain_timeout_s` how long
    sessions of a node are waited for, `patience_s` how long a gate may stay shut, `reboot_s` how
    long a reboot may take. `rollback` says whether a node that fails is put back.
    """

    soak_s: float = 10.0
    drain_timeout_s: float = 300.0
    patience_s: float = 60.0
    reboot_s: float = 300.0
    rollback: bool = True


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
    if not plan.turns and plan.resumes is None:
        say_nothing_to_do(
            host, f"{wish.words}: nothing to do, {' '.join(plan.current)} are current"
        )
        return
    for line in _in_words(plan):
        say(f"{host.print_prefix}{line}")
    yield from carried_out(work.carry_out)


def _in_words(plan: UpgradePlan) -> Iterator[str]:
    if plan.resumes:
        yield f"resumes the upgrade of {plan.resumes.component} that {plan.resumes.by} began"
    for turn in plan.turns:
        yield f"{turn.node}: {turn.words}"
    if plan.current:
        yield f"current: {' '.join(plan.current)}"


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
        self.run = uuid.uuid4().hex[:12]
        self.rows: Rows | None = None
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
        found = at_once(partial(self._versions_of, lists=lists), hosts)
        return {host.name: each for host, each in zip(hosts, found, strict=True)}

    def _versions_of(self, host: Host, lists: Lists) -> Mapping[str, PackageVersions]:
        answer = ask(host, shell_upgrade.ask_versions(self.wish.versions, lists))
        try:
            if not answer.good:
                raise ValueError(answer.wrong or "the package lists could not be fetched")
            return read_versions(answer.said.splitlines())
        except ValueError as error:
            raise UpgradeError(
                f"{host.name}: which versions there are is not known: {error}; nothing was changed"
            ) from None

    # --- the run

    def carry_out(self) -> None:
        """Take every node through its turn. Raises `OperationError` where it has to stop."""
        lock = Lock(self.run, whoami(), self._reachable())
        with self._interruptible(), lock.held() as self.lock:
            look_at_all(self.hosts)  # Another run may have ended since.
            plan = self.plan(Lists.AS_THEY_ARE)
            with self._journal(plan) as journal:
                self.book = Logbook(journal)
                say(f"journal: {journal.path}; as a page: selfbalance report {journal.path}")
                with rows([turn.node for turn in plan.turns], self.rows_allowed) as self.rows:
                    self._go(plan)

    def _reachable(self) -> list[Host]:
        """Return the nodes to lock: one that is left out because it is down cannot be."""
        seen = {each.name for each in SIGHTS.of_all(self.hosts).seen}
        return [each for each in self.hosts if each.name in seen | taking_part()]

    def _go(self, plan: UpgradePlan) -> None:
        states = {turn.node: "not touched" for turn in plan.turns}
        states.update(dict.fromkeys(plan.current, "current"))
        try:
            self._preflight(plan)
            self._prepare(plan)
            for turn in plan.turns:
                if turn.resumed is None:
                    self._mark(turn, Stage.PLANNED)
            for turn in plan.turns:
                self._safe_point()
                self._take(turn, states)
            self._clear_marks()
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
            if _in_hand(turn):
                resumed.add(turn.node)
                if turn.resumed and turn.resumed.drained:
                    self._drain(turn)  # Some directors may know and some not: tables would differ.
        view, verdicts = self.gates.ask(resumed, None)
        left_out = {node.name for node in self.ready.cluster.nodes} - taking_part()
        wrong = [
            problem
            for problem in problems_of(verdicts)
            if problem.node not in resumed and problem.node not in left_out
        ]
        self.book.look(view, wrong, None, 1, 1)
        if wrong:
            show(view, verdicts)
            raise OperationError(
                f"the cluster is not well before: {wrong[0].what}; nothing was touched"
            )
        if not resumed:
            self._refuse_undrainable(plan, view)

    def _prepare(self, plan: UpgradePlan) -> None:
        """Do what harms nobody on every node at once, before the first turn.

        A node in hand was prepared by the run that began with it.
        """
        at_once(self._prepare_one, (turn for turn in plan.turns if not _in_hand(turn)))

    def _prepare_one(self, turn: Turn) -> None:
        """Keep what leads back, and fetch what is to be installed."""
        try:
            with self._step(turn.node, "prepare"):
                self._keep_snapshot(turn)
                if turn.target:
                    self._do(
                        turn.node, "keep its packages", shell_upgrade.keep_packages(turn.before)
                    )
                    self._do(turn.node, f"fetch {turn.words}", shell_upgrade.fetch(turn.target))
        except (PyinfraError, SelfbalanceError) as error:
            raise OperationError(f"{turn.node}: {error}; no node was touched") from None

    def _refuse_undrainable(self, plan: UpgradePlan, view: View) -> None:
        """Say before the first turn what would stop a later one: whom nobody could stand in for."""
        for turn in plan.turns:
            if turn.node not in view.drained() and (
                objection := drain_objection(view, turn.node, taking_part())
            ):
                raise OperationError(f"{turn.node}: {objection}; nothing was touched")

    def _take(self, turn: Turn, states: dict[str, str]) -> None:
        """Take one node through its turn, or put it back."""
        acted = _in_hand(turn)
        states[turn.node] = "in progress"
        drained = self._may_drain(turn)
        try:
            self._mark(turn, Stage.IN_PROGRESS, drained)
            self._step_aside(turn, drained)
            if not self._has_happened(turn):
                self._wait_for_sessions(turn)
            if not acted and (self.interrupted or self._broken()):
                self._undrain(turn, drained)
                self._mark(turn, Stage.PLANNED)
                states[turn.node] = "not touched"
                self._safe_point()
            acted = True
            self._act(turn)
            self._verify(turn.node)
            self._undrain(turn, drained)
        except InterruptedByOperatorError:
            raise
        except PyinfraError as error:
            self._fail(turn, drained, acted, states, error)
        try:
            self._soak(turn.node)
        except _OthersUnwellError as error:
            self._mark(turn, Stage.DONE)
            states[turn.node] = "done, and well"
            raise OperationError(str(error)) from None
        except PyinfraError as error:
            self._fail(turn, False, acted, states, error)
        self._mark(turn, Stage.DONE)
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
                self._roll_back(turn, drained)
            except PyinfraError as second:
                states[turn.node] += f"; it could not be put back: {second}"
            else:
                states[turn.node] = f"put back to {_versions_in_words(turn.before)}, and well"
                self._forget(turn, states)
        raise OperationError(f"{turn.node}: {error}") from None

    def _forget(self, turn: Turn, states: dict[str, str]) -> None:
        """Clear the marks; one that stays must not hide why the upgrade has ended."""
        try:
            self._clear_marks()
        except PyinfraError as error:
            states[turn.node] += f"; its upgrade has not ended: {error}"

    def _leave_as_it_was(self, turn: Turn, drained: bool, states: dict[str, str]) -> None:
        """Give a node its clients back that was only prepared; where all are so, nothing began."""
        try:
            self._undrain(turn, drained)
            if "done" in states.values() or turn.resumed:
                self._mark(turn, Stage.PLANNED)
            else:
                self._clear_marks()
        except PyinfraError as second:
            states[turn.node] += f"; it could not be left as it was: {second}"
        else:
            states[turn.node] = "as it was"

    # --- steps

    def _step_aside(self, turn: Turn, drained: bool) -> None:
        """Hand over, if the node is MASTER, and get no new clients: one look proves both."""
        given = self._hand_over(turn)
        if drained:
            self._drain(turn)
        elif given:
            look_at_all(self.hosts)
        if given:
            see_taken(self.gates, turn.node, given)
            self.book.sight(self.directors.view())

    def _hand_over(self, turn: Turn) -> tuple[VrrpInstance, ...]:
        """Let the node give up what it is MASTER of, and return that."""
        view, verdicts = self.gates.judged(SIGHTS.of_all(self.hosts))
        given = mastered(view, turn.node)
        if given:
            with self._step(turn.node, "hand-over"):
                others = [p for p in problems_of(verdicts) if p.node != turn.node]
                if objection := handover_objection(view, turn.node, taking_part(), others):
                    raise OperationError(objection)
                give_up(self.gates, turn.node)
        return given

    def _may_drain(self, turn: Turn) -> bool:
        """Whether the drain is this upgrade's, and so its end: an operator's own one stays."""
        told = self.directors.view().drained().get(turn.node)
        ours = turn.resumed is not None and turn.resumed.drained
        if told and not ours:
            say(f"{self._prefix(turn.node)}stays drained by {told[0].drained[turn.node].by}")
        return ours or not told

    def _drain(self, turn: Turn) -> None:
        with self._step(turn.node, "drain"):
            if objection := drain_objection(self.directors.view(), turn.node, taking_part()):
                raise OperationError(objection)
            self.directors.stop_clients(turn.node, f"{whoami()} (upgrade)")

    def _wait_for_sessions(self, turn: Turn) -> None:
        if not self.way.interrupts:
            return
        with self._step(turn.node, "wait") as said:
            try:
                self.directors.wait_for_sessions(turn.node, self.options.drain_timeout_s)
            except OperationError as error:
                said.append(f"{error}: going on")
                say(f"{self._prefix(turn.node)}{error}: going on")

    def _keep_snapshot(self, turn: Turn) -> None:
        store = self.ready.plugins.snapshot_stores[self.ready.cluster.snapshots]
        host = self._host(turn.node)
        if isinstance(store, ControllerStore):
            keep_here(self.ready, store, host, BEFORE)
        elif isinstance(store, SnapshotStore) and self.ready.cluster.node(turn.node).director:
            self._do(turn.node, "Keep a snapshot", shell.snapshot(store, BEFORE))

    def _act(self, turn: Turn) -> None:
        if self._has_happened(turn):
            return
        with self._step(turn.node, "act"):
            if self.way.reboots:
                self._reboot(turn)
            else:
                self._do(turn.node, turn.words, shell_upgrade.install(turn.target))

    def _has_happened(self, turn: Turn) -> bool:
        """Whether a run that was interrupted has acted on the node already."""
        if not _in_hand(turn):
            return False
        if self.way.reboots:
            seen = SIGHTS.of(self._host(turn.node))
            return isinstance(seen, NodeState) and seen.boot_id != turn.boot
        there = self._versions_of(self._host(turn.node), Lists.AS_THEY_ARE)
        return all(
            there.get(name, PackageVersions()).installed == version
            for name, version in turn.target.items()
        )

    def _reboot(self, turn: Turn) -> None:
        host = self._host(turn.node)
        self._do(turn.node, "Reboot", shell_upgrade.reboot())
        deadline = time.monotonic() + self.options.reboot_s
        while True:
            time.sleep(1)
            if _booted(host) not in (None, turn.boot):
                left_s = max(1, int(deadline - time.monotonic()))
                self._do(turn.node, "Wait for the end of its boot", shell_upgrade.booted(left_s))
                return
            if time.monotonic() >= deadline:
                raise OperationError(
                    f"did not come back within {self.options.reboot_s:.0f} s of its reboot; "
                    "look at its console"
                )

    def _verify(self, node: str) -> None:
        """Wait until nothing is wrong with the node itself, nor with the cluster as a whole."""
        others = {each.name for each in self.ready.cluster.nodes} - {node}
        with self._step(node, "verify"):
            view, verdicts = self.gates.ask(others, None)
            wrong = [p for p in problems_of(verdicts) if p.node not in others]
            self.book.look(view, wrong, node, 1, 1)
            if wrong:
                raise OperationError(wrong[0].what)

    def _undrain(self, turn: Turn, drained: bool) -> None:
        if drained:
            with self._step(turn.node, "undrain"):
                self.directors.send_clients(turn.node)  # The soak sees whether it gets weight.

    def _soak(self, node: str) -> None:
        """Look until the cluster was well so often in a row, and for so long."""
        deadline = time.monotonic() + self.options.soak_s + self.options.patience_s
        pace_s = min(self.options.soak_s / (SAMPLES - 1), PACE_S)
        good, since = 0, 0.0
        left_out = {each.name for each in self.ready.cluster.nodes} - taking_part()
        with self._step(node, "soak"):
            while True:
                began = time.monotonic()
                view, verdicts = self.gates.judged(look_at_all(self.hosts))
                wrong = [p for p in problems_of(verdicts) if p.node not in left_out]
                good, since = (0, 0.0) if wrong else (good + 1, since or began)
                self.book.look(view, wrong, node, good, SAMPLES)
                if good >= SAMPLES and began - since >= self.options.soak_s:
                    return
                if wrong and time.monotonic() >= deadline:
                    show(view, verdicts)
                    kind = OperationError if _concerns(wrong, node) else _OthersUnwellError
                    raise kind(wrong[0].what)
                time.sleep(max(0.0, began + pace_s - time.monotonic()))

    def _roll_back(self, turn: Turn, drained: bool) -> None:
        drained = drained or self._may_drain(turn)
        if drained and self.directors.untold(self.directors.view(), turn.node):
            self._drain(turn)  # Clients are there, or directors differ about them.
            self._wait_for_sessions(turn)
        with self._step(turn.node, "roll back"):
            self._do(
                turn.node,
                f"Put back {_versions_in_words(turn.before)}",
                shell_upgrade.put_back(turn.before, self.component.units),
            )
        self._verify(turn.node)
        self._undrain(turn, drained)

    # --- words to nodes and to the operator

    def _mark(self, turn: Turn, stage: Stage, drained: bool = False) -> None:
        mark = UpgradeMark(
            run=self.run,
            by=whoami(),
            since=int(time.time()),
            component=self.wish.component,
            stage=stage,
            before=dict(turn.before),
            target=dict(turn.target),
            boot=turn.boot,
            drained=drained,
            named=self.way.named,
        )
        if turn.resumed:
            mark = replace(mark, since=turn.resumed.since, by=turn.resumed.by)
        with self._step(turn.node, "mark", stage.value):
            self._quietly(turn.node, shell_upgrade.write_mark(mark.line()))

    def _clear_marks(self) -> None:
        for host in self.hosts:
            seen = SIGHTS.of(host)
            if isinstance(seen, NodeState):
                with self._step(host.name, "unmark"):
                    self._quietly(host.name, shell_upgrade.clear_mark())

    def _quietly(self, node: str, command: str) -> None:
        """Change a node's mark: what was seen of the node beside it is still true."""
        answer = ask(self._host(node), command)
        if not answer.good:
            raise OperationError(f"{node} could not be marked: {answer.wrong}")

    def _do(self, node: str, what: str, command: str) -> None:
        host = self._host(node)
        try:
            do(host, command)
        except OperationError as error:
            raise OperationError(f"{what}: {error}") from None
        finally:
            SIGHTS.forget(host)

    def _host(self, node: str) -> Host:
        return next(each for each in self.hosts if each.name == node)

    def _prefix(self, node: str) -> str:
        return str(self._host(node).print_prefix)

    @contextmanager
    def _step(self, node: str, step: str, said: str = "") -> Iterator[list[str]]:
        """Do a step: the journal has it with its time, the operator reads its name."""
        if self.rows:
            self.rows.at(node, step, said)
        elif step not in ("mark", "unmark"):
            say(f"{self._prefix(node)}{step}")
        with self.book.step(node, step, said) as words:
            yield words

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


class _OthersUnwellError(OperationError):
    """The node in hand is well, but the cluster is not."""


def _in_hand(turn: Turn) -> bool:
    """Whether a run that was interrupted had begun with the node."""
    return turn.resumed is not None and turn.resumed.stage is Stage.IN_PROGRESS


def _concerns(problems: list[Problem], node: str) -> bool:
    return any(problem.node in (node, None) for problem in problems)


def _versions_in_words(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _booted(host: Host) -> str | None:
    """Return the id of the node's boot, connecting anew; None as long as it does not answer."""
    try:
        connect(host, anew=True)
    except LOST:
        return None
    answer = ask(host, shell_upgrade.boot_id())
    return answer.said if answer.good else None
