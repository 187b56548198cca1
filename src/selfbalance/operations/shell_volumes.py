"""The shell commands that make gluster's volumes. Each may be run again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from selfbalance.desired import DesiredVolume
from selfbalance.plan import VolumeAct, VolumeStep

_TRIES = 60
"""How often gluster is asked again, a second apart, while it is busy with another transaction."""

# A pool of several glusterds is slow to agree: a new peer, or one whose daemon has just started, is
# refused for some seconds. Everything else that gluster refuses, it refuses for good.
_GLUSTER = (
    "gluster_() { tries=0; while :; do "
    'said=$(timeout 150 gluster --mode=script "$@" 2>&1); code=$?; tries=$((tries + 1)); '
    "[ $code -ne 0 ] && [ $tries -lt " + str(_TRIES) + " ] || break; case $said in "
    "*'nother transaction'* | *'ocking failed'* | *'Peer in Cluster'* | *'gluster daemon is op'* | "
    "*'ot all peers are'* | *'not connected'*) sleep 1 ;; *) break ;; esac; done; "
    '[ $code -eq 0 ] || { printf \'gluster %s: %s\\n\' "$*" "${said:-no answer in 150 s}" '
    ">&2; exit 1; }; }; "
)


def command(step: VolumeStep) -> str:
    """Return the command of a step, for the node that it is done on."""
    volume = step.volume
    if volume is None:
        return probe(step.subject)
    return {
        VolumeAct.CREATE: lambda: create(volume),
        VolumeAct.GROW: lambda: grow(volume, step.subject, step.copies),
        VolumeAct.SET: lambda: set_options(volume),
        VolumeAct.START: lambda: _gluster("volume", "start", volume.name),
        VolumeAct.MOUNT: lambda: mount(volume),
    }[step.act]()


def _gluster(*words: str) -> str:
    return f"set -u; {_GLUSTER}gluster_ {_words(words)}"


def probe(address: str) -> str:
    """Take a node into the pool, and wait until the pool knows it well (state 3, connected)."""
    inside = (
        "timeout 20 gluster --xml peer status | tr -d '\\n ' | grep -q "
        f"'<hostname>{address}</hostname></hostnames><connected>1</connected><state>3<'"
    )
    return (
        f"{_gluster('peer', 'probe', address)}; tries=0; until {inside}; do "
        f"tries=$((tries + 1)); [ $tries -le {_TRIES} ] || "
        f"{{ echo '{address} does not become a peer in the pool: gluster peer status' >&2; "
        "exit 1; }; sleep 1; done"
    )


def make_folder(brick: str) -> str:
    """Make the folder of a node's copy."""
    return f"mkdir -p {shlex.quote(brick)}"


def create(volume: DesiredVolume) -> str:
    """Make the volume of its bricks; gluster is forced where one may be on the root file system."""
    copies = ["replica", str(len(volume.bricks)), *(["arbiter", "1"] if volume.arbiter else [])]
    force = ["force"] if volume.on_root else []
    return _gluster("volume", "create", volume.name, *copies, *volume.bricks, *force)


def grow(volume: DesiredVolume, brick: str, copies: int) -> str:
    """Add one more copy, so that there are so many, and have it healed."""
    force = ["force"] if volume.on_root else []
    add = ["volume", "add-brick", volume.name, "replica", str(copies), brick, *force]
    return f"{_gluster(*add)}; gluster_ volume heal {shlex.quote(volume.name)} full"


def set_options(volume: DesiredVolume) -> str:
    """Set all described options at once."""
    pairs = [word for pair in volume.options.items() for word in pair]
    return _gluster("volume", "set", volume.name, *pairs)


def mount(volume: DesiredVolume) -> str:
    """Let systemd mount it."""
    unit = shlex.quote(volume.mount_unit)
    return (
        f"systemctl reset-failed {unit} 2>/dev/null; systemctl start {unit} || "
        f"{{ journalctl -u {unit} -n 5 --no-pager >&2; exit 1; }}"
    )


def _words(values: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, values))
