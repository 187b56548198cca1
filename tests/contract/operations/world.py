"""A cluster that lives in memory and in one file: nodes that our commands change, as they would.

The command line finds `@node/NAME` by its entry point, which the fixtures lay on PYTHONPATH; the
host is called NAME, as in a real inventory. What a node has is what commands gave it; what the
observing script prints follows from that. A run leaves the world to the next one in `$WORLD`, and
writes down all that reached a node in `$WORLD_LOG`, in one order.

Host data changes one host: `down` refuses the connection; `fails` names kinds of commands that
fail on it, and `lost` those in which ssh is lost; `cut` lets its observation end in the middle;
`deaf` nodes do not take what the kernel is told; `lacks` names modules that its kernel does not
have; `cores` says how many CPUs it has, and a GiB of memory for each; `mac` is another MAC than it
was given; the keepalived of a `stuck` node does not read what drains a realserver; `unread` names
sections that its look could not see; `foreign` is what a look tells of a keepalived.conf that is
not ours; `meanwhile` says what has happened to others when it is locked: one that is `gone` cannot
be looked at any more. All VIPs have one MASTER.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import signal
import tarfile
import time
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import changing
import gevent
import leaving
import upkeep
from blocks import Block
from blocks import parse as read_config
from looks import MEMORY_BYTES, bare, healthy, mac
from paramiko import SSHException
from printed import printed, with_section
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.output import echo
from pyinfra.connectors.fake import FakeConnector
from pyinfra.connectors.util import CommandOutput, OutputLine

from selfbalance.deployment import Deployment
from selfbalance.desired import WRITTEN_BY, places
from selfbalance.model import Cluster
from selfbalance.observed import (
    Drain,
    NodeState,
    SeenFile,
    SeenMarks,
    SeenRealserver,
    SeenService,
    SeenUnit,
)
from selfbalance.observed.facts import read_facts
from selfbalance.observed.marks import read_marks
from selfbalance.plugins import Facts

KINDS = {
    "section format": "look",
    **leaving.KINDS,
    **changing.KINDS,
    **upkeep.KINDS,
    "base64 -d | tar": "write",
    "modprobe -a": "kernel",
    "keepalived -t -f": "prove",
    "ipvsadm --save": "snapshot",
    "restart keepalived.service": "activate",
    f"rm -f {places.DRAINED}-": "undrain",
    f"{places.DRAINED}-": "drain",
    "dpkg -l": "ask",
    "apt-get update": "update",
    "install": "install",
    "cat ": "ask",
}
"""What a command is for, by the first of these that it holds."""

LOOKING = {"look", "ask", *changing.LOOKING, *leaving.LOOKING, *upkeep.LOOKING}
GIB = 2**30


def kind_of(command: str) -> str:
    """What a command is for."""
    return next((kind for part, kind in KINDS.items() if part in command), "other")


class World:
    """What every node has, kept in `$WORLD` between runs."""

    def __init__(self) -> None:
        self._file = Path(os.environ["WORLD"])
        self.nodes: dict[str, dict[str, Any]] = (
            json.loads(self._file.read_text()) if self._file.exists() else {}
        )

    def node(self, name: str) -> dict[str, Any]:
        """What one node has; a new one is bare."""
        return self.nodes.setdefault(
            name,
            {
                "packages": False,
                "files": {},
                "kernel": False,
                "vips": False,
                "running": None,
                "drop_in_read": False,
                "master": False,
            },
        )

    def keep(self) -> None:
        """Leave the world to the next run."""
        self._file.write_text(json.dumps(self.nodes))

    def live(self) -> list[str]:
        """The nodes whose keepalived runs."""
        return [name for name, has in self.nodes.items() if has["running"]]

    def master(self, cluster: Cluster) -> str | None:
        """The node that is MASTER: the first that ran, as long as it does."""
        return next((node.name for node in cluster.nodes if self.node(node.name)["master"]), None)

    # What commands do.

    def write(self, name: str, archive: str) -> None:
        """Unpack what a command was sent."""
        with tarfile.open(fileobj=io.BytesIO(base64.b64decode(archive))) as files:
            for entry in files:
                content = files.extractfile(entry)
                assert content is not None
                has = self.node(name)
                has["files"][f"/{entry.name}"] = [content.read().decode(), entry.mode]
                if f"/{entry.name}" == places.DROP_IN:
                    has["drop_in_read"] = False

    def activate(self, name: str, command: str, deployed: Deployment) -> bool:
        """Start keepalived, or let it read its configuration again."""
        has = self.node(name)
        if f"mv -f {places.STAGED_CONFIG}" in command:
            if places.STAGED_CONFIG not in has["files"]:
                return False
            has["files"][places.CONFIG] = has["files"].pop(places.STAGED_CONFIG)
        has["drop_in_read"] = has["drop_in_read"] or not has["running"] or " restart " in command
        has["running"] = _virtual_servers(has["files"][places.CONFIG][0])
        if " restart " in command:
            self.leave(name)
        has["master"] = has["master"] or not self.master(deployed.cluster)
        return True

    def leave(self, name: str) -> None:
        """Let a MASTER hand over, if somebody is there."""
        has = self.node(name)
        heirs = [each for each in self.live() if each != name]
        if has["master"] and heirs:
            has["master"], self.node(heirs[0])["master"] = False, True

    def restart(self, name: str, deployed: Deployment) -> None:
        """Let another keepalived start with the same configuration; a broken one does not."""
        has = self.node(name)
        self.leave(name)
        has["running"] = None if has["broken"] else _virtual_servers(has["files"][places.CONFIG][0])
        has["master"] = not has["broken"] and (
            has["master"] or self.master(deployed.cluster) is None
        )

    def drain(self, name: str, command: str) -> None:
        """Write the file that the command writes, or remove the one that it removes."""
        if kind_of(command) == "undrain":
            (path,) = re.findall(rf"{places.DRAINED}-[\w-]+", command)
            self.node(name)["files"].pop(path, None)
            return
        wrote = re.search(rf"printf '%s\\n' '(.*)' >({places.DRAINED}-[\w-]+)\.new", command)
        assert wrote, command
        self.node(name)["files"][wrote[2]] = [f"{wrote[1]}\n", 0o600]

    # What is seen.

    def look(self, deployed: Deployment, name: str) -> NodeState:
        """Return what a look at the node sees."""
        cluster, want, has = deployed.cluster, deployed.desired[name], self.node(name)
        master = self.master(cluster)
        good = healthy(cluster, master or name, deployed.desired)[name]
        nothing = bare(cluster, name, want)
        runs, is_master = bool(has["running"]), master == name
        on_lo = good.addresses["lo"] if has["vips"] else nothing.addresses["lo"]
        on_wire = (good if is_master else nothing).addresses[want.interface]
        return replace(
            nothing,
            packages={**good.packages, "keepalived": upkeep.version_of(has)}
            if has["packages"]
            else {},
            boot_id=upkeep.boot_id(name, has),
            upgrade=upkeep.mark_of(has),
            dialect=changing.dialect_of(has),
            changing=bool(has.get("before")),
            files=_seen(has["files"], (file.path for file in want.all_files)),
            sysctls=_sysctls(good, has) if has["kernel"] else nothing.sysctls,
            modules=good.modules if has["kernel"] else nothing.modules,
            unavailable=frozenset(has.get("lacks", ())),
            cores=has.get("cores") or nothing.cores,
            memory_bytes=has["cores"] * GIB if has.get("cores") else MEMORY_BYTES,
            recorded=_recorded(has["files"]),
            mac=has.get("mac") or nothing.mac,
            marks=_marked(has.get("marks", "")),
            addresses={"lo": on_lo, want.interface: on_wire},
            held_resets=frozenset(map(ip_address, has.get("taken", ()))),
            units={unit: self._unit(name, unit) for unit in want.units},
            table=self._table(deployed, has) if runs else (),
            clock=int(time.time()),
            drained=_drained(has["files"]),
            sessions={(want.vips[0], 80): _next_of(has)},
            sync=good.sync if runs else frozenset(),
            demotion=good.demotion if runs else None,
            drop_in_read=runs and has["drop_in_read"],
            instances=good.instances if runs else (),
            claims={}
            if is_master or master is None
            else {vip: frozenset({mac(cluster, master)}) for vip in want.vips},
            answers={
                (service.vip, service.port, peer): mac(cluster, peer)
                for service in want.services
                for peer in want.peers
                if is_master and self.node(peer)["vips"]
            },
        )

    def _unit(self, name: str, unit: str) -> SeenUnit:
        has = self.node(name)
        if not (has["packages"] and has["kernel"]):
            return SeenUnit("not-found", "inactive", "dead", "", needs_reload=False)
        active = unit != "keepalived.service" or has["running"]
        return SeenUnit(
            "loaded",
            "active" if active else "inactive",
            "running" if active else "dead",
            "enabled",
            needs_reload=False,
        )

    def mark(self, name: str) -> None:
        """Run the node's script that marks clients, if it has one."""
        has = self.node(name)
        has["marks"] = has["files"].get(places.MARKS, [""])[0]

    def _table(self, deployed: Deployment, has: dict[str, Any]) -> tuple[SeenService, ...]:
        """The table that keepalived made; a node whose keepalived is dead has weight 0."""
        live = {
            address
            for node in deployed.cluster.nodes
            if node.name in self.live()
            for address in (node.address, node.address6)
        }
        return tuple(
            SeenService(
                protocol,
                ip_address(vip),
                port,
                scheduler,
                frozenset(flags),
                tuple(
                    SeenRealserver(
                        ip_address(real),
                        0 if protocol == "fwm" else port,
                        "Route",
                        _effective(weight, tracked, has) * (ip_address(real) in live),
                        0,
                        0,
                    )
                    for real, (weight, tracked) in weights.items()
                ),
            )
            for vip, port, scheduler, flags, weights in has["running"]
            for protocol in ["fwm" if vip in _UNSPECIFIED else "tcp"]
        )


_UNSPECIFIED = ("0.0.0.0", "::")


def _marked(script: str) -> SeenMarks:
    """What nft makes of the script: its tables are what it is told."""
    lines = script.splitlines()
    begin = lines.index("    nft -f - <<'END'") + 1 if lines else 0
    rules = lines[begin : lines.index("END", begin)] if lines else []
    tables = [line for line in rules if line.startswith(" ") or line.endswith("{")]
    marks = read_marks(["tool nft", *tables] if rules else [])["marks"]
    assert isinstance(marks, SeenMarks)
    return marks


def _sysctls(good: NodeState, has: dict[str, Any]) -> dict[str, str]:
    """A deaf node has the opposite of what it is told."""
    told = good.sysctls["net.ipv4.vs.backup_only"]
    backup_only = str(1 - int(told)) if has.get("deaf") else told
    return {**good.sysctls, "net.ipv4.vs.backup_only": backup_only}


def _virtual_servers(config: str) -> list[Any]:
    """What keepalived makes of its configuration: virtual services as plain data."""
    return [
        [
            _vip(server),
            int(server.words[2]),
            server.get("lvs_sched"),
            [
                block.words[0]
                for block in server.inside
                if block.words[0].startswith(("mh-", "sh-"))
            ],
            {
                real.words[1]: [int(real.get("weight")), _tracked(real, files)]
                for real in server.all("real_server")
            },
        ]
        for whole in [read_config(config)]
        for files in [{each.words[1]: each.get("file") for each in whole.all("track_file")}]
        for server in whole.all("virtual_server")
    ]


def _tracked(real: Block, files: dict[str, str]) -> str:
    """The file whose number is taken off a realserver's weight."""
    check = real.one("FILE_CHECK")
    assert check.get("weight") == "-1"
    return files[check.get("track_file")]


def _effective(weight: int, tracked: str, has: dict[str, Any]) -> int:
    """keepalived reads the first number, whatever comes after it; where there is no file, 0."""
    text = "" if has.get("stuck") else has["files"].get(tracked, [""])[0]
    number = re.match(r"\d+", text)
    return max(0, weight - int(number[0])) if number else weight


def _drained(files: dict[str, Any]) -> dict[str, Drain]:
    """What the files of drained nodes say."""
    prefix = f"{places.DRAINED}-"
    said = {p.removeprefix(prefix): t[0] for p, t in files.items() if p.startswith(prefix)}
    return {
        name: Drain(words[2].strip(), int(words[1])) if words[1:] else Drain("a hand", None)
        for name, text in said.items()
        for words in [text.split(None, 2)]
        if words
    }


def _next_of(has: dict[str, Any]) -> int:
    """How many sessions this look counts; a list in `serves` has the next looks' counts."""
    serves = has.get("serves", 0)
    if isinstance(serves, list):
        return serves.pop(0) if serves else 0
    return serves


def _vip(server: Block) -> str:
    """A service of a firewall mark has its realservers' family and no address."""
    if server.words[1] != "fwmark":
        return server.words[1]
    return _UNSPECIFIED[":" in server.all("real_server")[0].words[1]]


def _recorded(files: dict[str, Any]) -> Mapping[str, Facts]:
    return read_facts(files[places.FACTS][0].splitlines()) if places.FACTS in files else {}


def _seen(files: dict[str, Any], asked: Iterable[str]) -> dict[str, SeenFile]:
    return {
        path: SeenFile(
            hashlib.sha256(files[path][0].encode()).hexdigest(), files[path][1], uid=0, gid=0
        )
        for path in asked
        if path in files
    }


WORLD = World()


def record(host: str, kind: str, what: str) -> None:
    """Append a line to the log that all hosts of a run share: its order is the events' order."""
    line = json.dumps({"host": host, "kind": kind, "what": what}) + "\n"
    log = os.open(os.environ["WORLD_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(log, line.encode())
    finally:
        os.close(log)


_steps_left = {
    signal.SIGKILL: int(os.environ.get("WORLD_KILL", "0")),
    signal.SIGINT: int(os.environ.get("WORLD_INTERRUPT", "0")),
}


def _perhaps_the_end(kind: str) -> None:
    """Kill the run, as a power loss would, after so many commands that changed something.

    Or interrupt it, as Ctrl-C does.
    """
    for number, left in _steps_left.items():
        if kind not in LOOKING and left:
            _steps_left[number] = left - 1
            if left == 1:
                os.kill(os.getpid(), number)


def _ours(has: dict[str, Any]) -> bool:
    """Whether we have written the node's keepalived.conf."""
    return has["files"].get(places.CONFIG, [""])[0].startswith(WRITTEN_BY)


class NodeConnector(FakeConnector):
    """`@node/NAME`: a host NAME of this world."""

    @staticmethod
    def make_names_data(name=None):
        yield name, {}, ["@node"]

    def connect(self) -> None:
        record(self.host.name, "connect", "")
        if self.host.data.get("down", False):
            raise ConnectError("no route to host")

    def run_shell_command(self, command, print_output=False, print_input=False, **arguments):
        text = str(command)
        kind = kind_of(text)
        record(self.host.name, kind, text)
        if print_input:
            echo(f"{self.host.print_prefix}>>> {text}", err=True)
        gevent.sleep(0)
        if kind in self.host.data.get("lost", ()):
            raise SSHException("SSH session not active")
        if kind in self.host.data.get("fails", ()):
            return False, CommandOutput([OutputLine("stderr", f"{kind} went wrong")])
        said = self._did(kind, text, arguments.get("_stdin"))
        if said is None:
            return False, CommandOutput([OutputLine("stderr", f"{kind} could not be done")])
        _perhaps_the_end(kind)
        lines = said.splitlines()
        if print_output:
            for line in lines:
                echo(f"{self.host.print_prefix}{line}", err=True)
        return True, CommandOutput([OutputLine("stdout", line) for line in lines])

    def _looked(self, name: str, deployed: Deployment) -> str:
        """What a look prints."""
        for fault in ("deaf", "lacks", "cores", "mac", "stuck"):
            WORLD.node(name)[fault] = self.host.data.get(fault, ())
        said = printed(WORLD.look(deployed, name), deployed.desired[name])
        foreign = self.host.data.get("foreign", ())
        if foreign and not _ours(WORLD.node(name)):
            said = with_section(said, "founding", foreign)
        for section in self.host.data.get("unread", ()):
            said = with_section(said, section, [f"!{section} went wrong"])
        return said[: len(said) // 2] if self.host.data.get("cut", False) else said

    def _did(self, kind: str, text: str, stdin: str | None) -> str | None:
        """What a command prints, None where it fails."""
        name, deployed = self.host.name, self.host.data.get("selfbalance")
        has = WORLD.node(name)
        if kind == "look":
            return None if has.get("gone") else self._looked(name, deployed)
        if kind in changing.KINDS.values():
            said = changing.did(has, kind, text)
            if kind == "restore" or (kind == "ended" and "moment" in has):
                self._moved(has.pop("moment", text), deployed)
            WORLD.keep()
            return said
        if kind in upkeep.KINDS.values():
            said = upkeep.did(name, has, kind, text)
            if kind == "lock":
                for other, change in self.host.data.get("meanwhile", {}).items():
                    WORLD.node(other).update(deepcopy(change))
            if kind in {"upgrade", "put back"}:
                WORLD.restart(name, deployed)
            WORLD.keep()
            return said
        if kind in leaving.KINDS.values():
            if kind == "quiet":
                WORLD.leave(name)
            said = leaving.did(has, kind)
            WORLD.keep()
            return said
        return self._deployed(kind, text, stdin)

    def _moved(self, text: str, deployed: Deployment) -> None:
        """Let keepalived do what a command says at its end, or at its moment."""
        has = WORLD.node(self.host.name)
        if f"tar -x -p -f {places.KEPT}" in text:
            has["files"] = dict(has["before"]["files"])
        if "systemctl stop keepalived.service" in text:
            has["running"], has["master"] = None, False
        elif "restart keepalived.service" in text:
            WORLD.activate(self.host.name, text, deployed)

    def _deployed(self, kind: str, text: str, stdin: str | None) -> str | None:
        """What a command of cluster.py, drain.py or handover.py prints, None where it fails."""
        name, deployed = self.host.name, self.host.data.get("selfbalance")
        has = WORLD.node(name)
        if kind == "write":
            assert stdin is not None
            WORLD.write(name, stdin)
        elif kind == "install":
            has["packages"] = True
        elif kind == "kernel":
            assert has["packages"], "no keepalived to enable"
            has["kernel"] = True
            if "restart selfbalance-vip" in text:
                has["vips"] = True
                vips = map(str, deployed.desired[name].vips)
                has["taken"] = sorted({*has.get("taken", ()), *vips})
                WORLD.mark(name)
        elif kind == "prove":
            assert places.STAGED_CONFIG in has["files"], "nothing is staged"
        elif kind == "activate":
            if not WORLD.activate(name, text, deployed):
                return None
        elif kind in {"drain", "undrain"}:
            WORLD.drain(name, text)
        elif kind == "snapshot" and "base64" in text:
            table = f"-A -t 192.0.2.10:80 -s mh # of {name}\n"
            config = has["files"].get(places.CONFIG, [""])[0]
            return "\n".join(base64.b64encode(each.encode()).decode() for each in (table, config))
        elif kind == "ask":
            path = text.split()[1].strip("'")
            return has["files"].get(path, [""])[0]
        WORLD.keep()
        return ""
