"""What to do so that gluster has the volumes as described: on which node, in which order. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from selfbalance.desired import DesiredNode, DesiredVolume
from selfbalance.errors import VolumeError
from selfbalance.gates import View
from selfbalance.observed import ClusterState, NodeState, SeenPeer, SeenSettings
from selfbalance.observed.volumes import told_members


class VolumeAct(str, Enum):
    """What is done to gluster's pool, to a volume, or on a node that mounts it."""

    PROBE = "probe"
    CREATE = "create"
    GROW = "grow"
    SET = "set"
    START = "start"
    MOUNT = "mount"
    IDENTIFY = "identify"
    RESET = "reset"
    REPLACE = "replace"
    SHRINK = "shrink"
    DETACH = "detach"


@dataclass(frozen=True)
class VolumeStep:
    """One step: done on `node`; `subject` is a peer's address, its id, a brick, or nothing.

    `copies` is how many there are with a new one, or without one that goes; `other` is the brick
    that is replaced, or the address of a peer that knows the volumes; `members` is how many nodes
    that one's pool has.
    """

    act: VolumeAct
    node: str
    volume: DesiredVolume | None = None
    subject: str = ""
    copies: int = 0
    other: str = ""
    members: int = 0

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
            VolumeAct.IDENTIFY: "let gluster be the peer again that the others know",
            VolumeAct.RESET: f"make the copy of volume {name} at {self.subject} anew",
            VolumeAct.REPLACE: f"give volume {name} a copy at {self.subject} for {self.other}",
            VolumeAct.SHRINK: f"take the copy at {self.subject} out of volume {name}",
            VolumeAct.DETACH: f"take {self.subject} out of gluster's pool",
        }[self.act]


@dataclass(frozen=True)
class VolumesPlan:
    """The steps in their order. With `grows`, what a new copy lacks has to be healed after them."""

    steps: tuple[VolumeStep, ...] = ()

    @property
    def grows(self) -> bool:
        """Whether a volume that has content gets a new copy, or loses one."""
        return any(step.act in _UNHEALED for step in self.steps)


MAKING = {VolumeAct.GROW, VolumeAct.RESET, VolumeAct.REPLACE}
"""Acts that make the copy which is their subject."""

_UNHEALED = {*MAKING, VolumeAct.SHRINK}


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
    steps = (
        *_identities(view, seen, active),
        *_probes(view, seen, active),
        *_volumes(view, seen),
        *_leftovers(view, seen),
        *_mounts(view, active),
    )
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


def _identities(view: View, seen: NodeState, active: Collection[str]) -> Iterator[VolumeStep]:
    """Give a fresh machine the id by which the others know the one that it takes the place of.

    Its own glusterd knows nobody, and they would not take it for a peer (glusterd-handshake.c).
    """
    good = view.desired[seen.name].pool[seen.name]
    for name, peer in _strangers_to_themselves(view, seen):
        uuid = next((each for each in peer.names if _UUID.fullmatch(each)), None)
        if name in active and uuid:
            members = told_members(seen.gluster_peers, peer)
            yield VolumeStep(VolumeAct.IDENTIFY, name, None, uuid, other=good, members=members)


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _strangers_to_themselves(view: View, seen: NodeState) -> Iterator[tuple[str, SeenPeer]]:
    """Yield nodes that are in the pool, and whose own glusterd knows of no pool."""
    for want, other in view.pairs():
        address = want.pool[other.name]
        peer = next((each for each in seen.gluster_peers if address in each.names), None)
        asked = not {"pool", "volumes"} & other.unknown.keys()
        knows = bool(other.gluster_peers or other.volumes)
        if other.name != seen.name and peer and asked and not knows:
            yield other.name, peer


def _volumes(view: View, seen: NodeState) -> Iterator[VolumeStep]:
    for volume in view.desired[seen.name].volumes:
        settings = seen.volumes.get(volume.name)
        if settings is None:
            yield VolumeStep(VolumeAct.CREATE, seen.name, volume)
            yield VolumeStep(VolumeAct.SET, seen.name, volume)
            yield VolumeStep(VolumeAct.START, seen.name, volume)
        else:
            yield from _differences(view, seen, volume, settings)


def _differences(
    view: View, seen: NodeState, volume: DesiredVolume, settings: SeenSettings
) -> Iterator[VolumeStep]:
    runner = seen.name
    strange = [brick for brick in settings.bricks if brick not in volume.bricks]
    if there := [brick for brick in strange if not _is_gone(seen, brick)]:
        raise VolumeError(
            f"volume {volume.name} has a copy at {' and '.join(there)}, which is not described, "
            "and gluster sees its node: if that has just died, try again in some minutes; if not, "
            "describe it, or describe the node and run teardown.py"
        )
    if settings.arbiter != int(volume.arbiter):
        kind = "an arbiter" if settings.arbiter else "no arbiter"
        raise VolumeError(
            f"volume {volume.name} has {kind}, and the description says otherwise; "
            "that is not changed here"
        )
    missing = [brick for brick in volume.bricks if brick not in settings.bricks]
    for gone, brick in zip(strange, missing, strict=False):
        yield VolumeStep(VolumeAct.REPLACE, runner, volume, brick, other=gone)
    for copies, brick in enumerate(missing[len(strange) :], len(settings.bricks) + 1):
        yield VolumeStep(VolumeAct.GROW, runner, volume, brick, copies)
    for fewer, brick in enumerate(strange[len(missing) :], 1):
        copies = len(settings.bricks) - fewer
        yield VolumeStep(VolumeAct.SHRINK, runner, volume, brick, copies)
    if not missing and not strange:
        yield from _lost(view, runner, volume)
    if any(settings.options.get(name) != value for name, value in volume.options.items()):
        yield VolumeStep(VolumeAct.SET, runner, volume)
    if not settings.started:
        yield VolumeStep(VolumeAct.START, runner, volume)


def _is_gone(seen: NodeState, brick: str) -> bool:
    """Whether the node of a brick is a peer that is out of gluster's sight."""
    address = brick.partition(":")[0]
    return any(address in peer.names and not peer.connected for peer in seen.gluster_peers)


def _lost(view: View, runner: str, volume: DesiredVolume) -> Iterator[VolumeStep]:
    """Make copies anew whose folders are gone: nothing is lost by that, if all others are there.

    One that would lie on the root file system instead was refused before (`brick_objections`).
    """
    states = {
        f"{want.pool[node.name]}:{own.brick}": copy.brick.state
        for want, node in view.pairs()
        for own in want.volumes
        for copy in [node.copies.get(volume.name)]
        if own.name == volume.name and own.brick and copy and copy.brick
    }
    gone = [brick for brick, state in states.items() if state == "gone"]
    others = [brick for brick in volume.bricks if brick not in gone]
    if all(states.get(brick) == "marked" for brick in others):
        for brick in gone:
            yield VolumeStep(VolumeAct.RESET, runner, volume, brick)


def _leftovers(view: View, seen: NodeState) -> Iterator[VolumeStep]:
    """Take peers out of the pool that are described no more, out of sight, and hold no copy.

    The last of a node's copies goes in the same run.
    """
    pool = view.desired[seen.name].pool
    described = {brick for volume in view.desired[seen.name].volumes for brick in volume.bricks}
    kept = {
        brick.partition(":")[0]
        for name, settings in seen.volumes.items()
        for brick in settings.bricks
        if brick in described or name not in {v.name for v in view.desired[seen.name].volumes}
    }
    for peer in seen.gluster_peers:
        if not peer.connected and not peer.names & ({*pool.values()} | kept):
            address = next((each for each in sorted(peer.names) if not _UUID.fullmatch(each)), None)
            if address:
                yield VolumeStep(VolumeAct.DETACH, seen.name, None, address)


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
        bricks = (step.subject,) if step.act in MAKING else ()
    addresses = {brick.partition(":")[0] for brick in bricks}
    seen = {each.name for each in view.state.seen}
    pool = next(iter(view.desired.values())).pool
    return [n for n, a in pool.items() if a in addresses and not (n in active and n in seen)]
