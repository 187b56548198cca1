"""The time line of a run as places on a line: rows, and marks from 0 to 100 percent. No HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from selfbalance.journal.reading import History
from selfbalance.journal.records import Gates, Probes
from selfbalance.journal.spans import (
    Held,
    StepSpan,
    Stretch,
    node_names,
    owners,
    sessions,
    steps,
    stretches,
)
from selfbalance.journal.words import count, seconds_in_words

_WAITS = frozenset({"drain", "wait", "soak"})
_MOVES = frozenset({"hand-over"})
_BACK = frozenset({"roll back"})
_TICKS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600)
_REM_PER_TICK = 5.5
_REM_PER_NODE = 9
_LEAST_REM = 44
_KEYS = (
    ("work", "work"),
    ("wait", "waiting"),
    ("move", "hand-over"),
    ("back", "roll back"),
    ("owner", "owner of the VIP"),
)


@dataclass(frozen=True)
class Mark:
    """Something on the line: where it starts and how wide it is, in percent of the run.

    `tone` says how it looks: work, wait, move, back; owner, nobody; good, bad. `flaw` is empty, or
    what went wrong with it: failed, or open for what never ended.
    """

    left: float
    width: float
    label: str
    title: str
    tone: str
    flaw: str = ""


@dataclass(frozen=True)
class Row:
    """A row: its name, a word under it, its marks by lane, and a curve over time if it has one.

    `form` says how marks are drawn: bars, or ticks. `curve` is a polygon on 1000 x 100.
    """

    name: str
    note: str
    form: str
    lanes: Sequence[Sequence[Mark]]
    curve: str = ""


@dataclass(frozen=True)
class Tick:
    """A line across all rows, in percent of the run, and its time in words."""

    left: float
    label: str


@dataclass(frozen=True)
class Timeline:
    """Everything on the line. In less than `rem` (as CSS has it) it would be too dense to read."""

    ticks: Sequence[Tick]
    rows: Sequence[Row]
    rem: int

    @property
    def keys(self) -> list[tuple[str, str]]:
        """What the looks that are used mean: a tone and words each."""
        marks = [mark for row in self.rows for lane in row.lanes for mark in lane]
        tones = {mark.tone for mark in marks if not mark.flaw}
        keys = [(tone, words) for tone, words in _KEYS if tone in tones]
        keys += [("curve", "sessions")] if any(row.curve for row in self.rows) else []
        bad = any(mark.flaw or mark.tone == "bad" for mark in marks)
        return keys + ([("flaw", "✕ bad")] if bad else [])


def timeline(history: History) -> Timeline:
    """Lay a history out: a row a node, a row a VIP, one for gates, one for probes."""
    scale = 100 / (history.seconds or 1)
    every = steps(history)
    rows = [_node_row(history, name, every, scale) for name in node_names(history)]
    rows += [_vip_row(vip, held, scale) for vip, held in owners(history).items()]
    rows += _gates_rows(history, scale)
    rows += _probes_rows(history, scale)
    rem = max(_LEAST_REM, _REM_PER_NODE * len(node_names(history)))
    return Timeline(_ticks(history.seconds, scale, rem / _REM_PER_TICK), rows, rem)


def _ticks(seconds: float, scale: float, most: float) -> list[Tick]:
    fitting = (each for each in _TICKS_S if seconds / each <= most)
    apart = next(fitting, _TICKS_S[-1])
    times = [number * apart for number in range(int(seconds / apart) + 1)]
    return [Tick(_percent(each * scale), f"{each:,.12g} s") for each in times]


def _percent(value: float) -> float:
    return round(value, 3)


def _node_row(history: History, name: str, every: Sequence[StepSpan], scale: float) -> Row:
    lanes = _lanes([each for each in every if each.node == name])
    pairs = sessions(history, name)
    most = max((number for _, number in pairs), default=0)
    return Row(
        name,
        f"up to {count(most, 'session')}" if most else "",
        "bars",
        [[_step_mark(each, scale) for each in lane] for lane in lanes] or [[]],
        _curve(pairs, most, history.seconds) if most else "",
    )


def _lanes(spans: Iterable[StepSpan]) -> list[list[StepSpan]]:
    """Put steps side by side where one began before the other one ended."""
    lanes: list[list[StepSpan]] = []
    for each in spans:
        free = (lane for lane in lanes if lane[-1].ended <= each.began)
        lane = next(free, None)
        if lane is None:
            lanes.append([each])
        else:
            lane.append(each)
    return lanes


def _step_mark(span: StepSpan, scale: float) -> Mark:
    flaw = {True: "", False: "failed", None: "open"}[span.ok]
    took = seconds_in_words(span.ended - span.began)
    state = {"": took, "failed": f"failed after {took}", "open": f"not finished after {took}"}[flaw]
    title = f"{span.node}, {span.step}: {state}, from {seconds_in_words(span.began)}"
    return Mark(
        _percent(span.began * scale),
        _percent((span.ended - span.began) * scale),
        span.step,
        f"{title}\n{span.said}" if span.said else title,
        _tone(span.step),
        flaw,
    )


def _tone(step: str) -> str:
    tones = {"wait": _WAITS, "move": _MOVES, "back": _BACK}
    return next((tone for tone, names in tones.items() if step in names), "work")


def _curve(pairs: Sequence[tuple[float, int]], most: int, seconds: float) -> str:
    """Return a polygon in steps: what a look saw holds until the next look."""
    points = [(pairs[0][0], 0)]
    for (t, number), (until, _) in pairwise([*pairs, (seconds, 0)]):
        points += [(t, number), (until, number)]
    points.append((seconds, 0))
    across, up = 1000 / (seconds or 1), 100 / most
    return " ".join(f"{t * across:.1f},{100 - number * up:.1f}" for t, number in points)


def _vip_row(vip: str, held: Sequence[Held], scale: float) -> Row:
    hands = count(len(held) - 1, "change") if len(held) > 1 else "no change"
    return Row(vip, hands, "bars", [[_held_mark(each, scale) for each in held]])


def _held_mark(held: Held, scale: float) -> Mark:
    owner = held.owner or "nobody"
    began, ended = seconds_in_words(held.began), seconds_in_words(held.ended)
    return Mark(
        _percent(held.began * scale),
        _percent((held.ended - held.began) * scale),
        owner,
        f"{held.vip}: {owner}, from {began} to {ended}",
        "owner" if held.owner else "nobody",
        "" if held.owner else "failed",
    )


def _gates_rows(history: History, scale: float) -> list[Row]:
    samples = list(history.of(Gates))
    if not samples:
        return []
    good = sum(each.good for _, each in samples)
    marks = [_sample_mark(t, each, scale) for t, each in samples]
    return [Row("gates", f"{good:,} of {len(samples):,} good", "ticks", [marks])]


def _sample_mark(t: float, sample: Gates, scale: float) -> Mark:
    after = f"after {sample.after}" if sample.after else "before any node"
    title = f"{'good' if sample.good else 'BAD'} at {seconds_in_words(t)}, {after}"
    return Mark(
        _percent(t * scale),
        0.0,
        "good" if sample.good else "bad",
        "\n".join([title, *sample.problems]),
        "good" if sample.good else "bad",
    )


def _probes_rows(history: History, scale: float) -> list[Row]:
    counts = list(history.of(Probes))
    if not counts:
        return []
    sent, failed = (sum(getattr(each, name) for _, each in counts) for name in ("sent", "failed"))
    marks = [_probes_mark(each, scale) for each in stretches(history)]
    return [Row("probes", f"{failed:,} of {sent:,} failed", "bars", [marks])]


def _probes_mark(stretch: Stretch, scale: float) -> Mark:
    began, ended = seconds_in_words(stretch.began), seconds_in_words(stretch.ended)
    return Mark(
        _percent(stretch.began * scale),
        _percent((stretch.ended - stretch.began) * scale),
        f"{stretch.failed:,}" if stretch.failed else "",
        f"{stretch.failed:,} of {stretch.sent:,} probes failed, {began} to {ended}",
        "bad" if stretch.failed else "good",
        "failed" if stretch.failed else "",
    )
