"""Gate `volumes`: every copy is there, online and healed, and every node reads and writes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from selfbalance.desired import DesiredNode, DesiredVolume
from selfbalance.gates.view import View
from selfbalance.observed import HealCount, NodeState, SeenSettings, SeenVolume
from selfbalance.observed.volumes import CONNECTED_IN_CLUSTER, REJECTED, UNANSWERED, told_members
from selfbalance.plugins import Problem, Verdict

FULL_PERCENT = 2
"""Free, and less: gluster itself refuses to write at 1 (storage.reserve)."""

LOW_PERCENT = 10
"""Free, and less: time to say so."""


def volumes(view: View) -> Verdict | None:
    """Compare peers, copies, mounts and heals with what is described; None without a volume."""
    if not view.cluster.volumes:
        return None
    problems = [*_peers(view), *_settings(view)]
    told = _told(view)
    for want, seen in view.pairs():
        problems += _copies(want, seen, told.volumes if told else {})
    problems += _whole(view, {problem.node for problem in problems})
    return Verdict(_words(view), tuple(problems), tuple(_notes(view)))


def _words(view: View) -> str:
    seen = {node.name: node for node in view.state.seen}
    return ", ".join(
        f"{volume.name} has {sum(each.name in seen for each in view.cluster.holders_of(volume))} "
        f"copies, healed, mounted on {len(seen)} nodes"
        for volume in view.cluster.volumes
    )


# --- peers: every node's own view of every other


def _peers(view: View) -> Iterator[Problem]:
    """Name each node that others do not see well, the one that most say so of first."""
    wrong = {name: dict(_complaints(view, name)) for name in view.desired}
    told = set[frozenset[str]]()
    for name in sorted(wrong, key=lambda each: -len(wrong[each])):
        said_by = {by: said for by, said in wrong[name].items() if {by, name} not in told}
        told |= {frozenset({by, name}) for by in said_by}
        for said in dict.fromkeys(said_by.values()):
            by = [each for each, what in said_by.items() if what == said]
            yield Problem(f"{name} {said}, says {' and '.join(by)}", name, _remedy(view, name, by))


def _complaints(view: View, name: str) -> Iterator[tuple[str, str]]:
    """Yield who sees this node as no good peer, and as what; one that is down is told elsewhere."""
    if name not in {seen.name for seen in view.state.seen}:
        return
    for want, seen in view.pairs():
        if seen.name == name or "pool" in seen.unknown:
            continue
        peer = next((p for p in seen.gluster_peers if want.pool[name] in p.names), None)
        if peer is None:
            yield seen.name, "is no peer of gluster's pool"
        elif peer.state == REJECTED:
            yield seen.name, "is rejected by gluster's pool: its volume files differ"
        elif peer.state != CONNECTED_IN_CLUSTER:
            yield seen.name, f"is in state {peer.state} in gluster's pool ({peer.words})"
        elif not peer.connected:
            yield seen.name, "is not connected in gluster's pool"


def _remedy(view: View, name: str, by: list[str]) -> str:
    folder, pool = "/var/lib/glusterd", view.desired[name].pool
    rejections = [
        (seen, peer)
        for seen in view.state.seen
        if seen.name in by
        for peer in seen.gluster_peers
        if pool[name] in peer.names and peer.state == REJECTED
    ]
    if rejections and len(by) == 1:
        return (
            f"which of the two is wrong? compare {folder}/vols on all nodes; status.py with more "
            "nodes up tells"
        )
    if rejections:
        seen, peer = rejections[0]
        # It does not start while it knows a volume, and not yet all peers that hold it.
        members = told_members(seen.gluster_peers, peer)
        return (
            f"on {name}: systemctl stop glusterd; mv {folder} {folder}.old; mkdir {folder}; "
            f"cp {folder}.old/glusterd.info {folder}/; systemctl start glusterd; "
            f"gluster peer probe {pool[seen.name]}; "
            f"timeout 60 sh -c 'until [ $(gluster pool list | wc -l) -gt {members} ]; "
            "do sleep 1; done' && systemctl restart glusterd"
        )
    return f"on {name}: systemctl status glusterd; is port 24007 open between the nodes?"


# --- what gluster has been told


def _told(view: View) -> NodeState | None:
    """Return the node whose word on the volumes' settings counts; None where nobody has one."""
    observer = view.state.observer
    return next((each for each in view.state.seen if each.name == observer), None)


def _settings(view: View) -> Iterator[Problem]:
    seen = _told(view)
    if seen is None:
        return  # That nobody could be asked, `_whole` says.
    for volume in view.desired[seen.name].volumes:
        settings = seen.volumes.get(volume.name)
        if settings is None:
            yield Problem(f"there is no volume {volume.name}", None, "make it: run cluster.py")
            continue
        if not settings.started:
            yield Problem(f"volume {volume.name} is not started", None, "start it: run cluster.py")
        if {*settings.bricks} != {*volume.bricks}:
            yield Problem(
                f"volume {volume.name} has the bricks {' '.join(settings.bricks)}, and should have "
                f"{' '.join(volume.bricks)}",
                None,
                _DRY,
            )
        else:
            yield from _kind(volume, settings)
        for name, value in volume.options.items():
            found = settings.options.get(name)
            if found != value:
                yield Problem(
                    f"volume {volume.name}: {name} is {found or 'not set'}, and should be {value}",
                    None,
                    "set it: run cluster.py",
                )


_DRY = "see what cluster.py would change: run it with --dry"


def _kind(volume: DesiredVolume, settings: SeenSettings) -> Iterator[Problem]:
    """Say where the described bricks are no copies of each other, or the arbiter is missing."""
    want = (len(volume.bricks), int(volume.arbiter))
    if (settings.replica, settings.arbiter) != want:
        yield Problem(
            f"volume {volume.name} has {_copies_in_words(settings.replica, settings.arbiter)}, and "
            f"should have {_copies_in_words(*want)}",
            None,
            _DRY,
        )


def _copies_in_words(replica: int, arbiter: int) -> str:
    words = "1 copy" if replica == 1 else f"{replica} copies"
    return f"{words} and an arbiter among them" if arbiter else words


# --- what each node has


def _copies(
    want: DesiredNode, seen: NodeState, made: Mapping[str, SeenSettings]
) -> Iterator[Problem]:
    """Compare a node's own part of each volume; one that is not made yet has mounts only."""
    if "copies" in seen.unknown:
        return
    for volume in want.volumes:
        if volume.name in made:
            yield from _brick(want, volume, seen)
            yield from _known(volume, seen)
        yield from _mount(volume, seen)


def _brick(want: DesiredNode, volume: DesiredVolume, seen: NodeState) -> Iterator[Problem]:
    copy = seen.copies.get(volume.name)
    brick = copy.brick if copy else None
    if volume.brick is None:
        return
    if brick is None:
        yield Problem(
            f"{seen.name}: nothing is known of its copy of {volume.name}",
            seen.name,
            f"on {seen.name}: ls {volume.brick}; then look again",
        )
    elif brick.state != "marked":
        own = f"{want.pool[seen.name]}:{volume.brick}"
        state = "is gone" if brick.state == "gone" else "is empty: gluster does not know it"
        yield Problem(
            f"{seen.name}: {volume.brick}, its copy of {volume.name}, {state}",
            seen.name,
            f"on {seen.name}: if its disk is not mounted, mount it and systemctl restart glusterd; "
            f"for a new copy: {_new_copy(volume, own)}",
        )
    elif brick.free * 100 <= brick.total * FULL_PERCENT:
        yield Problem(
            f"{seen.name}: the disk of {volume.brick}, its copy of {volume.name}, is full: "
            f"{_sizes(brick.free, brick.total)}",
            seen.name,
            f"on {seen.name}: what lies there beside the copy? delete it, or delete through "
            f"{volume.mount}, or give it a larger disk; the copy is healed some minutes later",
        )


def _new_copy(volume: DesiredVolume, own: str) -> str:
    """Return the commands that have a copy made anew from the others (gluster(8), reset-brick)."""
    return (
        f"gluster volume reset-brick {volume.name} {own} start; mkdir -p {volume.brick}; "
        f"gluster volume reset-brick {volume.name} {own} {own} commit force"
    )


def _sizes(free: int, total: int) -> str:
    return f"{free // 2**20} of {total // 2**20} MiB are free"


def _known(volume: DesiredVolume, seen: NodeState) -> Iterator[Problem]:
    if volume.name not in seen.volumes and "volumes" not in seen.unknown:
        yield Problem(
            f"{seen.name}: its glusterd does not know volume {volume.name}",
            seen.name,
            f"on {seen.name}: systemctl restart glusterd; gluster peer status",
        )


def _mount(volume: DesiredVolume, seen: NodeState) -> Iterator[Problem]:
    copy = seen.copies.get(volume.name)
    state = copy.mount if copy else "none"
    if state == "works":
        return
    if state.startswith("fails"):
        what = f"cannot be written and read: {state.removeprefix('fails').strip() or 'no word why'}"
        remedy = f"on {seen.name}: systemctl restart '{volume.mount_unit}'; are 2 copies online?"
    elif state == "none":
        what, remedy = "is not mounted", f"on {seen.name}: systemctl restart '{volume.mount_unit}'"
    else:
        what, remedy = f"is a mount of {state}, not of the volume", "see /etc/fstab there"
    yield Problem(f"{seen.name}: {volume.mount} ({volume.name}) {what}", seen.name, remedy)


def _notes(view: View) -> Iterator[Problem]:
    for want, seen in view.pairs():
        for volume in want.volumes:
            brick = seen.copies[volume.name].brick if volume.name in seen.copies else None
            if brick and FULL_PERCENT < brick.free * 100 / max(1, brick.total) <= LOW_PERCENT:
                yield Problem(
                    f"{seen.name}: the disk of {volume.brick} gets full: "
                    f"{_sizes(brick.free, brick.total)}",
                    seen.name,
                    "make room while there is time: what is then written is on the others only",
                )


# --- the volume as a whole, in the observer's words


def _whole(view: View, unwell: set[str | None]) -> Iterator[Problem]:
    """What already has a name on a node is not told again; it is a problem all the same."""
    shared, told = view.state.shared, _told(view)
    if shared.unknown or not shared.observer or told is None:
        yield Problem(
            f"the volumes could not be asked for: {shared.unknown or 'no node could be asked'}",
            None,
            "on any node: systemctl status glusterd; gluster volume status",
        )
        return
    want = view.desired[shared.observer]
    unwell |= {node.name for node in view.state.unobserved}
    for volume in want.volumes:
        if volume.name in told.volumes:  # That it is not there at all, `_settings` says.
            seen = shared.volumes.get(volume.name, SeenVolume(unknown={"status": "not asked"}))
            yield from _online(want, volume, seen, unwell)
            yield from _heals(want, volume, seen, unwell)


def _online(
    want: DesiredNode, volume: DesiredVolume, seen: SeenVolume, unwell: set[str | None]
) -> Iterator[Problem]:
    if "status" in seen.unknown:
        yield Problem(
            f"which copies of {volume.name} are online is not known: {seen.unknown['status']}",
            None,
            f"on {want.name}: gluster volume status {volume.name}; a node that lost power makes it "
            "wait for 2 min",
        )
        return
    for brick in volume.bricks:
        node = _node_of(want, brick)
        if node in unwell:
            continue
        if not seen.bricks.get(brick):
            yield Problem(
                f"{node}: its copy of {volume.name} is not online: {brick}",
                node,
                f"on {node}: tail /var/log/glusterfs/bricks/*.log; then "
                f"gluster volume start {volume.name} force",
            )
        elif not seen.healers.get(brick.partition(":")[0]):
            yield Problem(
                f"{node}: the self-heal daemon of {volume.name} does not run",
                node,
                f"on {node}: systemctl restart glusterd",
            )


def _heals(
    want: DesiredNode, volume: DesiredVolume, seen: SeenVolume, unwell: set[str | None]
) -> Iterator[Problem]:
    info = f"on {want.name}: gluster volume heal {volume.name} info"
    reasons = {seen.unknown[each] for each in ("heal", "again") if each in seen.unknown}
    if not seen.heals and not reasons:
        reasons = {"nobody has counted"}
    for said in sorted(reasons):
        # Gluster takes a lock for each entry that it counts: it waits for who heals it, or writes.
        waits = said.startswith(UNANSWERED)
        away = _away(want, volume, seen) if waits else set()
        yield Problem(
            f"what of {volume.name} has to be healed is not known: {said}",
            next(iter(away)) if len(away) == 1 else None,
            f"{info} summary",
            passes=waits and not away,
        )
    counts = {(b, _count(sample, b)) for sample in seen.heals for b in volume.bricks}
    for brick, said in sorted((brick, said) for brick, said in counts if isinstance(said, str)):
        node = _node_of(want, brick)
        if node not in unwell:
            yield Problem(
                f"what of {volume.name} has to be healed from {node} is not known: {said}",
                node,
                f"{info} summary",
            )
    known = [count for _, count in counts if isinstance(count, HealCount)]
    if split := max((count.split_brain for count in known), default=0):
        yield Problem(
            f"volume {volume.name}: {_entries(split)} in split-brain: copies differ, and gluster "
            "cannot know which is right",
            None,
            f"{info} split-brain; choose one, e.g. "
            f"gluster volume heal {volume.name} split-brain latest-mtime FILE",
        )
    if pending := max((count.pending for count in known), default=0):
        yield Problem(
            f"volume {volume.name}: {_entries(pending)} still to be healed",
            None,
            f"it goes on by itself; {info} summary",
            passes=True,
        )


def _away(want: DesiredNode, volume: DesiredVolume, seen: SeenVolume) -> set[str]:
    """Return the nodes whose copy, or who heals it, is not online: what they miss piles up."""
    return {
        _node_of(want, brick)
        for brick in volume.bricks
        if not (seen.bricks.get(brick) and seen.healers.get(brick.partition(":")[0]))
    }


def _count(sample: Mapping[str, HealCount | str], brick: str) -> HealCount | str:
    return sample.get(brick, "gluster does not name it")


def _entries(number: int) -> str:
    return "1 file or folder is" if number == 1 else f"{number} files or folders are"


def _node_of(want: DesiredNode, brick: str) -> str:
    address = brick.partition(":")[0]
    return next(name for name, each in want.pool.items() if each == address)
