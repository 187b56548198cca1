"""Who should be MASTER: priorities, and by how much a node stands back.

keepalived reads a demotion from a file (`track_file` with weight -1) and takes it off the base
priority. A node that has just started stands back, so that it takes over from nobody: its sync
table is still empty, and a needless change of MASTER is a risk for nothing. A node that is about to
stop stands back further, behind every node that could take over.

    serving 250 ... 175   fresh 170 ... 95   leaving 90 ... 15      (16 nodes, 5 apart)

The tiers do not touch, so priorities stay distinct whatever each node is doing; a 17th node in the
first tier would collide with the first node of the second.
"""

from __future__ import annotations

MAX_NODES = 16
_HIGHEST = 250
_STEP = 5
_TIER = MAX_NODES * _STEP

SERVING = 0
"""Demotion of a node that is, or has been since its start, MASTER."""

FRESH = _TIER
"""Demotion of a node that has started and was not MASTER since."""

LEAVING = 2 * _TIER
"""Demotion of a node that hands over before it stops."""

STANDINGS = {SERVING: "serving", FRESH: "fresh", LEAVING: "leaving"}


def base_priority(index: int) -> int:
    """Return the VRRP priority (1 to 254) of the node at `index`, 0 being the first.

    It depends on the index alone: a node added at the end changes nobody else's.
    """
    return _HIGHEST - _STEP * index
