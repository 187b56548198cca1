"""Who should be MASTER: priorities, and how far a node stands back.

keepalived reads a demotion from a file (`track_file` with weight -1) and takes it off the base
priority. A node that has just started stands back, so that it takes over from nobody: its sync
table is still empty, and a needless change of MASTER is a risk for nothing. A node that is about to
stop stands back further, behind every node that could take over.

    serving 250 ... 235   fresh 230 ... 22   leaving 16 ... 1      (16 nodes)

The tiers do not touch, so no two nodes ever tie; a 17th node would have no priority of its own.

Nodes that wait to take over are fresh. A BACKUP waits three adverts and a skew, which its priority
makes longer or shorter (RFC 5798, section 6.1), so the first of them are far apart: two that take
over in the same moment cost more than one that waits 30 ms longer
(docs/decisions/0008-two-masters-in-one-moment.md).
"""

from __future__ import annotations

from enum import Enum

_SERVING = tuple(range(250, 234, -1))
_FRESH = (230, 160, 90, 60, 46, 40, 37, 35, 33, 31, 29, 27, 25, 24, 23, 22)
_LEAVING = tuple(range(16, 0, -1))

MAX_NODES = len(_FRESH)


class Standing(str, Enum):
    """What a node is up to, as far as becoming MASTER goes."""

    SERVING = "serving"
    """It is, or has been since its start, MASTER."""

    FRESH = "fresh"
    """It has started and was not MASTER since."""

    LEAVING = "leaving"
    """It hands over before it stops."""


_TIERS = {Standing.SERVING: _SERVING, Standing.FRESH: _FRESH, Standing.LEAVING: _LEAVING}


def priority(index: int, standing: Standing = Standing.SERVING) -> int:
    """Return the VRRP priority (1 to 254) of the node at `index`, 0 being the first.

    It depends on the index alone: a node added at the end changes nobody else's.
    """
    return _TIERS[standing][index]


def demotion(index: int, standing: Standing) -> int:
    """Return what takes the node at `index` from its base priority to that of a standing."""
    return priority(index) - priority(index, standing)
