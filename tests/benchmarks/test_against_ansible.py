"""Wall time against Ansible doing the same on the same nodes, in the same run.

Runs of the two sides take turns; what counts is the ratio. Seconds of two runs of this benchmark
say nothing about each other. SELFBALANCE_BENCH_FIRST and SELFBALANCE_BENCH_AGAIN: how many pairs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest
from sides import Ansible, Run, Selfbalance, Side, made, settle

from selfbalance.lab import Lab

FIRST_PAIRS = int(os.environ.get("SELFBALANCE_BENCH_FIRST", "2"))
AGAIN_PAIRS = int(os.environ.get("SELFBALANCE_BENCH_AGAIN", "5"))
FIRST_AT_MOST = 1 / 2
AGAIN_AT_MOST = 1 / 8
SPARE = 20
"""How many runs may be thrown away because they met a false alarm of an overloaded machine."""


@dataclass(frozen=True)
class Pair:
    """One run of each side, one right after the other."""

    ours: Run
    theirs: Run
    load: float

    @property
    def ratio(self) -> float:
        return self.ours.seconds / self.theirs.seconds


@dataclass(frozen=True)
class Measured:
    """All pairs of one kind."""

    what: str
    at_most: float
    pairs: list[Pair]
    thrown_away: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        return self.median_ours / self.median_theirs

    @property
    def median_ours(self) -> float:
        return median(pair.ours.seconds for pair in self.pairs)

    @property
    def median_theirs(self) -> float:
        return median(pair.theirs.seconds for pair in self.pairs)

    def table(self) -> str:
        """A Markdown table, as it stands in docs/measurements.md."""
        rows = [
            f"| {number} | {pair.ours.seconds:.1f} | {pair.theirs.seconds:.1f} | {pair.ratio:.3f} "
            f"| 1/{1 / pair.ratio:.1f} | {pair.load:.1f} |"
            for number, pair in enumerate(self.pairs, start=1)
        ]
        return "\n".join(
            [
                f"{self.what}: at most 1/{1 / self.at_most:.0f} is asked for",
                *(f"Thrown away, for it failed: {reason}" for reason in self.thrown_away),
                "",
                "| pair | selfbalance, s | Ansible, s | ratio | | load |",
                "|---|---|---|---|---|---|",
                *rows,
                f"| median | {self.median_ours:.1f} | {self.median_theirs:.1f} | {self.ratio:.3f} "
                f"| 1/{1 / self.ratio:.1f} | |",
            ]
        )


@dataclass(frozen=True)
class Bench:
    """The last nodes, both sides at work on them, and how it went until then."""

    lab: Lab
    ours: Selfbalance
    theirs: Ansible
    first: Measured
    left: dict[str, list[dict[str, str]]]


@pytest.fixture(scope="module")
def bench(fresh_lab: Callable[[], Lab], tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """First runs, each on fresh nodes of the same image; the sides take turns to begin."""
    pairs: list[Pair] = []
    left: dict[str, list[dict[str, str]]] = {Selfbalance.name: [], Ansible.name: []}
    for number in range(FIRST_PAIRS):
        runs: dict[str, Run] = {}
        load = os.getloadavg()[0]
        for turn in range(2):
            lab, ours, theirs = _site(fresh_lab(), tmp_path_factory.mktemp("bench"))
            side = (ours, theirs)[(number + turn) % 2]
            runs[side.name] = _succeeded(side, side.run())
            left[side.name].append(made(lab, ours.desired()))
            theirs.close()
        pairs.append(Pair(runs[Selfbalance.name], runs[Ansible.name], load))
    measured = Measured("First run", FIRST_AT_MOST, pairs)
    _show(measured)
    return Bench(lab, ours, theirs, measured, left)


def _site(lab: Lab, folder: Path) -> tuple[Lab, Selfbalance, Ansible]:
    ours = Selfbalance(lab, folder)
    return lab, ours, Ansible(lab, ours.desired(), folder)


def _succeeded(side: Side, run: Run) -> Run:
    assert run.code == 0, f"{side.name} failed:\n{run.text}"
    return run


def _show(measured: Measured) -> None:
    print(f"\n{measured.table()}\n", file=sys.stderr)


def test_both_sides_leave_the_same_node(bench: Bench):
    for ours in bench.left[Selfbalance.name]:
        for theirs in bench.left[Ansible.name]:
            assert ours == theirs


def test_a_first_run_takes_at_most_half_of_ansibles(bench: Bench):
    assert all(pair.ours.changed and pair.theirs.changed for pair in bench.first.pairs)
    assert bench.first.ratio <= FIRST_AT_MOST


def test_a_second_run_changes_nothing_and_takes_at_most_an_eighth_of_ansibles(bench: Bench):
    vip = str(next(iter(bench.ours.desired().values())).vips[0])
    pairs: list[Pair] = []
    thrown_away: list[str] = []
    try:
        while len(pairs) < AGAIN_PAIRS:
            load = os.getloadavg()[0]
            runs: list[Run] = []
            for side in (bench.ours, bench.theirs):
                settle(bench.lab, vip)
                run = side.run()
                assert not run.changed, f"{side.name} changed:\n{run.text}"
                if run.code and len(thrown_away) < SPARE:
                    thrown_away.append(f"{side.name}: {run.reason}")
                    break
                runs.append(_succeeded(side, run))
            else:
                pairs.append(Pair(*runs, load))
    finally:
        bench.theirs.close()
    measured = Measured("Second run", AGAIN_AT_MOST, pairs, tuple(thrown_away))
    _show(measured)
    assert measured.ratio <= AGAIN_AT_MOST
