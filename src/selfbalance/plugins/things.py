"""What plugins register: one frozen type for each swap point of the house."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from selfbalance.model import Cluster, Node


@dataclass(frozen=True)
class Facts:
    """What was observed of one node: CPUs that are online, memory in bytes, its interface's MAC.

    Memory is counted in whole 64 MiB, so that what a new kernel keeps for itself hardly ever shows.
    """

    cores: int
    memory_bytes: int
    mac: str


def _equal_weight(_node: Node) -> int:
    """1 for every node."""
    return 1


@dataclass(frozen=True)
class Scheduler:
    """How the director chooses a realserver.

    `kernel` is the IPVS scheduler's name (ipvsadm(8), -s) and names the module `ip_vs_KERNEL`;
    `flags` are keepalived's keywords for its flags, `default_flags` the ones that are set unless
    the description says otherwise; `weigh` gives a realserver's weight, 1 or more, unless
    `weigh_observed` does, from what was seen of the node. `consistent` says that every director
    chooses the same realserver for a packet, so that two directors at once, which a change of
    MASTER may have for a moment, do no harm.
    """

    kernel: str
    description: str
    flags: tuple[str, ...] = ()
    default_flags: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    weigh: Callable[[Node], int] = _equal_weight
    weigh_observed: Callable[[Node, Facts], int] | None = None
    consistent: bool = False

    @property
    def module(self) -> str:
        """Name of the kernel module that holds the scheduler."""
        return f"ip_vs_{self.kernel}"


def _no_objection(_cluster: Cluster) -> str | None:
    """None: it can serve every description."""
    return None


@dataclass(frozen=True)
class Tunnel:
    """What unwraps packets of one IP version on a realserver.

    `interface` is the kernel's own, which is brought up; `overhead` what a packet grows by, in
    bytes; `modules` hold all of it; `setup` are commands for the unit that holds the VIPs
    (systemd.service(5), ExecStart), which may be run again.
    """

    interface: str
    overhead: int
    modules: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()


@dataclass(frozen=True)
class ForwardingMethod:
    """How the director sends a packet on to a realserver, and where that one holds the VIP.

    `lvs_method` is keepalived's word for it, `ipvsadm` the options by which ipvsadm(8) calls it,
    `listed` its name in ipvsadm's list; `vip_interface` the interface that holds the VIP, scope
    host, on every node. `sysctls` below net.ipv4.vs are for directors only.

    `tunnels` are by the IP version of the VIP, and empty where nothing is wrapped. Clients are told
    a segment size that leaves room for the `overhead`. `wrapped` says how status wraps its own
    question to a realserver: "ipip", "gue:PORT", or "" for a plain frame to the realserver's MAC.
    `objection` gives the reason why the method cannot serve a description, or None.
    """

    lvs_method: str
    vip_interface: str
    description: str
    sysctls: Mapping[str, str] = field(default_factory=dict)
    ipvsadm: str = "-g"
    listed: str = "Route"
    modules: tuple[str, ...] = ()
    tunnels: Mapping[int, Tunnel] = field(default_factory=dict)
    wrapped: str = ""
    objection: Callable[[Cluster], str | None] = _no_objection


@dataclass(frozen=True)
class StandbyMode:
    """How a BACKUP is kept from balancing again what the MASTER has already balanced.

    `sync_daemon` says whether IPVS connections are synchronised from the MASTER to the others;
    `objection` gives the reason why the mode cannot serve a description, or None. With
    `marks_clients`, every node balances what carries a firewall mark, and marks what comes from
    anybody but a peer of the cluster: each VIP may have a MASTER of its own, and connections are
    synchronised from every node to every other.

    `apart` says that keepalived fills an IPVS table of its own, in a network namespace where no
    packet comes by, and that the node's table is empty unless it is MASTER. `to_master` and
    `to_backup` are then bodies of POSIX shell functions that make it so. They are called until the
    table is right, so they may be called twice: `to_master` with the commands for
    `ipvsadm --restore` at standard input that are missing to the table that keepalived knows,
    `to_backup` while there is anything in the node's table.
    """

    description: str
    sync_daemon: bool
    marks_clients: bool = False
    sysctls: Mapping[str, str] = field(default_factory=dict)
    objection: Callable[[Cluster], str | None] = _no_objection
    apart: bool = False
    to_master: str = "ipvsadm --restore"
    to_backup: str = "ipvsadm --clear"


@dataclass(frozen=True)
class SnapshotStore:
    """Where a node keeps its own snapshots: what was there before the node was touched.

    `save` is the body of a POSIX shell function that keeps its standard input under the name `$1`
    atomically, beside some older ones. `load` is one that prints it again, or with `$2` the one
    that many before it; what is torn or another node's it refuses. Both fail with a word on
    standard error. What `save` says there although it succeeds, the operator is told. `objection`
    gives the reason why the store cannot serve a description, or None.
    """

    description: str
    save: str
    load: str
    objection: Callable[[Cluster], str | None] = _no_objection

    @property
    def on_node(self) -> bool:
        """Whether a node reaches its snapshots by itself."""
        return True


@dataclass(frozen=True)
class SnapshotOf:
    """Which snapshot, of which node. `home` is the controller's folder that holds inventories/."""

    home: Path
    cluster: str
    node: str
    name: str


@dataclass(frozen=True)
class ControllerStore:
    """Where the controller keeps the nodes' snapshots; the nodes themselves cannot reach them.

    `save` keeps a content atomically, beside some older ones; `load` returns it, or the one that
    many before it. What is torn or another node's it refuses. Both raise an error with a word.
    """

    description: str
    save: Callable[[SnapshotOf, bytes], None]
    load: Callable[[SnapshotOf, int], bytes]

    @property
    def on_node(self) -> bool:
        """Whether a node reaches its snapshots by itself."""
        return False


def _always(_cluster: Cluster) -> bool:
    """True: every cluster consists of it."""
    return True


def _nothing(_cluster: Cluster, _node: Node) -> str:
    """No command."""
    return ""


@dataclass(frozen=True)
class Agreement:
    """What nodes that share something do at the same time, before the first one's turn.

    POSIX shell commands that disturb nobody: each node does `begin`, which prints a word if there
    is something to do, and when all have, `end`; or `undo`, if one could not. A node that is told
    nothing more has to end by itself.
    """

    begin: str
    end: str
    undo: str


@dataclass(frozen=True)
class Upgrade:
    """How a component is brought to another version on one node while the others serve.

    `packages` are installed in the version that is asked for; with `named`, the operator names
    them. `interrupts` says that sessions of the node's web server end with it, so that they are
    waited for. With `reboots` there is no package: the node reboots, and its boot id changes.

    `agreement` comes before all turns. In a turn, `stop` gives the POSIX shell commands that end
    what runs on the node before packages are changed, and keep what leads back in the folder
    `$kept`; `start` those that begin it again; `restore` those that put back what was kept, between
    the old packages and `start`. Each may be run again after it was cut in the middle. `finalize`
    gives those for what cannot be undone; they run on one node, when all have the version, and only
    if the operator asks.
    """

    packages: tuple[str, ...] = ()
    named: bool = False
    interrupts: bool = True
    reboots: bool = False
    stop: Callable[[Cluster, Node], str] = _nothing
    start: Callable[[Cluster, Node], str] = _nothing
    restore: Callable[[Cluster, Node], str] = _nothing
    agreement: Agreement | None = None
    finalize: Callable[[Cluster], str] | None = None


@dataclass(frozen=True)
class Component:
    """Something that a cluster consists of: its Debian packages and systemd units.

    `packages` are installed on every node, the first one's version is the component's;
    `units` are enabled and active on every node. `upgrade` is how upgrade.py takes a node through.
    `needed` says whether a cluster, as it is described, consists of it.
    """

    description: str
    packages: tuple[str, ...]
    units: tuple[str, ...]
    upgrade: Upgrade | None = None
    needed: Callable[[Cluster], bool] = _always


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it should be, for an operator at night.

    `node` is None where it concerns the whole cluster; `remedy` is the command or act to try next.
    One that `passes` needs nobody, only time: copies that are being healed.
    """

    what: str
    node: str | None = None
    remedy: str | None = None
    passes: bool = False


@dataclass(frozen=True)
class Verdict:
    """What a gate says: `seen` in a few words, and every problem it found.

    `notes` are what an operator should know of although it is as it was asked for.
    """

    seen: str
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the gate lets pass."""
        return not self.problems
