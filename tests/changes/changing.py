"""A live cluster that is changed by `cluster.py` under load: what each change cost, as a row."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from described import SPARE, USUAL
from steady import Met, meet

from selfbalance.lab import LabError
from selfbalance.testing import VIP, Run, Site

SESSIONS = 60
SESSION_S = 10
PROBE_INTERVAL_S = 0.05
AFTER_S = 1.0
"""Beside the status and the second run that come before it."""
MOST_S = 400.0
HEALTHY_WITHIN_S = 20.0
TELLING = (
    "^Reloading|^Starting Keepalived|^Stopped Keepalived|Entering|removing VIPs|unexpected|"
    "wrong version|auth|passwd|higher priority|to (UP|DOWN)|BFD|[Dd]isabl|[Ee]nabl|failed"
)


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Step:
    """A change, in a few words: the description that it ends with, and what else belongs to it.

    An operator does `before` by hand or by other deploys, and then runs cluster.py. `why` says in
    one sentence why sessions or probes are lost with it; without one, none may be.
    """

    what: str
    described: str
    before: Callable[[], object] = _nothing
    why: str = ""


@dataclass(frozen=True)
class Row:
    """What one step cost: what a client met, what keepalived did, how long the change took.

    `met` goes on while its proofs are made. `wrong` is what went otherwise than it should.
    """

    step: Step
    seconds: float
    keepalived: str
    met: Met
    wrong: str = ""

    def __str__(self) -> str:
        report = self.met.report
        return (
            f"| {self.step.what} | {self.keepalived} | {len(report.probes)} "
            f"| {len(self.met.failed)} | {len(report.sessions)} | {len(self.met.lost)} "
            f"| {self.seconds:.0f} | {self.step.why} |"
        )

    @property
    def reasons(self) -> str:
        """In what ways it went badly, with the words of what failed."""
        wrong = f"; {self.wrong}" if self.wrong else ""
        return f"{self.step.what}: {self.met.reasons}{wrong}"

    @property
    def as_it_should_be(self) -> bool:
        """Whether it was made and proven, and cost nothing that it does not say why of."""
        lossless = not self.met.failed and not self.met.lost
        return not self.wrong and (lossless or bool(self.step.why))


def table(rows: Iterable[Row]) -> str:
    """A Markdown table of rows, as it stands in docs/measurements.md."""
    head = "| change | keepalived | probes | failed | sessions | lost | seconds | why |"
    return "\n".join([head, "|---|---|---|---|---|---|---|---|", *map(str, rows)])


@dataclass
class _Done:
    """One step, as it went."""

    step: Step
    began: float
    seconds: float = 0.0
    keepalived: str = ""
    wrong: str = ""


@dataclass(frozen=True)
class Changes:
    """The cluster, and the rows of what was done to it."""

    site: Site
    rows: list[Row]

    def __call__(self, *steps: Step, vip: str = VIP) -> list[Row]:
        """Make changes one after the other, under one load at a VIP, each with its proofs.

        Fails, once the rows are told, if one was not made, is not healthy, is not at its end at
        once, or cost what it gives no reason for. A step that could not be made is the last one.
        """
        done = list[_Done]()

        def act() -> None:
            for step in steps:
                done.append(self._make(step))
                if done[-1].wrong:
                    return

        met = meet(
            self.site.lab,
            act,
            sessions=SESSIONS,
            session_s=SESSION_S,
            probe_interval_s=PROBE_INTERVAL_S,
            after_s=AFTER_S,
            most_s=MOST_S,
            vip=vip,
        )
        ends = [*(each.began for each in done[1:]), float("inf")]
        rows = [
            Row(
                each.step,
                each.seconds,
                each.keepalived,
                met.between(each.began, end),
                each.wrong,
            )
            for each, end in zip(done, ends, strict=True)
        ]
        self.rows.extend(rows)
        print(*(f"\n{row}\n{row.reasons}" for row in rows))
        bad = [row for row in rows if not row.as_it_should_be]
        for row in bad:
            print(f"{row.step.what}: what keepalived said from its begin:\n{self._log(row)}")
        assert not bad, "\n".join(row.reasons for row in bad)
        return rows

    def _log(self, row: Row) -> str:
        """What the nodes' keepalived said of roles and of each other, without what it repeats."""
        since = int(row.met.began + time.time() - time.monotonic())
        look = (
            f"journalctl -q -o short-precise -u keepalived --since @{since} --no-pager "
            f"--grep {shlex.quote(TELLING)} | "
            "awk '!said[substr($0, index($0, \"]: \"))]++' | head -30"
        )
        nodes = self.site.powered()
        with ThreadPoolExecutor() as pool:
            said = pool.map(lambda node: self.site.lab.run(node, look, check=False).stdout, nodes)
            return "".join(said)

    def _make(self, step: Step) -> _Done:
        """Make a change and prove it; what goes wrong is noted, so that what it cost is told."""
        before = keepalived_of(self.site)
        done = _Done(step, time.monotonic())
        self.site.described = step.described
        try:
            step.before()
            run = self.site.pyinfra("cluster", "-y", within_s=MOST_S / 2)
            done.seconds = time.monotonic() - done.began
            done.wrong = _failed(run) or self._unproven()
            done.keepalived = in_words(before, keepalived_of(self.site))
        except (AssertionError, LabError, subprocess.TimeoutExpired) as error:
            done.wrong = str(error)
        return done

    def _unproven(self) -> str:
        """Say what speaks against a change that was made; empty if nothing does."""
        try:
            status = self.site.wait_until_healthy(HEALTHY_WITHIN_S)
        except AssertionError as error:
            return f"not healthy afterwards: {error}"
        run = self.site.pyinfra("cluster", "-y", "-vvv")
        commands = {row["node"]: run.commands(row["node"]) for row in status["nodes"]}
        if run.code or set(commands.values()) != {1}:
            return f"the second run was not one look a node, but {commands}: {run.text}"
        return ""


def _failed(run: Run) -> str:
    return f"cluster.py ended with {run.code}: {run.text}" if run.code else ""


@dataclass(frozen=True)
class Keepalived:
    """What a node's keepalived has gone through: when it started, how often it read its files."""

    pid: str
    reloads: int


def keepalived_of(site: Site) -> Mapping[str, Keepalived]:
    """Ask each node that has power. keepalived logs "Reloading" whoever told it to."""
    look = (
        "systemctl show -p MainPID --value keepalived; "
        "journalctl -q -b -o cat -u keepalived --grep '^Reloading' --no-pager | "
        "grep -cE '^Reloading( \\.\\.\\.)?$'"
    )
    nodes = site.powered()
    with ThreadPoolExecutor() as pool:
        said = pool.map(lambda node: site.lab.run(node, look, check=False).stdout.split(), nodes)
        return {
            node: Keepalived(pid, int(count))
            for node, (pid, count) in zip(nodes, said, strict=True)
        }


def in_words(before: Mapping[str, Keepalived], after: Mapping[str, Keepalived]) -> str:
    """Say what keepalived did meanwhile, by nodes where they differ."""
    acts = {name: _act(before[name], after[name]) for name in after if name in before}
    there = {name: act for name, act in acts.items() if after[name].pid != "0" or act}
    if len(set(there.values())) == 1:
        return next(iter(there.values())) or "untouched"
    by_act: dict[str, list[str]] = {}
    for name, act in there.items():
        if act:
            by_act.setdefault(act, []).append(name)
    return ", ".join(f"{act} on {' '.join(names)}" for act, names in by_act.items())


def _act(before: Keepalived, after: Keepalived) -> str:
    if before.pid == after.pid:
        return "reloaded" if after.reloads > before.reloads else ""
    if after.pid == "0":
        return "stopped"
    return "started" if before.pid == "0" else "restarted"


def as_usual(site: Site) -> None:
    """Have the cluster as it usually is, healthy, whatever a test before has left."""
    _clear(site)
    site.described = USUAL
    if site.status()["healthy"]:
        return
    if _failed(site.pyinfra("cluster", "-y", within_s=300)):
        for node in site.powered():
            site.lab.run(node, "systemctl stop keepalived", timeout=90, check=False)
        site.deploy()


def _clear(site: Site) -> None:
    """Power on what is off, forget drains, and silence a node that is not described."""
    for node in site.lab.nodes:
        if node.name not in site.powered():
            site.lab.power_on(node.name)
        site.lab.run(node.name, "rm -f /var/lib/selfbalance/drained-*")
    if SPARE in site.powered():
        site.lab.run(SPARE, "systemctl -q disable --now keepalived 2>/dev/null", check=False)
