"""What plugins register: one frozen type for each swap point of the house."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from selfbalance.model import Cluster, Node


def _equal_weight(_node: Node) -> int:
    """1 for every node."""
    return 1


@dataclass(frozen=True)
class Scheduler:
    """How the director chooses a realserver.

    `kernel` is the IPVS scheduler's name (ipvsadm(8), -s) and names the module `ip_vs_KERNEL`;
    `flags` are keepalived's keywords for its flags, `default_flags` the ones that are set unless
    the description says otherwise; `weigh` gives a realserver's weight, 1 or more. `consistent`
    says that every director chooses the same realserver for a packet, so that two directors at
    once, which a change of MASTER may have for a moment, do no harm.
    """

    kernel: str
    description: str
    flags: tuple[str, ...] = ()
    default_flags: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    weigh: Callable[[Node], int] = _equal_weight
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
    ipvsadm: str = "--gatewaying"
    listed: str = "Route"
    modules: tuple[str, ...] = ()
    tunnels: Mapping[int, Tunnel] = field(default_factory=dict)
    wrapped: str = ""
    objection: Callable[[Cluster], str | None] = _no_objection


@dataclass(frozen=True)
class StandbyMode:
    """How a BACKUP is kept from balancing again what the MASTER has already balanced.

    `sync_daemon` says whether IPVS connections are synchronised from the MASTER to the others;
    `objection` gives the reason why the mode cannot serve a description, or None.
    """

    description: str
    sync_daemon: bool
    sysctls: Mapping[str, str] = field(default_factory=dict)
    objection: Callable[[Cluster], str | None] = _no_objection


@dataclass(frozen=True)
class SnapshotStore:
    """Where a node's snapshots live: what was there before the node was touched.

    `save` is the body of a POSIX shell function that keeps its standard input under the name `$1`
    atomically, beside some older ones. `load` is one that prints it again, or with `$2` the one
    that many before it; what is torn or another node's it refuses. Both fail with a word on
    standard error.
    """

    description: str
    save: str
    load: str


@dataclass(frozen=True)
class Component:
    """Something installed that a cluster consists of: its Debian packages and systemd units.

    `packages` are installed on every node, the first one's version is the component's;
    `units` are enabled and active on every node.
    """

    description: str
    packages: tuple[str, ...]
    units: tuple[str, ...]


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it should be, for an operator at night.

    `node` is None where it concerns the whole cluster; `remedy` is the command or act to try next.
    """

    what: str
    node: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What a gate says: `seen` in a few words, and every problem it found."""

    seen: str
    problems: tuple[Problem, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the gate lets pass."""
        return not self.problems
