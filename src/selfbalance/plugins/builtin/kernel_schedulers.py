"""Every IPVS scheduler of the kernel (net/netfilter/ipvs/ip_vs_*.c; ipvsadm(8), -s)."""

from __future__ import annotations

from selfbalance.model import Node
from selfbalance.plugins.spec import Register, hook
from selfbalance.plugins.things import Scheduler


def _full_at(_node: Node) -> int:
    """1000 sessions for every node."""
    # Once all nodes have more than their weight, ovf refuses (net/netfilter/ipvs/ip_vs_ovf.c):
    # with a weight of 1 the third client of a node.
    return 1000


SCHEDULERS = {
    "rr": Scheduler("rr", "round robin"),
    "wrr": Scheduler("wrr", "weighted round robin"),
    "lc": Scheduler("lc", "least connections"),
    "wlc": Scheduler("wlc", "weighted least connections"),
    "lblc": Scheduler("lblc", "locality based: one server for each destination"),
    "lblcr": Scheduler("lblcr", "locality based: some servers for each destination"),
    "dh": Scheduler("dh", "hash of the destination address"),
    "sh": Scheduler(
        "sh",
        "hash of the source address, and port with sh-port",
        flags=("sh-port", "sh-fallback"),
        # Without the fallback a drained realserver's clients are turned away.
        default_flags=("sh-port", "sh-fallback"),
        consistent=True,
    ),
    "mh": Scheduler(
        "mh",
        "Maglev hash of the source address, and port with mh-port (Linux 4.18)",
        flags=("mh-port", "mh-fallback"),
        default_flags=("mh-port", "mh-fallback"),
        consistent=True,
    ),
    "sed": Scheduler("sed", "shortest expected delay"),
    "nq": Scheduler("nq", "never queue"),
    "fo": Scheduler("fo", "weighted fail-over"),
    "ovf": Scheduler(
        "ovf",
        "overflow: a node takes as many sessions as its weight, then the next",
        weigh=_full_at,
    ),
}


@hook
def register_schedulers(register: Register[Scheduler]) -> None:
    """Register the kernel's schedulers."""
    for name, scheduler in SCHEDULERS.items():
        register(name, scheduler)
