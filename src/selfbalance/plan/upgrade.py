"""The plan of a rolling upgrade: which nodes, in which order, from which version to which. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from selfbalance.errors import UpgradeError
from selfbalance.gates import View
from selfbalance.observed import NodeState, Stage, UpgradeMark
from selfbalance.plan.moves import untold
from selfbalance.plugins import Upgrade


@dataclass(frozen=True)
class Wish:
    """What an operator asks for: a component, and versions by package, None for the newest."""

    component: str
    versions: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The wish in a few words."""
        asked = by_version({name: version or "" for name, version in self.versions.items()})
        some = (f"{together(names)} {version}".strip() for version, names in asked.items())
        return ", ".join(some) or self.component


@dataclass(frozen=True)
class PackageVersions:
    """A package on a node: what is installed, what apt would install, and all that there is."""

    installed: str | None = None
    candidate: str | None = None
    available: tuple[str, ...] = ()


@dataclass(frozen=True)
class Turn:
    """One node's turn: versions by package before and after; `boot` is the boot id before.

    `resumed` is the mark that an interrupted upgrade has left there.
    """

    node: str
    before: Mapping[str, str]
    target: Mapping[str, str]
    boot: str
    resumed: UpgradeMark | None = None

    @property
    def words(self) -> str:
        """What will happen, in a few words."""
        changes = by_version(
            {
                name: f"{self.before.get(name, 'not installed')} -> {version}"
                for name, version in self.target.items()
            }
        )
        told = (f"{together(names)} {change}" for change, names in changes.items())
        return ", ".join(told) or "reboot"


def by_version(versions: Mapping[str, str]) -> dict[str, list[str]]:
    """Return names of packages by what is said of them, in the order of the first ones."""
    found = dict[str, list[str]]()
    for name, version in versions.items():
        found.setdefault(version, []).append(name)
    return found


def together(names: Sequence[str]) -> str:
    """Return packages that go together in a few words: "glusterfs-server and 9 more"."""
    first, *others = names
    if len(others) > 2:
        return f"{first} and {len(others)} more"
    return " ".join(names)


@dataclass(frozen=True)
class UpgradePlan:
    """The turns in their order; nodes that are `current` have none. A run that was interrupted."""

    turns: tuple[Turn, ...]
    current: tuple[str, ...]
    resumes: UpgradeMark | None = None


def read_versions(lines: Sequence[str]) -> dict[str, PackageVersions]:
    """Read "NAME installed|candidate|available VERSION" lines. Raises `ValueError` on others."""
    found: dict[str, PackageVersions] = {}
    for line in lines:
        name, kind, version = line.split()
        so_far = found.get(name, PackageVersions())
        if kind == "available":
            found[name] = PackageVersions(
                so_far.installed, so_far.candidate, (*so_far.available, version)
            )
        elif kind == "installed":
            found[name] = PackageVersions(version, so_far.candidate, so_far.available)
        elif kind == "candidate":
            candidate = None if version == "(none)" else version
            found[name] = PackageVersions(so_far.installed, candidate, so_far.available)
        else:
            raise ValueError(f"neither installed, candidate nor available: {line!r}")
    return found


def plan_upgrade(
    view: View,
    wish: Wish,
    upgrade: Upgrade,
    versions: Mapping[str, Mapping[str, PackageVersions]],
    active: Collection[str],
) -> UpgradePlan:
    """Plan the turns of the nodes that take part: BACKUPs first, a MASTER last.

    A node on which an upgrade was interrupted comes first of all. Raises `UpgradeError` where a
    version is not to be had, where another upgrade was interrupted, or where a director could not
    be told of a drain.
    """
    marks = {seen.name: seen.upgrade for seen in view.state.seen if seen.upgrade}
    _refuse_another(wish, marks)
    turns, current = list[Turn](), list[str]()
    for seen in view.state.seen:
        if seen.name not in active:
            continue
        turn = _turn(seen, wish, upgrade, versions.get(seen.name, {}), marks)
        if turn is None:
            current.append(seen.name)
        else:
            turns.append(turn)
    if turns and (objection := untold(view, active)):
        raise UpgradeError(f"{objection}; nothing was changed")
    masters = {seen.name for seen in view.masters}
    turns.sort(key=lambda turn: (not _in_progress(turn.resumed), turn.node in masters))
    return UpgradePlan(tuple(turns), tuple(current), next(iter(marks.values()), None))


def _refuse_another(wish: Wish, marks: Mapping[str, UpgradeMark]) -> None:
    for node, mark in marks.items():
        if mark.component != wish.component or mark.target.keys() != wish.versions.keys():
            raise UpgradeError(
                f"an upgrade of {mark.words} by {mark.by} was interrupted, see {node}; "
                f"end that first: {mark.command}"
            )


def _begun(marks: Mapping[str, UpgradeMark]) -> Mapping[str, str]:
    """Return the versions that an interrupted run has begun with, as its first node has them."""
    return next((mark.target for mark in marks.values()), {})


def _turn(
    seen: NodeState,
    wish: Wish,
    upgrade: Upgrade,
    versions: Mapping[str, PackageVersions],
    marks: Mapping[str, UpgradeMark],
) -> Turn | None:
    """Return the node's turn; None where it has what is asked for."""
    mark = marks.get(seen.name)
    if upgrade.reboots:
        # Marks are cleared at the end only: where all that are left are done, so is everything.
        if marks and all(each.stage is Stage.DONE for each in marks.values()):
            return None
        if mark and mark.stage is Stage.DONE:
            return None
        return Turn(seen.name, {}, {}, mark.boot if mark else seen.boot_id, mark)
    before = {name: v for name in wish.versions if (v := _of(versions, name).installed)}
    if mark and mark.stage is Stage.IN_PROGRESS:
        before = dict(mark.before)
    _refuse_missing(seen.name, wish, before)
    target = {
        name: _target(seen.name, name, asked, _of(versions, name), mark, _begun(marks))
        for name, asked in wish.versions.items()
    }
    if mark and mark.stage is Stage.IN_PROGRESS:
        return Turn(seen.name, before, target, mark.boot, mark)
    if before == target:
        return None
    return Turn(seen.name, before, target, seen.boot_id, mark)


def _refuse_missing(node: str, wish: Wish, before: Mapping[str, str]) -> None:
    """Refuse what would be installed for the first time: that is no upgrade.

    What a power loss has left half installed counts as what it was before.
    """
    for name in wish.versions:
        if name not in before:
            raise UpgradeError(f"{node}: {name} is not installed; nothing was changed")


def _of(versions: Mapping[str, PackageVersions], name: str) -> PackageVersions:
    return versions.get(name, PackageVersions())


def _target(
    node: str,
    name: str,
    asked: str | None,
    there: PackageVersions,
    mark: UpgradeMark | None,
    begun: Mapping[str, str],
) -> str:
    """Return the version that a node is to have. A resumed run keeps to what it began with."""
    known = tuple(each for each in (*there.available, there.installed) if each)
    if asked is None and mark:
        asked = mark.target[name]
    elif asked is None and begun.get(name) in known:
        asked = begun[name]
    elif asked is None:
        if there.candidate is None:
            raise UpgradeError(f"{node}: apt knows no {name} to install; nothing was changed")
        return there.candidate
    found = next((v for v in known if v == asked), None) or next(
        (v for v in known if upstream(v) == asked), None
    )
    if found is None:
        raise UpgradeError(
            f"{node}: there is no {name} {asked}; apt has {' '.join(there.available) or 'none'}; "
            "nothing was changed"
        )
    return found


def upstream(version: str) -> str:
    """Return the upstream part of a Debian version: `upstream("1:2.2.7-1+b2") == "2.2.7"`."""
    return re.sub(r"-[^-]*$", "", version.partition(":")[2] or version)


def _in_progress(mark: UpgradeMark | None) -> bool:
    return mark is not None and mark.stage is Stage.IN_PROGRESS
