"""The kinds of records in a journal, field by field. docs/report.md tells them to operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

FORMAT = 1
"""Goes up when somebody who reads format 1 would misread what is written."""


@dataclass(frozen=True)
class Run:
    """Always first: what is about to be done. `order` is that in which nodes are taken."""

    kind: ClassVar[str] = "run"

    cluster: str
    component: str
    what: str
    command: Sequence[str]
    controller: str
    nodes: Sequence[str]
    order: Sequence[str]
    target: Mapping[str, str]
    resumed: bool
    soak_s: float
    drain_timeout_s: float
    format: int = FORMAT


@dataclass(frozen=True)
class Step:
    """A step on a node begins or ends. `ok`, `seconds` and `said` are of its end only."""

    kind: ClassVar[str] = "step"

    node: str
    step: str
    state: Literal["begin", "end"]
    ok: bool | None = None
    seconds: float | None = None
    said: str | None = None


@dataclass(frozen=True)
class Gates:
    """All gates were asked: the `sample`th time after that node; `needed` in a row have to pass."""

    kind: ClassVar[str] = "gates"

    after: str | None
    sample: int
    needed: int
    good: bool
    problems: Sequence[str]


@dataclass(frozen=True)
class SeenNode:
    """A node at a look; None where it is not known."""

    observed: bool
    role: str | None = None
    weight: int | None = None
    sessions: int | None = None
    drained: bool | None = None


@dataclass(frozen=True)
class Look:
    """A look at the cluster: who owns each VIP (None: nobody, or not one), and every node."""

    kind: ClassVar[str] = "look"

    owners: Mapping[str, str | None]
    nodes: Mapping[str, SeenNode]


@dataclass(frozen=True)
class Probes:
    """Requests through the VIPs in the look before, and how many of them failed."""

    kind: ClassVar[str] = "probes"

    sent: int
    failed: int


Result = Literal["done", "nothing to do", "failed", "interrupted"]


@dataclass(frozen=True)
class End:
    """Always last: how it ended, each node's state in words, and the commands to go on with."""

    kind: ClassVar[str] = "end"

    result: Result
    said: str
    nodes: Mapping[str, str]
    next: Sequence[str]


Record = Run | Step | Gates | Look | Probes | End

#: Kind -> what makes a record of it.
KINDS: Mapping[str, type[Any]] = {each.kind: each for each in (Run, Step, Gates, Look, Probes, End)}
