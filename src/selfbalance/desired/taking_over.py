"""How to know what is ours from what another design has left on a node."""

from __future__ import annotations

from selfbalance.desired.node import DesiredNode

WRITTEN_BY = "# Written by selfbalance"
"""How each configuration of ours begins."""


def taken_over(want: DesiredNode) -> str:
    """Return what the lines of a sysctl.conf(5) have that set what we set, as grep(1) takes it.

    arp_ignore and arp_announce of any interface are among them: the highest of theirs and `all`'s
    counts (Documentation/networking/ip-sysctl.rst).
    """
    names = "\\|".join(name.replace(".", "[./]") for name in want.sysctls)
    arp = "net[./]ipv4[./]conf[./][^=]*[./]arp_\\(ignore\\|announce\\)"
    return f"^[[:space:]]*-\\{{0,1\\}}\\({names}\\|{arp}\\)[[:space:]]*="
