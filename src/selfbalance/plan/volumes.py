"""What to do so that gluster has the volumes as described: on which node, in which order. Pure."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from selfbalance.desired import DesiredNode, DesiredVolume
from selfbalance.errors import VolumeError
from selfbalance.gates import View
from selfbalance.observed import ClusterState, NodeState, SeenSettings


class VolumeAct(str, Enum):
    """What is done to gluster's pool, to a volume, or on a node that mounts it."""

    PROBE = "probe"
    CREATE = "create"
    GROW = "grow"
    SET = "set"
    START = "start"
    MOUNT = "mount"


@dataclass(frozen=True)
class VolumeStep:
    """One step: done on `node`; `subject` is a peer's address, a brick, or nothing.

    `copies` is how many there are with a new one.
    """

    act: VolumeAct
    node: str
    volume: DesiredVolume | None = None
    subject: str = ""
    copies: int = 0

    @property
    def words(self) -> str:
        """The step in a few words."""
        name = self.volume.name if self.volume else ""
        return {
            VolumeAct.PROBE: f"take {self.subject} into gluster's pool",
            VolumeAct.CREATE: f"make volume {name}",
            VolumeAct.GROW: f"give volume {name} a copy at {self.subject}",
            VolumeAct.SET: f"set options of volume {name}",
            VolumeAct.START: f"start volume {name}",
            VolumeAct.MOUNT: f"mount volume {name} at {self.volume.mount if self.volume else ''}",
        }[self.act]


@dataclass(frozen=True)
class VolumesPlan:
    """The steps in their order. With `grows`, what a new copy lacks has to be healed after them."""

    steps: tuple[VolumeStep, ...] = ()

    @property
    def grows(self) -> bool:
        """Whether a volume that has content gets one more copy."""
        return any(step.act is VolumeAct.GROW for step in self.steps)


def brick_objections(
    desired: Mapping[str, DesiredNode], state: ClusterState, names: Container[str]
) -> str:
    """Say which of the named nodes cannot hold their copy; empty if each can."""
    said = [
        objection
        for seen in state.seen
        if seen.name in names
        for volume in desired[seen.name].volumes
        if (objection := _brick_objection(volume, seen))
    ]
    return "; ".join(said)


def _brick_objection(volume: DesiredVolume, seen: NodeState) -> str | None:
    """A copy that is there already is let be, wherever it lies: whoever made it chose that."""
    copy = seen.copies.get(volume.name)
    if volume.brick is None or (copy and copy.brick and copy.brick.state == "marked"):
        return None
    if copy is None or copy.brick is None:
        why = seen.unknown.get("copies", "nothing is known of its disk")
        return f"{seen.name}: {volume.brick}, the copy of {volume.name}: {why}"
    if copy.brick.on_root and not volume.on_root:
        return (
            f"{seen.name}: {volume.brick}, the copy of {volume.name}, would lie on the root file "
            "system, and fill it: is its disk mounted? choose another folder as brick, or write "
            "on_root = true"
        )
    return None


def plan_volumes(view: View, active: Collection[str]) -> VolumesPlan:
    """Plan the steps from what is to what is described.

    All of gluster's run on one node that is in the pool already, so none waits for another's lock.
    Raises `VolumeError` where a volume differs in what would lose a copy, or where a node that is
    needed does not take part.
    """
    if not view.cluster.volumes:
        return VolumesPlan()
    runner = view.state.observer or next(n.name for n in view.cluster.nodes if n.name in active)
    seen = next((each for each in view.state.seen if each.name == runner), NodeState(runner))
    steps = (*_probes(view, seen, active), *_volumes(view, seen), *_mounts(view, active))
    told = [step for step in steps if step.act is not VolumeAct.MOUNT]
    if told and runner not in active:
        raise VolumeError(
            f"{told[0].words}: that is done on {runner}, which is left out by --limit"
        )
    for step in told:
        if absent := _absent(view, step, active):
            raise VolumeError(f"{step.words}: {' and '.join(absent)} would be needed for that")
    return VolumesPlan(steps)


def _probes(view: View, seen: NodeState, active: Collection[str]) -> Iterator[VolumeStep]:
    pool = view.desired[seen.name].pool
    observed = {each.name for each in view.state.seen}
    for name, address in pool.items():
        known = any(address in peer.names for peer in seen.gluster_peers)
        if name in observed & {*active} - {seen.name} and not known:
            yield VolumeStep(VolumeAct.PROBE, seen.name, None, address)


def _volumes(view: View, seen: NodeState) -> Iterator[VolumeStep]:
    for volume in view.desired[seen.name].volumes:
        settings = seen.volumes.get(volume.name)
        if settings is None:
            yield VolumeStep(VolumeAct.CREATE, seen.name, volume)
            yield VolumeStep(VolumeAct.SET, seen.name, volume)
            yield VolumeStep(VolumeAct.START, seen.name, volume)
        else:
            yield from _differences(seen.name, volume, settings)


def _differences(
    runner: str, volume: DesiredVolume, settings: SeenSettings
) -> Iterator[VolumeStep]:
    if strange := [brick for brick in settings.bricks if brick not in volume.bricks]:
        raise VolumeError(
            f"volume {volume.name} has a copy at {' and '.join(strange)}, which is not described; "
            "no copy is taken away here: describe it, or remove it by gluster volume remove-brick"
        )
    if settings.arbiter != int(volume.arbiter):
        kind = "an arbiter" if settings.arbiter else "no arbiter"
        raise VolumeError(
            f"volume {volume.name} has {kind}, and the description says otherwise; "
            "that is not changed here"
        )
    missing = [brick for brick in volume.bricks if brick not in settings.bricks]
    for copies, brick in enumerate(missing, len(settings.bricks) + 1):
        yield VolumeStep(VolumeAct.GROW, runner, volume, brick, copies)
    if any(settings.options.get(name) != value for name, value in volume.options.items()):
        yield VolumeStep(VolumeAct.SET, runner, volume)
    if not settings.started:
        yield VolumeStep(VolumeAct.START, runner, volume)


def _mounts(view: View, active: Collection[str]) -> Iterator[VolumeStep]:
    for want, seen in view.pairs():
        for volume in want.volumes:
            copy = seen.copies.get(volume.name)
            if seen.name in active and (copy is None or copy.mount == "none"):
                yield VolumeStep(VolumeAct.MOUNT, seen.name, volume)


def _absent(view: View, step: VolumeStep, active: Collection[str]) -> list[str]:
    """Return the nodes whose copies this step makes, and that do not take part."""
    if step.act is VolumeAct.CREATE and step.volume:
        bricks = step.volume.bricks
    else:
        bricks = (step.subject,) if step.act is VolumeAct.GROW else ()
    addresses = {brick.partition(":")[0] for brick in bricks}
    seen = {each.name for each in view.state.seen}
    pool = next(iter(view.desired.values())).pool
    return [n for n, a in pool.items() if a in addresses and not (n in active and n in seen)]
