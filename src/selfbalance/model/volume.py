"""A volume that the nodes share: GlusterFS, one replica set, mounted on every node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from selfbalance.model.described import Described
from selfbalance.model.words import (
    Address,
    Fixed,
    FolderPath,
    Listed,
    Name,
    OptionName,
    OptionValue,
    Pairs,
)

OURS: Mapping[str, str] = {
    "auth.allow": "it follows from the nodes; name others that mount in clients",
    "nfs.disable": "Debian's gluster has no NFS server, and version 11 no such option",
    "transport.address-family": "it follows from the nodes' addresses",
}
"""Options of a volume that the description does not set, and why."""

FEWEST_COPIES = 3
"""With two, either half of a cut network would go on by itself, or neither: both lose something."""


class Volume(Described):
    """A replicated volume: `replica` nodes, the first ones, have all of it; every node mounts it.

    `brick` is the folder that holds a node's copy, `bricks` another one by node name. `replica` is
    every node unless said. With `arbiter`, the last of three has names and versions only, and
    decides. `options` are gluster's own (`gluster volume set help`). `clients` may mount it, beside
    the nodes. `on_root` allows a brick on the root file system, which a full volume would fill.
    """

    name: Name
    brick: FolderPath
    mount: FolderPath
    bricks: Pairs[Name, FolderPath] = Fixed()
    replica: Annotated[int, Field(ge=FEWEST_COPIES, strict=True)] | None = None
    arbiter: Annotated[bool, Field(strict=True)] = False
    options: Pairs[OptionName, OptionValue] = Fixed()
    clients: Listed[Address] = ()
    on_root: Annotated[bool, Field(strict=True)] = False

    def brick_on(self, node: str) -> str:
        """Return the folder of a node's copy."""
        return self.bricks.get(node, self.brick)

    @property
    def mount_unit(self) -> str:
        r"""What systemd calls the unit of the mount point: `srv-my\x2dfiles.mount`.

        systemd.unit(5), "String escaping for inclusion in unit names".
        """
        name = self.mount.strip("/")
        return _escaped(name[0], "_") + "".join(_escaped(c, "_.") for c in name[1:]) + ".mount"


def _escaped(character: str, kept: str) -> str:
    if character == "/":
        return "-"
    plain = character.isalnum() or character in kept
    return character if plain else f"\\x{ord(character):02x}"


def objection(volume: Volume, nodes: Listed[str]) -> str | None:
    """Say why these nodes, in their order, cannot have this volume; None if they can."""
    copies = len(nodes) if volume.replica is None else volume.replica
    if copies > len(nodes):
        return f"replica {copies} needs as many nodes; there are {len(nodes)}"
    if copies < FEWEST_COPIES:
        return (
            f"{copies} {'node' if copies == 1 else 'nodes'} cannot tell a dead peer from a cut "
            "cable; "
            f"a volume needs {FEWEST_COPIES}"
        )
    if volume.arbiter and copies != FEWEST_COPIES:
        return f"an arbiter is the third of three; write replica = {FEWEST_COPIES}, or no arbiter"
    holders = nodes[:copies]
    if strangers := volume.bricks.keys() - set(holders):
        return f"bricks: {' '.join(sorted(strangers))} has no copy; it is on {' '.join(holders)}"
    if taken := volume.options.keys() & OURS.keys():
        name = min(taken)
        return f"options: leave {name} out: {OURS[name]}"
    return None
