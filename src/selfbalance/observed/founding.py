"""A keepalived.conf that is not ours: whether it is of the 2013 design, and how it speaks VRRP.

That design keeps BACKUPs from balancing again by notify scripts, which save, clear and restore the
IPVS table. Read strictly: what is not known of it here, nobody should guess at.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_interface

from selfbalance.model.words import IPAddress


@dataclass(frozen=True)
class FoundingInstance:
    """How a VRRP instance speaks: what its peers have to have alike, and its own priority.

    `advert_s` are seconds; `advertised` are those of the `vips` that adverts name; `peers` are None
    where adverts are multicast.
    """

    name: str
    interface: str
    vrid: int
    version: int
    advert_s: float
    password: bool
    priority: int
    vips: frozenset[IPAddress]
    advertised: frozenset[IPAddress]
    peers: frozenset[IPAddress] | None


@dataclass(frozen=True)
class FoundingService:
    """A virtual server: its scheduler in the kernel's word, its realservers by address and port."""

    vip: IPAddress
    port: int
    scheduler: str
    realservers: frozenset[tuple[IPAddress, int]]


@dataclass(frozen=True)
class SeenFounding:
    """A keepalived.conf that is not ours. `strange` says why it is not of the 2013 design.

    `scripts` are its notify scripts, with what they do to the IPVS table: save, clear, restore;
    `snapshots` are the files that they keep it in, as far as those are there; `sysctls` are files
    that set what we set too.
    """

    instances: tuple[FoundingInstance, ...] = ()
    services: tuple[FoundingService, ...] = ()
    scripts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    snapshots: tuple[str, ...] = ()
    sysctls: tuple[str, ...] = ()
    strange: str = ""

    @property
    def words(self) -> str:
        """What it is, in a line for a person."""
        if self.strange:
            return f"neither selfbalance's nor of the 2013 design: {self.strange}"
        (instance,) = self.instances
        snapshots = f" in {' '.join(self.snapshots)}" if self.snapshots else ""
        return (
            f"of the 2013 design: VRRP version {instance.version}, VRID {instance.vrid}, "
            f"priority {instance.priority}, an advert each {instance.advert_s:g} s by "
            f"{'multicast' if instance.peers is None else 'unicast'}, "
            f"{'a password' if instance.password else 'no password'}; notify scripts "
            f"{_and(sorted({deed for deeds in self.scripts.values() for deed in deeds}))} "
            f"the IPVS table{snapshots}"
        )


def read_founding(lines: Sequence[str]) -> Mapping[str, object]:
    """Read "by selfbalance", "by nobody" or "by another": who wrote the keepalived.conf.

    Of another's there are "conf LINE", "script PATH LINE", "snapshot PATH" and "sysctl PATH". While
    a node is taken over, "adopting NUMBER", and "left PATH" for each replaced file that is still in
    its old place. Raises `ValueError` on other lines, and if nobody is named.
    """
    rows: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind not in rows:
            raise ValueError(f"not about a foreign keepalived.conf: {line!r}")
        rows[kind].append(rest)
    if rows["by"] not in (["selfbalance"], ["nobody"], ["another"]):
        raise ValueError(f"who wrote keepalived.conf is not known: {rows['by']}")
    return {
        "founding": _founding(rows) if rows["by"] == ["another"] else None,
        "adopting": int(rows["adopting"][0]) if rows["adopting"] else None,
        "left": tuple(rows["left"]),
    }


_KINDS = ("by", "conf", "script", "snapshot", "sysctl", "adopting", "left")


def _founding(rows: Mapping[str, Sequence[str]]) -> SeenFounding:
    seen = SeenFounding(
        scripts=_scripts(rows["script"]),
        snapshots=tuple(rows["snapshot"]),
        sysctls=tuple(rows["sysctl"]),
    )
    try:
        blocks = _blocks(rows["conf"])
        seen = replace(seen, instances=tuple(_instances(blocks)), services=tuple(_services(blocks)))
    except _StrangeError as strange:
        return replace(seen, strange=str(strange))
    return replace(seen, strange=_not_of_2013(seen))


def _not_of_2013(seen: SeenFounding) -> str:
    deeds = {deed for each in seen.scripts.values() for deed in each}
    if len(seen.instances) != 1:
        return f"it has {len(seen.instances)} VRRP instances, not one"
    if lacking := sorted(set(_DEEDS) - deeds):
        return f"no notify script that could be read does {_and(lacking)} the IPVS table"
    return ""


# What the scripts do.

_DEEDS = {
    "clear": re.compile(r"\bipvsadm\b.*(\s-C\b|\s--clear\b)"),
    "restore": re.compile(r"\bipvsadm(-restore\b|\b.*(\s-R\b|\s--restore\b))"),
    "save": re.compile(r"\bipvsadm(-save\b|\b.*(\s-S\w*\b|\s--save\b))"),
}


def _scripts(rows: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """Read "PATH LINE" of what may touch the table, and "PATH" once for each script."""
    scripts: dict[str, set[str]] = {}
    for row in rows:
        path, _, line = row.partition(" ")
        deeds = scripts.setdefault(path, set())
        deeds |= {deed for deed, pattern in _DEEDS.items() if pattern.search(line)}
    return {path: frozenset(deeds) for path, deeds in scripts.items()}


# The configuration (keepalived.conf(5)).


class _StrangeError(Exception):
    """There is something that we do not know how to take over."""


@dataclass(frozen=True)
class _Block:
    words: tuple[str, ...]
    inside: tuple[_Block, ...] = ()


def _blocks(lines: Iterable[str]) -> tuple[_Block, ...]:
    """Return the statements of a configuration, each with those in its braces."""
    stack: list[list[_Block]] = [[]]
    opened: list[tuple[str, ...]] = []
    for words in _statements(lines):
        if words == ("{",):
            if not stack[-1] or stack[-1][-1].inside:
                raise _StrangeError("it has a brace that opens nothing")
            opened.append(stack[-1].pop().words)
            stack.append([])
        elif words == ("}",):
            if not opened:
                raise _StrangeError("it has a brace that closes nothing")
            inside = tuple(stack.pop())
            stack[-1].append(_Block(opened.pop(), inside))
        elif words[0] in ("include", "includer", "includem", "includew", "includeb") or (
            words[0][0] in "$@~"
        ):
            raise _StrangeError(f"it is not whole in one file: {' '.join(words)}")
        else:
            stack[-1].append(_Block(words))
    if opened:
        raise _StrangeError(f"{' '.join(opened[-1])} has no closing brace")
    return tuple(stack[0])


def _statements(lines: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Yield what a line says, and each brace by itself. "#" and "!" begin a comment."""
    for line in lines:
        text = re.split(r"(?:^|\s)[#!]", line, maxsplit=1)[0]
        for part in re.split(r"([{}])", text):
            try:
                words = tuple(shlex.split(part))
            except ValueError:
                raise _StrangeError(f"this line cannot be read: {line.strip()}") from None
            if words:
                yield words


_PLAIN = {
    *("state", "interface", "virtual_router_id", "priority", "advert_int", "version"),
    *("virtual_ipaddress", "virtual_ipaddress_excluded", "authentication", "nopreempt"),
    *("preempt_delay", "unicast_src_ip", "unicast_peer", "mcast_src_ip", "smtp_alert", "debug"),
    *("dont_track_primary", "notify", "notify_master", "notify_backup", "notify_fault"),
    *("notify_stop", "garp_master_delay", "garp_master_repeat", "garp_master_refresh"),
    *("garp_master_refresh_repeat", "garp_lower_prio_delay", "garp_lower_prio_repeat"),
}
"""Of a VRRP instance: what changes neither its priority while it runs nor where its VIPs are."""


def _instances(blocks: Iterable[_Block]) -> Iterator[FoundingInstance]:
    blocks = tuple(blocks)
    version = next(
        (int(each.words[1]) for each in _of(blocks, "global_defs") if each.words[0] == _VERSION), 2
    )
    for block in blocks:
        if block.words[0] == "vrrp_instance":
            try:
                yield _instance(block, version)
            except (ValueError, IndexError, KeyError) as error:
                raise _StrangeError(f"its {' '.join(block.words)}: {error}") from None


_VERSION = "vrrp_version"


def _instance(block: _Block, version: int) -> FoundingInstance:
    inside = {each.words[0]: each for each in block.inside}
    if unknown := sorted(inside.keys() - _PLAIN):
        raise _StrangeError(f"its {' '.join(block.words)} has {_and(unknown)}")
    auth = {each.words[0]: each.words[1:] for each in _of([block], *block.words[:1], _AUTH)}
    kind = auth.get("auth_type", ("none",))[0].upper()
    if auth and kind != "PASS":
        raise _StrangeError(f"its {' '.join(block.words)} has auth_type {kind}")
    version = int(_value(inside, "version", str(version)))
    return FoundingInstance(
        name=block.words[1],
        interface=_value(inside, "interface"),
        vrid=int(_value(inside, "virtual_router_id")),
        version=version,
        advert_s=float(_value(inside, "advert_int", "1")),
        # Version 3 has none; keepalived says so and goes on without.
        password=bool(auth) and version == 2,
        priority=int(_value(inside, "priority", "100")),
        vips=_addresses(inside, "virtual_ipaddress", "virtual_ipaddress_excluded"),
        advertised=_addresses(inside, "virtual_ipaddress"),
        peers=_addresses(inside, "unicast_peer") if "unicast_peer" in inside else None,
    )


_AUTH = "authentication"


def _addresses(inside: Mapping[str, _Block], *names: str) -> frozenset[IPAddress]:
    return frozenset(
        ip_interface(each.words[0]).ip
        for name in names
        if name in inside
        for each in inside[name].inside
    )


def _value(inside: Mapping[str, _Block], key: str, default: str | None = None) -> str:
    if key in inside:
        return inside[key].words[1]
    if default is None:
        raise ValueError(f"{key} is missing")
    return default


def _of(blocks: Iterable[_Block], *path: str) -> Iterator[_Block]:
    """Yield what is inside of the blocks of these names, one in the other."""
    first, *rest = path
    for block in blocks:
        if block.words[0] == first:
            yield from _of(block.inside, *rest) if rest else block.inside


_LOST = {"persistence_timeout", "persistence_granularity", "sorry_server"}
"""Of a virtual server: what a client would miss, as no description has it."""


_NO_ADDRESS = {("virtual_server", "group"), ("virtual_server", "fwmark")}


def _services(blocks: Iterable[_Block]) -> Iterator[FoundingService]:
    for block in blocks:
        kind = block.words[0]
        if kind == "virtual_server_group" or block.words[:2] in _NO_ADDRESS:
            raise _StrangeError(f"it has {' '.join(block.words)}, not an address and a port")
        if kind == "virtual_server":
            try:
                yield _service(block)
            except (ValueError, IndexError) as error:
                raise _StrangeError(f"its {' '.join(block.words)}: {error}") from None


def _service(block: _Block) -> FoundingService:
    has = {each.words[0]: each.words for each in block.inside}
    if lost := sorted(has.keys() & _LOST):
        raise _StrangeError(f"its {' '.join(block.words)} has {_and(lost)}")
    method = (has.get("lb_kind") or has.get("lvs_method") or ("", "NAT"))[1]
    if method.upper() != "DR" or has.get("protocol", ("", "TCP"))[1].upper() != "TCP":
        raise _StrangeError(f"its {' '.join(block.words)} is not TCP by direct routing")
    return FoundingService(
        ip_address(block.words[1]),
        int(block.words[2]),
        (has.get("lb_algo") or has.get("lvs_sched") or ("", "wlc"))[1],
        frozenset(
            (ip_address(each.words[1]), int(each.words[2]))
            for each in block.inside
            if each.words[0] == "real_server"
        ),
    )


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1] if words else ""]))
