"""A node's turn in an upgrade, step by step: the journal and the operator are told of each."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from pyinfra.api.exceptions import OperationError, PyinfraError
from pyinfra.api.host import Host

from selfbalance.deployment import Deployment
from selfbalance.errors import SelfbalanceError, UpgradeError
from selfbalance.model import VrrpInstance
from selfbalance.observed import NodeState, Stage, UpgradeMark
from selfbalance.operations import shell_upgrade
from selfbalance.operations.connecting import LOST, connect
from selfbalance.operations.context import ask, at_once, do
from selfbalance.operations.draining import Directors
from selfbalance.operations.gating import Gates, problems_of
from selfbalance.operations.handing_over import give_up, see_taken
from selfbalance.operations.keeping import keep_here, keep_there
from selfbalance.operations.locking import whoami
from selfbalance.operations.logbook import Logbook
from selfbalance.operations.looking import SIGHTS, look_at_all, taking_part
from selfbalance.operations.progress import Rows
from selfbalance.operations.saying import say
from selfbalance.operations.shell_upgrade import Lists
from selfbalance.plan import (
    PackageVersions,
    Turn,
    by_version,
    drain_objection,
    handover_objection,
    mastered,
    read_versions,
    together,
)
from selfbalance.plugins import Component, ControllerStore, Problem, SnapshotStore, Upgrade
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
    long a reboot may take, `wait_s` how long copies that are being healed are waited for before the
    first node, `heal_s` after each. `rollback` says whether a node that fails is put back;
    `finalize`, whether in the end what cannot be undone is done.
    """

    soak_s: float = 10.0
    drain_timeout_s: float = 300.0
    patience_s: float = 60.0
    reboot_s: float = 300.0
    wait_s: float = 0.0
    heal_s: float = 3600.0
    rollback: bool = True
    finalize: bool = False


class OthersUnwellError(OperationError):
    """The node in hand is well, but the cluster is not."""


class StillHealingError(OperationError):
    """The node in hand is well, but copies of a volume are not whole yet."""


@dataclass
class Steps:
    """The steps of a turn. `book` is where they are noted; `rows`, if any, where they are shown."""

    run: str
    name: str
    ready: Deployment
    hosts: list[Host]
    component: Component
    way: Upgrade
    options: Options
    directors: Directors
    gates: Gates
    book: Logbook
    rows: Rows | None

    def prepare(self, turn: Turn) -> None:
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
            raise OperationError(f"{turn.node}: {error}; this run has touched no node") from None

    def agree(self) -> bool:
        """Let all nodes do what they have to do at the same time; whether there was anything.

        Where one cannot begin, the others go back. Raises `OperationError` then.
        """
        agreement = self.way.agreement
        if agreement is None:
            return False
        answers = at_once(partial(ask, command=agreement.begin), self.hosts)
        refused = [
            f"{host.name}: {answer.wrong}"
            for host, answer in zip(self.hosts, answers, strict=True)
            if not answer.good
        ]
        begun = refused or any(answer.said for answer in answers)
        if not begun:
            return False
        for host in self.hosts:
            SIGHTS.forget(host)
        say(f"{self.name}: what all nodes have to agree on is written anew on all of them")
        command = agreement.undo if refused else agreement.end
        ends = at_once(partial(ask, command=command), self.hosts)
        failed = [h.name for h, answer in zip(self.hosts, ends, strict=True) if not answer.good]
        if refused or failed:
            what = refused[0] if refused else f"{' and '.join(failed)}: no answer to what it began"
            raise OperationError(
                f"nodes do not agree: {what}; no package was changed; look at the cluster: "
                "status.py"
            )
        return True

    def step_aside(self, turn: Turn, drained: bool) -> None:
        """Hand over, if the node is MASTER, and get no new clients: one look proves both."""
        given = self._hand_over(turn)
        if drained:
            self.drain(turn)
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

    def may_drain(self, turn: Turn) -> bool:
        """Whether the drain is this upgrade's, and so its end: an operator's own one stays."""
        told = self.directors.view().drained().get(turn.node)
        ours = turn.resumed is not None and turn.resumed.drained
        if told and not ours:
            say(f"{self._prefix(turn.node)}stays drained by {told[0].drained[turn.node].by}")
        return ours or not told

    def drain(self, turn: Turn) -> None:
        """Get the node no new clients, on every director."""
        with self._step(turn.node, "drain"):
            if objection := drain_objection(self.directors.view(), turn.node, taking_part()):
                raise OperationError(objection)
            self.directors.stop_clients(turn.node, f"{whoami()} (upgrade)")

    def wait_for_sessions(self, turn: Turn) -> None:
        """Wait for sessions that would end with the act; those that last too long are told of."""
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
            keep_there(store, host, BEFORE)

    def stop(self, turn: Turn) -> None:
        """End what must not run while packages are changed, and keep what leads back."""
        if command := self.way.stop(self.ready.cluster, self.ready.cluster.node(turn.node)):
            with self._step(turn.node, "stop"):
                self._do(turn.node, f"Stop {self.name}", shell_upgrade.beside_kept(command))

    def start(self, turn: Turn) -> None:
        """Begin again what `stop` has ended; what runs already goes on."""
        if command := self.way.start(self.ready.cluster, self.ready.cluster.node(turn.node)):
            with self._step(turn.node, "start"):
                self._do(turn.node, f"Start {self.name}", shell_upgrade.beside_kept(command))

    def act(self, turn: Turn) -> None:
        """Install the packages, or reboot, unless that has happened already."""
        if self.has_happened(turn):
            return
        with self._step(turn.node, "act"):
            if self.way.reboots:
                self._reboot(turn)
            else:
                self._do(turn.node, turn.words, shell_upgrade.install(turn.target))

    def has_happened(self, turn: Turn) -> bool:
        """Whether a run that was interrupted has acted on the node already."""
        if not in_hand(turn):
            return False
        if self.way.reboots:
            seen = SIGHTS.of(self._host(turn.node))
            return isinstance(seen, NodeState) and seen.boot_id != turn.boot
        there = versions_on(self._host(turn.node), turn.target, Lists.AS_THEY_ARE)
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

    def verify(self, node: str) -> None:
        """Wait until nothing is wrong with the node itself, nor with the cluster as a whole."""
        others = {each.name for each in self.ready.cluster.nodes} - {node}
        with self._step(node, "verify"):
            view, verdicts = self.gates.ask(others, None, but_passing=True)
            wrong = [p for p in problems_of(verdicts) if p.node not in others]
            self.book.look(view, wrong, node, 1, 1)
            self._refuse(wrong)
        if wrong:
            self._wait_for_heals(node, others)

    def _wait_for_heals(self, node: str, others: set[str]) -> None:
        """Wait until every copy of every volume is whole: the next node may hold the only other."""
        with self._step(node, "heal") as said:

            def tell(what: str) -> None:
                said.append(what)
                say(f"{self._prefix(node)}{what}")

            view, verdicts = self.gates.healed(others, self.options.heal_s, tell)
            wrong = [p for p in problems_of(verdicts) if p.node not in others]
            self.book.look(view, wrong, node, 1, 1)
            self._refuse(wrong)
            if wrong:
                raise StillHealingError(
                    f"{wrong[0].what} after {self.options.heal_s:.0f} s; nothing is undone"
                )

    def _refuse(self, wrong: Iterable[Problem]) -> None:
        """Raise `OperationError` for what does not pass by itself."""
        for problem in wrong:
            if not problem.passes:
                raise OperationError(problem.what)

    def undrain(self, turn: Turn, drained: bool) -> None:
        """Get the node clients again, if this upgrade has drained it."""
        if drained:
            with self._step(turn.node, "undrain"):
                self.directors.send_clients(turn.node)  # The soak sees whether it gets weight.

    def soak(self, node: str) -> None:
        """Look until the cluster was well so often in a row, and for so long."""
        deadline = time.monotonic() + self.options.soak_s + self.options.patience_s
        healed_by = time.monotonic() + self.options.heal_s
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
                only_time = all(problem.passes for problem in wrong)
                if wrong and time.monotonic() >= (healed_by if only_time else deadline):
                    show(view, verdicts)
                    its_own = _concerns(wrong, node)
                    kind = OperationError if its_own else OthersUnwellError
                    raise kind(wrong[0].what)
                time.sleep(max(0.0, began + pace_s - time.monotonic()))

    def roll_back(self, turn: Turn, drained: bool) -> None:
        """Put back the packages that the node had, and prove it well."""
        drained = drained or self.may_drain(turn)
        if drained and self.directors.untold(self.directors.view(), turn.node):
            self.drain(turn)  # Clients are there, or directors differ about them.
            self.wait_for_sessions(turn)
        self.stop(turn)
        restore = self.way.restore(self.ready.cluster, self.ready.cluster.node(turn.node))
        with self._step(turn.node, "roll back"):
            self._do(
                turn.node,
                f"Put back {versions_in_words(turn.before)}",
                shell_upgrade.put_back(turn.before, self.component.units, restore),
            )
        self.start(turn)
        self.verify(turn.node)
        self.undrain(turn, drained)

    def finalize(self, node: str) -> None:
        """Do what cannot be undone: on one node, for all of them."""
        assert self.way.finalize is not None  # noqa: S101 - who asked for it was told
        with self._step(node, "finalize") as said:
            host = self._host(node)
            try:
                said.append(do(host, self.way.finalize(self.ready.cluster)))
            finally:
                SIGHTS.forget(host)
            say(f"{self._prefix(node)}{said[-1]}")

    # What nodes, the journal and the operator are told.

    def mark(self, turn: Turn, stage: Stage, drained: bool = False) -> None:
        """Write on the node itself how far it is."""
        mark = UpgradeMark(
            run=self.run,
            by=whoami(),
            since=int(time.time()),
            component=self.name,
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

    def clear_marks(self) -> None:
        """Let every node forget the upgrade: it has ended."""
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


def versions_on(host: Host, packages: Iterable[str], lists: Lists) -> Mapping[str, PackageVersions]:
    """Ask a node what it has of some packages, and what it could have. Raises `UpgradeError`."""
    answer = ask(host, shell_upgrade.ask_versions(packages, lists))
    try:
        if not answer.good:
            raise ValueError(answer.wrong or "the package lists could not be fetched")
        return read_versions(answer.said.splitlines())
    except ValueError as error:
        raise UpgradeError(
            f"{host.name}: which versions there are is not known: {error}; nothing was changed"
        ) from None


def in_hand(turn: Turn) -> bool:
    """Whether a run that was interrupted had begun with the node."""
    return turn.resumed is not None and turn.resumed.stage is Stage.IN_PROGRESS


def _concerns(problems: list[Problem], node: str) -> bool:
    """Whether one of these is the node's, or may be; what only takes time is nobody's fault."""
    return any(problem.node in (node, None) and not problem.passes for problem in problems)


def versions_in_words(versions: Mapping[str, str]) -> str:
    """Return "NAME VERSION, ..."; several of one version are the first one and how many more."""
    return ", ".join(
        f"{together(names)} {version}" for version, names in by_version(versions).items()
    )


def _booted(host: Host) -> str | None:
    """Return the id of the node's boot, connecting anew; None as long as it does not answer."""
    try:
        connect(host, anew=True)
    except LOST:
        return None
    answer = ask(host, shell_upgrade.boot_id())
    return answer.said if answer.good else None
