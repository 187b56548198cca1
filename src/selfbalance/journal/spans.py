"""What records mean together: a step from begin to end, a VIP from one owner to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace

from selfbalance.journal.reading import History
from selfbalance.journal.records import Gates, Look, Probes, SeenNode, Step


@dataclass(frozen=True)
class StepSpan:
    """A step of a node, in seconds since the run began. `ok` is None where it never ended."""

    node: str
    step: str
    began: float
    ended: float
    ok: bool | None = None
    said: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Held:
    """A VIP as seen from one look to the next of another owner; None is nobody, or not one."""

    vip: str
    owner: str | None
    began: float
    ended: float


@dataclass(frozen=True)
class Stretch:
    """Some time in which probes went well, or in which each count of them had failures."""

    began: float
    ended: float
    sent: int
    failed: int


@dataclass(frozen=True)
class Veto:
    """Samples of the gates, one after the other, with the same problems."""

    after: str | None
    began: float
    ended: float
    samples: int
    problems: tuple[str, ...]


def steps(history: History) -> list[StepSpan]:
    """Return the steps in the order in which they began; one that never ended lasts till the end.

    An end without a beginning began as many seconds before as it says.
    """
    began: dict[tuple[str, str], tuple[int, float]] = {}
    found: list[tuple[int, StepSpan]] = []
    for number, (t, record) in enumerate(history.of(Step)):
        key = record.node, record.step
        if record.state == "begin":
            began[key] = number, t
        else:
            first, start = began.pop(key, (number, max(0.0, t - (record.seconds or 0.0))))
            found.append((first, _ended(record, start, t)))
    found += [(n, StepSpan(*key, t, history.seconds)) for key, (n, t) in began.items()]
    return [span for _, span in sorted(found, key=lambda each: each[0])]


def _ended(record: Step, began: float, ended: float) -> StepSpan:
    seconds = ended - began if record.seconds is None else record.seconds
    return StepSpan(
        record.node, record.step, began, ended, bool(record.ok), record.said or "", seconds
    )


def owners(history: History) -> dict[str, list[Held]]:
    """Return who held each VIP, one after the other, as the looks saw it."""
    found: dict[str, list[Held]] = {}
    for t, look in history.of(Look):
        for vip, owner in look.owners.items():
            held = found.setdefault(vip, [])
            if held and held[-1].owner != owner:
                held[-1] = replace(held[-1], ended=t)
            if not held or held[-1].owner != owner:
                held.append(Held(vip, owner, t, history.seconds))
    return found


def stretches(history: History) -> list[Stretch]:
    """Return how probes went: what each record counts is of the time since the one before."""
    found: list[Stretch] = []
    before = 0.0
    for t, each in history.of(Probes):
        last = found[-1] if found else None
        if last and bool(last.failed) == bool(each.failed):
            sent, failed = last.sent + each.sent, last.failed + each.failed
            found[-1] = Stretch(last.began, t, sent, failed)
        else:
            found.append(Stretch(before, t, each.sent, each.failed))
        before = t
    return found


def vetoes(history: History) -> list[Veto]:
    """Return what the gates said no to; a good sample, or another problem, begins a new one."""
    found: list[Veto] = []
    last: Veto | None = None
    for t, each in history.of(Gates):
        problems = tuple(each.problems)
        if each.good:
            last = None
        elif last and (last.after, last.problems) == (each.after, problems):
            found[-1] = last = replace(last, ended=t, samples=last.samples + 1)
        else:
            last = Veto(each.after, t, t, 1, problems)
            found.append(last)
    return found


def sessions(history: History, node: str) -> list[tuple[float, int]]:
    """Return (t, sessions) of a node, a pair for each look that saw another number than before."""
    found: list[tuple[float, int]] = []
    for t, look in history.of(Look):
        seen = look.nodes.get(node)
        number = seen.sessions if seen else None
        if number is not None and (not found or found[-1][1] != number):
            found.append((t, number))
    return found


def last_seen(history: History, node: str) -> SeenNode | None:
    """Return a node as the last look saw it."""
    seen = [look.nodes[node] for _, look in history.of(Look) if node in look.nodes]
    return seen[-1] if seen else None


def node_names(history: History) -> list[str]:
    """Return the nodes as described, then those that only records name."""
    named = [*history.run.nodes, *(record.node for _, record in history.of(Step))]
    return list(dict.fromkeys(named))
