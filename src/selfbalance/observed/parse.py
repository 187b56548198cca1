"""From the text that the script prints to a `NodeState`. Pure; one small parser a section."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Any

from selfbalance.errors import ObservationError
from selfbalance.model.words import IPAddress
from selfbalance.observed.facts import read_cpus, read_facts, read_mac, read_memory
from selfbalance.observed.founding import read_founding
from selfbalance.observed.marks import read_marks
from selfbalance.observed.state import (
    Drain,
    NodeState,
    Role,
    SeenFile,
    SeenInstance,
    SeenRealserver,
    SeenService,
    SeenUnit,
)
from selfbalance.observed.upgrades import read_upgrade
from selfbalance.observed.volumes import (
    read_copies,
    read_op_version,
    read_peers,
    read_settings,
)

FORMAT = "1"
_ROLES = {0: Role.INIT, 1: Role.BACKUP, 2: Role.MASTER, 3: Role.FAULT}
_EMPTY_TABLE_LINES = 3


def parse(name: str, text: str) -> NodeState:
    """Read what the script printed on node `name`.

    A section that says it failed, or cannot be read, becomes unknown. Raises `ObservationError`
    where the whole is not the script's: cut short, or of another format.
    """
    sections = _sections(text)
    if sections.get("format") != [FORMAT] or "end" not in sections:
        last = list(sections)[-1] if sections else "nothing"
        raise ObservationError(f"{name}: the observation was cut short after '{last}'")
    values: dict[str, Any] = {}
    unknown: dict[str, str] = {}
    readers = {**_READERS, **(_READERS_OF_VOLUMES if "pool" in sections else {})}
    for section, reader in readers.items():
        lines = sections.get(section, ["!the section is missing"])
        failed = next((line[1:] for line in lines if line.startswith("!")), None)
        try:
            if failed:
                raise ValueError(failed)
            values.update(reader(lines))
        except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
            unknown[section] = str(error) or type(error).__name__
    return NodeState(name=name, unknown=unknown, **values)


def _sections(text: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("##"):
            lines = sections.setdefault(line[2:], [])
        elif line.strip():
            lines.append(line)
    return sections


def _system(lines: Sequence[str]) -> Mapping[str, object]:
    _hostname, boot_id, kernel = (line for line in lines if "=" not in line)
    release = dict(line.split("=", 1) for line in lines if "=" in line)
    return {
        "boot_id": boot_id,
        "kernel": kernel,
        "distribution": release["ID"].strip('"'),
        "version_codename": release.get("VERSION_CODENAME", "").strip('"'),
    }


def _packages(lines: Sequence[str]) -> Mapping[str, object]:
    """Keep what is installed, status `ii` (dpkg-query(1), db:Status-Abbrev)."""
    rows = (line.split() for line in lines)
    return {"packages": {row[0]: row[1] for row in rows if row[2:] and row[2] in ("ii", "hi")}}


def _plain(line: str) -> str:
    r"""Return a line of sha256sum's without its escapes: "\DIGEST  a\\x2db" for `a\x2db`."""
    return line[1:].replace("\\\\", "\\") if line.startswith("\\") else line


def _pairs(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        first, rest = line.split(None, 1)
        yield first, rest


def _files(lines: Sequence[str]) -> Mapping[str, object]:
    """Read sha256sum's lines, "DIGEST  PATH", and stat's, "=MODE UID GID PATH"."""
    sums = (_plain(line) for line in lines if not line.startswith("="))
    digests = {path: digest for digest, path in _pairs(sums)}
    files = {}
    for line in lines:
        if line.startswith("="):
            mode, uid, gid, path = line[1:].split(None, 3)
            files[path] = SeenFile(digests[path], int(mode, 8), int(uid), int(gid))
    return {"files": files}


def _sysctls(lines: Sequence[str]) -> Mapping[str, object]:
    """Read `/proc/sys/net/ipv4/...:VALUE`; fields of a value are parted by one blank."""
    values = {}
    for line in lines:
        path, value = line.split(":", 1)
        name = path.removeprefix("/proc/sys/").replace("/", ".")
        values[name] = " ".join(value.split())
    return {"sysctls": values}


def _modules(lines: Sequence[str]) -> Mapping[str, object]:
    """Read names of modules that are loaded, and "-NAME" of those that the kernel does not have."""
    return {
        "modules": frozenset(line for line in lines if line[0] != "-"),
        "unavailable": frozenset(line[1:] for line in lines if line[0] == "-"),
    }


def _facts(lines: Sequence[str]) -> Mapping[str, object]:
    """Read the CPUs that are online, "0-3", and the first line of /proc/meminfo."""
    cpus, memory = lines
    return {"cores": read_cpus(cpus), "memory_bytes": read_memory(memory)}


def _addresses(lines: Sequence[str]) -> Mapping[str, object]:
    """Read `ip -o addr`: "2: eth0    inet 192.0.2.11/24 brd ..."."""
    found: dict[str, set[IPAddress]] = defaultdict(set)
    for line in lines:
        words = line.split()
        found[words[1].split("@")[0]].add(ip_address(words[3].split("/")[0]))
    return {"addresses": {name: frozenset(each) for name, each in found.items()}}


def _links(lines: Sequence[str]) -> Mapping[str, object]:
    """Read `ip -o link`: the data interface, and behind it others that are up."""
    words = lines[0].split()
    return {
        "mac": read_mac(words[words.index("link/ether") + 1]),
        "mtu": int(words[words.index("mtu") + 1]),
        "up": frozenset(line.split()[1].strip(":").split("@")[0] for line in lines[1:]),
    }


def _resets(lines: Sequence[str]) -> Mapping[str, object]:
    """Read tc-flower(8) filters, one a line: "VIP" drops its resets, "VIP SIZE" rewrites a size."""
    rows = [line.split() for line in lines]
    return {
        "held_resets": frozenset(ip_address(row[0]) for row in rows if len(row) == 1),
        "segments": {ip_address(row[0]): int(row[1]) for row in rows if len(row) > 1},
    }


def _units(lines: Sequence[str]) -> Mapping[str, object]:
    """Read blocks of `systemctl show`; each begins with its Id, in whatever order it prints."""
    blocks: list[dict[str, str]] = []
    for line in lines:
        key, value = line.split("=", 1)
        if not blocks or key in blocks[-1]:
            blocks.append({})
        blocks[-1][key] = value
    return {
        "units": {
            block["Id"]: SeenUnit(
                load=block["LoadState"],
                active=block["ActiveState"],
                sub=block["SubState"],
                enabled=block["UnitFileState"],
                needs_reload=block["NeedDaemonReload"] == "yes",
            )
            for block in blocks
        }
    }


def _table(lines: Sequence[str]) -> Mapping[str, object]:
    """Read `ipvsadm --list --numeric`; /proc/net/ip_vs does not show a scheduler's flags."""
    services: list[tuple[list[str], list[SeenRealserver]]] = []
    for line in lines[_EMPTY_TABLE_LINES:]:
        words = line.split()
        if words[0] == "->":
            services[-1][1].append(_realserver(words))
        else:
            services.append((words, []))
    return {"table": tuple(_service(words, real) for words, real in services)}


def _service(words: Sequence[str], realservers: Sequence[SeenRealserver]) -> SeenService:
    """Read "TCP 192.0.2.10:80 mh (mh-fallback,mh-port) persistent 300": the rest is one flag.

    A service of a firewall mark reads "FWM 23296 mh (mh-fallback,mh-port)", or "FWM 23296 IPv6 mh".
    """
    if words[0] == "FWM":
        family = 6 if words[2] == "IPv6" else 4
        words = [*words[:2], *(word for word in words[2:] if word != "IPv6")]
        vip, port = ip_address("::" if family == 6 else "0.0.0.0"), int(words[1])  # noqa: S104
    else:
        vip, port = _endpoint(words[1])
    flags = [each for word in words[3:] if word[0] == "(" for each in word.strip("()").split(",")]
    rest = " ".join(word for word in words[3:] if word[0] != "(")
    return SeenService(
        protocol=words[0].lower(),
        vip=vip,
        port=port,
        scheduler=words[2],
        flags=frozenset(filter(None, (*flags, rest))),
        realservers=tuple(realservers),
    )


def _realserver(words: Sequence[str]) -> SeenRealserver:
    address, port = _endpoint(words[1])
    weight, active, inactive = map(int, words[3:6])
    return SeenRealserver(address, port, words[2], weight, active, inactive)


def _endpoint(text: str) -> tuple[IPAddress, int]:
    """Read "192.0.2.10:80" or "[2001:db8::10]:80"."""
    host, port = text.rsplit(":", 1)
    return ip_address(host.strip("[]")), int(port)


def _sync(lines: Sequence[str]) -> Mapping[str, object]:
    """Read `ipvsadm --list --daemon`: "master sync daemon (mcast=eth0, syncid=51, ...)"."""
    return {"sync": frozenset(line.split()[0] for line in lines if "sync daemon" in line)}


def _demotion(lines: Sequence[str]) -> Mapping[str, object]:
    return {"demotion": int(lines[0]) if lines else None}


def _drained(lines: Sequence[str]) -> Mapping[str, object]:
    """Read the node's clock, and "NAME NUMBER SINCE BY" of each file; by hand, NUMBER alone."""
    drained = {}
    for line in lines[1:]:
        name, number, *rest = line.split(None, 3)
        if int(number) != 0:
            since, by = rest if len(rest) == 2 else (None, "somebody by hand")
            drained[name] = Drain(by, None if since is None else int(since))
    return {"clock": int(lines[0]), "drained": drained}


def _change(lines: Sequence[str]) -> Mapping[str, object]:
    """Read "dialect WORD", where there is one, and "changing"."""
    words = [line.split() for line in lines]
    if any(each[0] not in ("dialect", "changing") for each in words):
        raise ValueError(f"neither a dialect nor a change: {lines!r}")
    return {
        "dialect": next((each[1] for each in words if each[0] == "dialect"), ""),
        "changing": ["changing"] in words,
    }


def _drop_in(lines: Sequence[str]) -> Mapping[str, object]:
    if lines not in ([], ["read"], ["unread"]):
        raise ValueError(f"neither read nor unread: {lines[0]!r}")
    return {"drop_in_read": lines == ["read"]}


def _listening(lines: Sequence[str]) -> Mapping[str, object]:
    """Read local addresses of /proc/net/tcp and tcp6: words of 32 bits in the node's byte order."""
    return {"listening": frozenset(map(_kernel_endpoint, lines))}


def _kernel_endpoint(text: str) -> tuple[IPAddress, int]:
    host, port = text.split(":")
    words = (bytes.fromhex(host[at : at + 8]) for at in range(0, len(host), 8))
    return ip_address(b"".join(word[::-1] for word in words)), int(port, 16)


def _sessions(lines: Sequence[str]) -> Mapping[str, object]:
    """Read "ADDRESS:PORT COUNT", the address as above, behind the sum of all counts.

    A socket of IPv6 may serve IPv4 too.
    """
    sessions: dict[tuple[IPAddress, int], int] = defaultdict(int)
    for endpoint, count in _pairs(lines[1:]):
        address, port = _kernel_endpoint(endpoint)
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        sessions[address, port] += int(count)
    if sum(sessions.values()) != int(lines[0]):
        raise ValueError(f"{lines[0]} connections, but {sum(sessions.values())} by address")
    return {"sessions": dict(sessions)}


def _keepalived(lines: Sequence[str]) -> Mapping[str, object]:
    """Read the dump's instances (keepalived/vrrp/vrrp_json.c); none where it does not run."""
    if not lines:
        return {"instances": ()}
    dump = json.loads("\n".join(lines))
    rows = dump["vrrp"] if isinstance(dump, dict) else dump
    return {
        "instances": tuple(
            SeenInstance(
                name=row["data"]["iname"],
                role=_ROLES[row["data"]["state"]],
                base_priority=row["data"]["base_priority"],
                effective_priority=row["data"]["effective_priority"],
            )
            for row in rows
        )
    }


def _claims(lines: Sequence[str]) -> Mapping[str, object]:
    claims: dict[IPAddress, set[str]] = defaultdict(set)
    macs: dict[str, str] = {}
    answers: dict[tuple[IPAddress, int, str], str] = {}
    for line in lines:
        kind, *words = line.split()
        if kind == "claim":
            claims[ip_address(words[0])].add(words[1])
        elif kind == "peer":
            macs[words[0]] = words[2]
        elif kind == "answer":
            answers[ip_address(words[0]), int(words[1]), words[2]] = words[3]
        else:
            raise ValueError(f"not an answer of the network: {line!r}")
    return {
        "claims": {vip: frozenset(each) for vip, each in claims.items()},
        "peer_macs": macs,
        "answers": answers,
    }


_READERS: Mapping[str, Callable[[Sequence[str]], Mapping[str, object]]] = {
    "system": _system,
    "packages": _packages,
    "files": _files,
    "sysctls": _sysctls,
    "modules": _modules,
    "facts": _facts,
    "recorded": lambda lines: {"recorded": read_facts(lines)},
    "addresses": _addresses,
    "links": _links,
    "resets": _resets,
    "marks": read_marks,
    "units": _units,
    "table": _table,
    "kept": lambda lines: {"kept": _table(lines)["table"]},
    "sync": _sync,
    "demotion": _demotion,
    "drained": _drained,
    "upgrade": read_upgrade,
    "change": _change,
    "sessions": _sessions,
    "founding": read_founding,
    "drop_in": _drop_in,
    "listening": _listening,
    "keepalived": _keepalived,
    "claims": _claims,
}
_READERS_OF_VOLUMES: Mapping[str, Callable[[Sequence[str]], Mapping[str, object]]] = {
    "pool": read_peers,
    "volumes": read_settings,
    "copies": read_copies,
    "op_version": read_op_version,
}
"""Sections that the script has only where volumes are described."""
