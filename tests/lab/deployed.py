"""What the tests of this folder say of a deployed cluster: shipped words, and some of their own."""

from __future__ import annotations

import re

from selfbalance.testing import VIP, VIP6, Run, Site, problems

__all__ = ["VIP", "VIP6", "Run", "Site", "move", "problems", "weights"]


def move(site: Site, deploy: str, node: str, *flags: str, within_s: float = 300) -> Run:
    """Run one of the deploys that are about a node: handover, drain, undrain, teardown."""
    return site.pyinfra(deploy, "-y", "--data", f"node={node}", *flags, within_s=within_s)


def weights(site: Site, node: str) -> dict[str, int]:
    """Return the weights in a node's IPVS table, by realserver; ipvsadm(8), --save."""
    saved = site.lab.run(node, "ipvsadm --save --numeric").stdout
    found = re.findall(r"-r (\S+):\d+ .*-w (\d+)$", saved, re.MULTILINE)
    return {address: int(weight) for address, weight in found}
