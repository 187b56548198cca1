"""The mark that an upgrade leaves on each node: what is to happen there, and how far it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum


class Stage(str, Enum):
    """How far a node is in an upgrade of the cluster."""

    PLANNED = "planned"
    IN_PROGRESS = "in progress"
    DONE = "done"


@dataclass(frozen=True)
class UpgradeMark:
    """A node's part in an upgrade, as it is written on the node itself.

    `before` and `target` are versions by package; `boot` is the boot id that a reboot has to
    change. `drained` says that this upgrade has drained the node, so it puts it back, too.
    `since` is in seconds since 1970, by the clock of the machine that deploys. `named` says that
    the operator named the packages.
    """

    run: str
    by: str
    since: int
    component: str
    stage: Stage
    before: Mapping[str, str]
    target: Mapping[str, str]
    boot: str
    drained: bool = False
    named: bool = False

    @property
    def words(self) -> str:
        """What is upgraded: the component, or the packages that were named."""
        return " ".join(self.target) if self.named else self.component

    @property
    def command(self) -> str:
        """What goes on with it."""
        packages = f" --data packages={','.join(self.target)}" if self.named else ""
        return f"upgrade.py --data component={self.component}{packages}"

    def line(self) -> str:
        """Return it as the one line that is written to the node."""
        return json.dumps(asdict(self), sort_keys=True)


def read_upgrade(lines: Sequence[str]) -> Mapping[str, object]:
    """Read the mark; there is none on a node that has no part in an upgrade."""
    if not lines:
        return {"upgrade": None}
    (line,) = lines
    row = json.loads(line)
    mark = UpgradeMark(**{**row, "stage": Stage(row["stage"])})
    for name, kind in _KINDS.items():
        if type(getattr(mark, name)) is not kind:
            raise ValueError(f"{name} is no {kind.__name__}")
    if not all(isinstance(each, str) for each in (*mark.before.values(), *mark.target.values())):
        raise ValueError("a version is no str")
    return {"upgrade": mark}


_KINDS: Mapping[str, type] = {
    "run": str,
    "by": str,
    "since": int,
    "component": str,
    "before": dict,
    "target": dict,
    "boot": str,
    "drained": bool,
    "named": bool,
}
"""What JSON has to have for each field: a dataclass takes everything."""
