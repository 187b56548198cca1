"""What the observing script prints on a node that is in a given state: the parser's inverse."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable
from dataclasses import replace

from selfbalance import Cluster
from selfbalance.desired import DesiredNode, places
from selfbalance.model.words import IPAddress
from selfbalance.observed import NodeState, Role, SeenService, parse


def printed(state: NodeState, want: DesiredNode) -> str:
    """The text of a whole look. Sections in `state.unknown` say so and hold nothing."""
    lines = ["##format", "1"]
    printers = {n: p for n, p in _PRINTERS.items() if want.volumes or n not in OF_VOLUMES}
    for section, print_ in printers.items():
        lines.append(f"##{section}")
        reason = state.unknown.get(section)
        lines += [f"!{reason}"] if reason else print_(state, want)
    return "\n".join((*lines, "##end")) + "\n"


def without(state: NodeState, want: DesiredNode, section: str) -> NodeState:
    """The state whose `section` could not be read."""
    unknown = {**state.unknown, section: f"{section} went wrong"}
    return parse(state.name, printed(replace(state, unknown=unknown), want))


def section_of(text: str, section: str) -> list[str]:
    """The lines of one section."""
    lines = text.splitlines()
    begin = lines.index(f"##{section}") + 1
    end = next(at for at in range(begin, len(lines)) if lines[at].startswith("##"))
    return lines[begin:end]


def with_section(text: str, section: str, lines: Iterable[str] | None) -> str:
    """The text with other lines in one section, or without the section."""
    old = section_of(text, section)
    head = f"##{section}\n"
    before, _, rest = text.partition(head)
    after = rest[len("".join(f"{line}\n" for line in old)) :]
    new = "" if lines is None else head + "".join(f"{line}\n" for line in lines)
    return before + new + after


SECTIONS = [
    "system",
    "packages",
    "files",
    "sysctls",
    "modules",
    "facts",
    "recorded",
    "addresses",
    "links",
    "resets",
    "marks",
    "units",
    "table",
    "kept",
    "sync",
    "demotion",
    "drained",
    "upgrade",
    "change",
    "listening",
    "sessions",
    "founding",
    "drop_in",
    "keepalived",
    "claims",
]
"""Everything that a look tells, beside `format` and `end`, where nothing is shared."""

OF_VOLUMES = ["pool", "volumes", "copies", "op_version"]
"""What it tells besides where volumes are described, behind `sessions`."""
_AT = SECTIONS.index("sessions") + 1
WITH_VOLUMES = [*SECTIONS[:_AT], *OF_VOLUMES, *SECTIONS[_AT:]]


def sections_of(cluster: Cluster) -> list[str]:
    """Everything that a look at a node of that cluster tells."""
    return WITH_VOLUMES if cluster.volumes else SECTIONS


def _system(state: NodeState, _want: DesiredNode) -> list[str]:
    return [
        state.name,
        state.boot_id,
        state.kernel,
        'VERSION_ID="12"',
        f"VERSION_CODENAME={state.version_codename}",
        f"ID={state.distribution}",
    ]


def _files(state: NodeState, _want: DesiredNode) -> list[str]:
    files = state.files.items()
    return [
        *(f"{file.sha256}  {path}" for path, file in files),
        *(f"={file.mode:o} {file.uid} {file.gid} {path}" for path, file in files),
    ]


def _facts(state: NodeState, _want: DesiredNode) -> list[str]:
    cpus = "0" if state.cores == 1 else f"0-{state.cores - 1}"
    return [cpus, f"MemTotal:       {state.memory_bytes // 1024} kB"]


def _addresses(state: NodeState, _want: DesiredNode) -> list[str]:
    return [
        f"{at}: {name}    inet{'6' if address.version == 6 else ''} "
        f"{address}/{address.max_prefixlen} scope global {name}\\       valid_lft forever"
        for at, (name, addresses) in enumerate(state.addresses.items(), 1)
        for address in sorted(addresses, key=str)
    ]


def _links(state: NodeState, want: DesiredNode) -> list[str]:
    more = "qdisc fq state UP mode DEFAULT group default qlen 1000"
    return [
        f"2: {want.interface}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu {state.mtu} {more}\\"
        f"    link/ether {state.mac} brd ff:ff:ff:ff:ff:ff",
        *(
            f"{at}: {name}@NONE: <NOARP,UP,LOWER_UP> mtu 1480 {more}\\    link/ipip 0.0.0.0"
            for at, name in enumerate(sorted(state.up), 3)
        ),
    ]


def _resets(state: NodeState, _want: DesiredNode) -> list[str]:
    return [
        *sorted(map(str, state.held_resets)),
        *(f"{vip} {size}" for vip, size in state.segments.items()),
    ]


def _units(state: NodeState, _want: DesiredNode) -> list[str]:
    return [
        line
        for name, unit in state.units.items()
        for line in (
            f"Id={name}",
            f"LoadState={unit.load}",
            f"ActiveState={unit.active}",
            f"SubState={unit.sub}",
            f"UnitFileState={unit.enabled}",
            f"NeedDaemonReload={'yes' if unit.needs_reload else 'no'}",
            "",
        )
    ]


def _table(state: NodeState, _want: DesiredNode) -> list[str]:
    return _services(state.table) if "ip_vs" in state.modules else []


def _kept(state: NodeState, want: DesiredNode) -> list[str]:
    return _services(state.kept) if want.apart else []


def _services(table: Iterable[SeenService]) -> list[str]:
    return [
        "IP Virtual Server version 1.2.1 (size=4096)",
        "Prot LocalAddress:Port Scheduler Flags",
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
        *(line for service in table for line in _service(service)),
    ]


def _service(service: SeenService) -> Iterable[str]:
    flags = f" ({','.join(sorted(service.flags))})" if service.flags else ""
    endpoint = _endpoint(service.vip, service.port)
    if service.protocol == "fwm":
        endpoint = f"{service.port}{' IPv6' if service.vip.version == 6 else ''}"
    yield f"{service.protocol.upper()}  {endpoint} {service.scheduler}{flags}"
    for real in service.realservers:
        yield (
            f"  -> {_endpoint(real.address, real.port):<28} {real.method:<7} {real.weight:<6} "
            f"{real.active_connections:<10} {real.inactive_connections:<10}"
        )


def _endpoint(address: IPAddress, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _marks(state: NodeState, want: DesiredNode) -> list[str]:
    """What `selfbalance-marks show` prints where nft marks."""
    if not state.marks.tool:
        return []
    lines = [f"tool {state.marks.tool}"]
    for table, version in (("ip", 4), ("ip6", 6)):
        marks = {m: to for m, to in state.marks.services.items() if to[0].version == version}
        if not marks:
            continue
        lines += [
            f"table {table} selfbalance {{",
            "\tchain clients {",
            "\t\ttype filter hook prerouting priority -150; policy accept;",
            f'\t\tiifname != "{want.interface}" return',
        ]
        peers = state.marks.peers.items()
        lines += [f"\t\tether saddr {mac} return" for mac, kept in peers if kept & {*marks}]
        lines += [
            f"\t\t{table} daddr {vip} tcp dport {port} meta mark set 0x{mark:08x}"
            for mark, (vip, port) in marks.items()
        ]
        lines += ["\t}", "}"]
    return lines


def _sync(state: NodeState, want: DesiredNode) -> list[str]:
    return [
        f"{kind} sync daemon (mcast={want.interface}, syncid=51, maxlen=1472, "
        "group=224.0.0.81, port=8848, ttl=1)"
        for kind in sorted(state.sync, reverse=True)
    ]


def _listening(state: NodeState, _want: DesiredNode) -> list[str]:
    """Words of 32 bits in the node's byte order, which is little-endian where Debian runs."""
    return [_hex(*endpoint) for endpoint in sorted(state.listening, key=str)]


def _hex(address: IPAddress, port: int) -> str:
    words = struct.iter_unpack("<I", address.packed)
    return "".join(f"{word:08X}" for (word,) in words) + f":{port:04X}"


def _drained(state: NodeState, _want: DesiredNode) -> list[str]:
    return [
        str(state.clock),
        *(
            f"{name} 1" if drain.since is None else f"{name} 65535 {drain.since} {drain.by}"
            for name, drain in state.drained.items()
        ),
    ]


def _drop_in(state: NodeState, _want: DesiredNode) -> list[str]:
    if not state.keepalived_active:
        return []
    return ["read" if state.drop_in_read else "unread"]


def _founding(state: NodeState, _want: DesiredNode) -> list[str]:
    """What is left of another design; of its keepalived.conf, tests have the text itself."""
    assert state.founding is None
    adopting = [] if state.adopting is None else [f"adopting {state.adopting}"]
    by = "selfbalance" if places.CONFIG in state.files else "nobody"
    return [*adopting, *(f"left {path}" for path in state.left), f"by {by}"]


_STATES = (Role.INIT, Role.BACKUP, Role.MASTER, Role.FAULT)


def _keepalived(state: NodeState, _want: DesiredNode) -> list[str]:
    rows = [
        {
            "data": {
                "iname": seen.name,
                "state": _STATES.index(seen.role),
                "base_priority": seen.base_priority,
                "effective_priority": seen.effective_priority,
            }
        }
        for seen in state.instances
    ]
    return [json.dumps(rows)] if rows else []


def _claims(state: NodeState, want: DesiredNode) -> list[str]:
    return [
        *(f"claim {vip} {mac}" for vip, macs in state.claims.items() for mac in sorted(macs)),
        *(f"peer {name} {want.peers[name]} {mac}" for name, mac in state.peer_macs.items()),
        *(f"answer {vip} {port} {name} {mac}" for (vip, port, name), mac in state.answers.items()),
    ]


ANSWER = """\
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<cliOutput>
  <opRet>0</opRet>
  <opErrno>0</opErrno>
  <opErrstr/>
  {}
</cliOutput>"""
"""What gluster prints, as XML."""


def _pool(state: NodeState, _want: DesiredNode) -> list[str]:
    peers = "".join(
        f"<peer><uuid>{uuid}</uuid><hostname>{names[0]}</hostname><hostnames>"
        + "".join(f"<hostname>{name}</hostname>" for name in names)
        + f"</hostnames><connected>{int(peer.connected)}</connected><state>{peer.state}</state>"
        f"<stateStr>{peer.words}</stateStr></peer>"
        for peer in state.gluster_peers
        for uuid, *names in [sorted(peer.names, key=lambda name: -len(name))]
    )
    return ANSWER.format(f"<peerStatus>{peers}</peerStatus>").splitlines()


def _volumes(state: NodeState, _want: DesiredNode) -> list[str]:
    volumes = "".join(
        f"<volume><name>{name}</name><status>{1 if seen.started else 2}</status>"
        f"<replicaCount>{seen.replica}</replicaCount><arbiterCount>{seen.arbiter}</arbiterCount>"
        "<bricks>"
        + "".join(f"<brick>{brick}<name>{brick}</name></brick>" for brick in seen.bricks)
        + "</bricks><options>"
        + "".join(
            f"<option><name>{key}</name><value>{value}</value></option>"
            for key, value in seen.options.items()
        )
        + "</options></volume>"
        for name, seen in state.volumes.items()
    )
    return ANSWER.format(f"<volInfo><volumes>{volumes}</volumes></volInfo>").splitlines()


_BLOCK_BYTES = 4096


def _copies(state: NodeState, _want: DesiredNode) -> list[str]:
    lines = []
    for name, copy in state.copies.items():
        if copy.brick:
            brick, disk = copy.brick, "root" if copy.brick.on_root else "own"
            sizes = f"{brick.total // _BLOCK_BYTES} {brick.free // _BLOCK_BYTES}"
            lines.append(f"{name} brick {brick.state} {disk} {_BLOCK_BYTES} {sizes}")
        lines.append(f"{name} mount {copy.mount}")
    return lines


_PRINTERS: dict[str, Callable[[NodeState, DesiredNode], list[str]]] = {
    "system": _system,
    "packages": lambda state, _: [f"{name} {v} ii " for name, v in state.packages.items()],
    "files": _files,
    "sysctls": lambda state, _: [
        f"/proc/sys/{name.replace('.', '/')}:{value.replace(' ', chr(9))}"
        for name, value in state.sysctls.items()
    ],
    "modules": lambda state, _: [
        *sorted(state.modules),
        *(f"-{module}" for module in sorted(state.unavailable)),
    ],
    "facts": _facts,
    "recorded": lambda state, _: [
        f"{name} {each.cores} {each.memory_bytes} {each.mac}"
        for name, each in state.recorded.items()
    ],
    "addresses": _addresses,
    "links": _links,
    "resets": _resets,
    "marks": _marks,
    "units": _units,
    "table": _table,
    "kept": _kept,
    "sync": _sync,
    "demotion": lambda state, _: [] if state.demotion is None else [str(state.demotion)],
    "drained": _drained,
    "upgrade": lambda state, _: [state.upgrade.line()] if state.upgrade else [],
    "change": lambda state, _: [
        *([f"dialect {state.dialect}"] if state.dialect else []),
        *(["changing"] if state.changing else []),
    ],
    "listening": _listening,
    "sessions": lambda state, _: [
        str(sum(state.sessions.values())),
        *(f"{_hex(*at)} {count}" for at, count in state.sessions.items()),
    ],
    "pool": _pool,
    "volumes": _volumes,
    "copies": _copies,
    "op_version": lambda state, _: [str(state.op_version)] if state.op_version else [],
    "founding": _founding,
    "drop_in": _drop_in,
    "keepalived": _keepalived,
    "claims": _claims,
}
