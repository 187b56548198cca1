"""Volumes as gluster's own XML tells of them. What is missing or no number is unknown, never 0.

The shapes are those of GlusterFS 10 and 11 (cli/src/cli-xml-output.c, heal/src/glfs-heal.c).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree

from selfbalance.errors import ObservationError

CONNECTED_IN_CLUSTER = 3
REJECTED = 6
"""States of a peer (glusterd-sm.h, `glusterd_friend_sm_state_t`)."""

UNANSWERED = "gluster did not answer within"
"""What stands in place of an answer that did not come in time."""

_HEALER = "Self-heal Daemon"


@dataclass(frozen=True)
class SeenPeer:
    """A peer, as one node's glusterd sees it: `state` is a number, `words` its own for it."""

    names: frozenset[str]
    connected: bool
    state: int
    words: str


def told_members(peers: Iterable[SeenPeer], anew: SeenPeer) -> int:
    """Count the nodes that a peer knows when it has been taken into a pool anew.

    They are itself, the one that has these peers, and those that are in the cluster for that one.
    """
    return 2 + sum(peer.state == CONNECTED_IN_CLUSTER for peer in peers if peer is not anew)


@dataclass(frozen=True)
class SeenSettings:
    """A volume's settings, as one node's glusterd has them. `bricks` are "ADDRESS:FOLDER"."""

    started: bool
    bricks: tuple[str, ...]
    replica: int
    arbiter: int
    options: Mapping[str, str]


@dataclass(frozen=True)
class SeenBrick:
    """A node's own folder for a volume. Sizes in bytes; `free` is what its owner may still write.

    `state` is "marked" where gluster knows it, "bare" where it does not, or "gone"; `on_root` says
    that its disk is the root file system's.
    """

    state: str
    on_root: bool
    total: int
    free: int


@dataclass(frozen=True)
class SeenCopy:
    """What a node has of a volume.

    `mount` is "works", "none", another file system's type, or "fails" and why.
    """

    brick: SeenBrick | None = None
    mount: str = "none"


@dataclass(frozen=True)
class HealCount:
    """Entries of a brick that others have to heal from it, and those in split-brain.

    What is being healed just now is `pending` too: gluster counts it apart.
    """

    pending: int
    split_brain: int


@dataclass(frozen=True)
class SeenVolume:
    """A volume as a whole, in the words of the one node that asked.

    `bricks` and `healers` say what is online, by "ADDRESS:FOLDER" and by address; `heals` are one
    or more counts by brick, each a number or the reason why there is none.
    """

    bricks: Mapping[str, bool] = field(default_factory=dict)
    healers: Mapping[str, bool] = field(default_factory=dict)
    heals: tuple[Mapping[str, HealCount | str], ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)


def read_peers(lines: Sequence[str]) -> Mapping[str, object]:
    """Read `gluster peer status --xml`."""
    if not lines:
        return {"gluster_peers": ()}
    peers = _answer(lines).findall("peerStatus/peer")
    return {
        "gluster_peers": tuple(
            SeenPeer(
                names=frozenset(
                    each.text or "" for each in (*peer.iter("hostname"), *peer.iter("uuid"))
                ),
                connected=_number(peer, "connected") == 1,
                state=_number(peer, "state"),
                words=_text(peer, "stateStr"),
            )
            for peer in peers
        )
    }


def read_settings(lines: Sequence[str]) -> Mapping[str, object]:
    """Read `gluster volume info --xml`."""
    if not lines:
        return {"volumes": {}}
    volumes = _answer(lines).findall("volInfo/volumes/volume")
    return {"volumes": {_text(volume, "name"): _settings(volume) for volume in volumes}}


def _settings(volume: ElementTree.Element) -> SeenSettings:
    return SeenSettings(
        started=_number(volume, "status") == 1,
        bricks=tuple(_text(brick, "name") for brick in volume.findall("bricks/brick")),
        replica=_number(volume, "replicaCount"),
        arbiter=_number(volume, "arbiterCount"),
        options={
            _text(option, "name"): option.findtext("value") or ""
            for option in volume.findall("options/option")
        },
    )


def read_copies(lines: Sequence[str]) -> Mapping[str, object]:
    """Read lines of "VOLUME brick|mount VALUE...", as observe.sh prints them."""
    found: dict[str, dict[str, object]] = {}
    for line in lines:
        volume, kind, rest = line.split(None, 2)
        copy = found.setdefault(volume, {})
        if kind == "brick":
            copy["brick"] = _brick(rest)
        elif kind == "mount":
            copy["mount"] = rest
        else:
            raise ValueError(f"neither brick nor mount: {line!r}")
    return {"copies": {name: SeenCopy(**each) for name, each in found.items()}}  # type: ignore[arg-type]


def _brick(text: str) -> SeenBrick:
    state, disk, unit, total, free = text.split()
    if state not in ("marked", "bare", "gone") or disk not in ("root", "own"):
        raise ValueError(f"no state of a brick: {text!r}")
    return SeenBrick(state, disk == "root", int(unit) * int(total), int(unit) * int(free))


def read_op_version(lines: Sequence[str]) -> Mapping[str, object]:
    """Read the number of the version by which this node's glusterd works; 0 where there is none."""
    return {"op_version": int(lines[0]) if lines else 0}


def parse_volumes(address: str, text: str) -> Mapping[str, SeenVolume]:
    """Read what observe_volumes.sh printed on the node with that address.

    Raises `ObservationError` where it was cut short; an answer that cannot be read is `unknown`.
    """
    sections = dict(_sections(text))
    if ("end", "-") not in sections:
        raise ObservationError("what gluster said of its volumes was cut short")
    names = dict.fromkeys(volume for _, volume in sections if volume != "-")
    return {name: _volume(address, sections, name) for name in names}


def _sections(text: str) -> Iterator[tuple[tuple[str, str], list[str]]]:
    for part in re.split(r"(?m)^##", text)[1:]:
        head, *lines = part.splitlines() or [""]
        what, _, name = head.partition(" ")
        yield (what, name), lines


def _volume(
    address: str, sections: Mapping[tuple[str, str], Sequence[str]], name: str
) -> SeenVolume:
    unknown, heals = dict[str, str](), list[Mapping[str, HealCount | str]]()
    bricks, healers = dict[str, bool](), dict[str, bool]()
    for what in ("status", "heal", "again"):
        try:
            answer = _answer(sections[what, name])
            if what == "status":
                bricks, healers = _status(answer, address)
            else:
                heals.append(_heal(answer))
        except (KeyError, ValueError) as error:
            unknown[what] = str(error)
    return SeenVolume(bricks, healers, tuple(heals), unknown)


def _status(answer: ElementTree.Element, address: str) -> tuple[dict[str, bool], dict[str, bool]]:
    """Read `gluster volume status NAME --xml`: bricks, and self-heal daemons by address.

    A node that is not connected, or rejected, is not in it at all.
    """
    bricks, healers = dict[str, bool](), dict[str, bool]()
    for node in answer.iterfind("volStatus/volumes/volume/node"):
        online = _number(node, "status") == 1
        host, path = _text(node, "hostname"), _text(node, "path")
        if host == _HEALER:
            healers[address if path == "localhost" else path] = online
        elif path.startswith("/"):
            bricks[f"{host}:{path}"] = online
    return bricks, healers


def _heal(answer: ElementTree.Element) -> dict[str, HealCount | str]:
    """Read `gluster volume heal NAME info summary --xml`.

    Of a brick that does not answer, its status has the reason, and the counts are "-", or missing.
    """
    bricks = answer.findall("healInfo/bricks/brick")
    if not bricks:
        raise ValueError("gluster counted no brick's entries")
    return {_text(brick, "name"): _heal_count(brick) for brick in bricks}


def _heal_count(brick: ElementTree.Element) -> HealCount | str:
    status = _text(brick, "status")
    try:
        if status != "Connected":
            raise ValueError(status.removesuffix("totalNumberOfEntries0"))
        return HealCount(
            # An entry whose lock the self-heal daemon holds is in the second one only
            # (afr-common.c, afr_update_heal_status): a large file, as long as it is copied.
            _count(brick, "numberOfEntriesInHealPending")
            + _count(brick, "numberOfEntriesPossiblyHealing"),
            _count(brick, "numberOfEntriesInSplitBrain"),
        )
    except ValueError as error:
        return str(error)


def _count(brick: ElementTree.Element, name: str) -> int:
    count = _number(brick, name)
    if count < 0:
        raise ValueError(f"{name} is {count}, no count")
    return count


def _answer(lines: Sequence[str]) -> ElementTree.Element:
    """Return what gluster answered. Raises `ValueError` with its own words where it refused."""
    if lines and lines[0].startswith("!"):
        raise ValueError(lines[0][1:])
    try:
        answer = ElementTree.fromstring("\n".join(lines))  # noqa: S314 - from our own node's root
    except ElementTree.ParseError as error:
        raise ValueError(f"gluster's answer is no XML: {error}") from None
    if _number(answer, "opRet") != 0:
        raise ValueError(answer.findtext("opErrstr") or "gluster refused, and did not say why")
    return answer


def _text(element: ElementTree.Element, name: str) -> str:
    text = element.findtext(name)
    if text is None:
        raise ValueError(f"gluster tells no {name}")
    return text


def _number(element: ElementTree.Element, name: str) -> int:
    text = _text(element, name)
    if not re.fullmatch(r"-?[0-9]+", text):
        raise ValueError(f"{name} is {text!r}, no number")
    return int(text)
