"""The shell commands that make gluster's volumes. Each may be run again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from selfbalance.desired import DesiredVolume, places
from selfbalance.plan import VolumeAct, VolumeStep

_TRIES = 60
"""How often gluster is asked again, a second apart, while it is busy with another transaction."""

# A pool of several glusterds is slow to agree: a new peer, or one whose daemon has just started, is
# refused for some seconds. So is a heal, until the daemon that does it runs at every copy. What
# gluster refuses besides, it refuses for good.
_GLUSTER = (
    "gluster_() { tries=0; while :; do "
    'said=$(timeout 150 gluster --mode=script "$@" 2>&1); code=$?; tries=$((tries + 1)); '
    "[ $code -ne 0 ] && [ $tries -lt " + str(_TRIES) + " ] || break; case $said in "
    "*'nother transaction'* | *'ocking failed'* | *'Peer in Cluster'* | *'gluster daemon is op'* | "
    "*'ot all peers are'* | *'not connected'* | *'aunching heal operation'*) sleep 1 ;; "
    "*) break ;; esac; done; "
    '[ $code -eq 0 ] || { printf \'gluster %s: %s\\n\' "$*" "${said:-no answer in 150 s}" '
    ">&2; exit 1; }; }; "
)


def command(step: VolumeStep) -> str:
    """Return the command of a step, for the node that it is done on."""
    volume = step.volume
    if volume is None:
        return {
            VolumeAct.PROBE: lambda: probe(step.subject),
            VolumeAct.IDENTIFY: lambda: identify(step.subject, step.other, step.members),
            VolumeAct.DETACH: lambda: detach(step.subject),
        }[step.act]()
    return {
        VolumeAct.CREATE: lambda: create(volume),
        VolumeAct.GROW: lambda: grow(volume, step.subject, step.copies),
        VolumeAct.SET: lambda: set_options(volume),
        VolumeAct.START: lambda: _gluster("volume", "start", volume.name),
        VolumeAct.MOUNT: lambda: mount(volume),
        VolumeAct.RESET: lambda: reset(volume, step.subject),
        VolumeAct.REPLACE: lambda: replace(volume, step.other, step.subject),
        VolumeAct.SHRINK: lambda: shrink(volume, step.subject, step.copies),
    }[step.act]()


def _gluster(*words: str) -> str:
    return f"set -u; {_GLUSTER}gluster_ {_words(words)}"


def probe(address: str) -> str:
    """Take a node into the pool, and wait until the pool knows it well (state 3, connected)."""
    inside = (
        "timeout 20 gluster --xml peer status | tr -d '\\n ' | grep -q "
        f"'<hostname>{address}</hostname></hostnames><connected>1</connected><state>3<'"
    )
    complaint = f"{address} does not become a peer in the pool: gluster peer status"
    return f"{_gluster('peer', 'probe', address)}; {_until(inside, complaint)}"


def identify(uuid: str, good: str, members: int) -> str:
    """Let this node's glusterd be a peer that others know by its id, and learn the volumes of one.

    It writes its id when it is first asked for something, and peers compare files at a start. It
    does not start while it knows a volume and not yet all peers that hold it (glusterd-store.c,
    glusterd_resolve_all_bricks), so it first learns of all members of the pool.
    """
    info = f"{places.GLUSTERD}/glusterd.info"
    told = f'[ "$(timeout 20 gluster pool list | wc -l)" -gt {members} ]'
    learnt = (
        "timeout 20 gluster --xml volume info | grep -q '<volume>' && "
        "timeout 20 gluster --xml peer status | tr -d '\\n ' | grep -q "
        f"'<hostname>{good}</hostname></hostnames><connected>1</connected><state>3<'"
    )
    return (
        f"set -u; {_GLUSTER}systemctl start glusterd; gluster_ pool list; "
        f"systemctl stop glusterd; sed -i 's/^UUID=.*/UUID={uuid}/' {info}; sync {info}; "
        f"grep -qx UUID={uuid} {info} || {{ echo '{info} has no UUID' >&2; exit 1; }}; "
        f"systemctl start glusterd; gluster_ peer probe {good}; "
        f"{_until(told, f'it is not told of all peers by {good}: gluster pool list')}; "
        "systemctl restart glusterd; "
        f"{_until(learnt, f'it does not learn the volumes of {good}: gluster peer status')}"
    )


def _until(condition: str, complaint: str) -> str:
    """Ask again, a second apart, until it holds; fail with the complaint after so many tries."""
    return (
        f"tries=0; until {condition}; do tries=$((tries + 1)); [ $tries -le {_TRIES} ] || "
        f"{{ echo '{complaint}' >&2; exit 1; }}; sleep 1; done"
    )


def detach(address: str) -> str:
    """Take a node out of the pool, be it there or not."""
    return _gluster("peer", "detach", address, "force")


def reset(volume: DesiredVolume, brick: str) -> str:
    """Have a copy made anew from the others, in a folder that is empty."""
    words = _words([volume.name, brick])
    return (
        f"set -u; {_GLUSTER}(gluster_ volume reset-brick {words} start) 2>/dev/null; "
        f"gluster_ volume reset-brick {words} {shlex.quote(brick)} commit force; "
        f"gluster_ volume heal {shlex.quote(volume.name)} full"
    )


def replace(volume: DesiredVolume, old: str, new: str) -> str:
    """Have a copy at another place instead of one that is gone, and have it healed."""
    swap = ["volume", "replace-brick", volume.name, old, new, "commit", "force"]
    return f"{_gluster(*swap)}; gluster_ volume heal {shlex.quote(volume.name)} full"


def shrink(volume: DesiredVolume, brick: str, copies: int) -> str:
    """Take a copy out of the volume: so many are left."""
    return _gluster("volume", "remove-brick", volume.name, "replica", str(copies), brick, "force")


def unmount(units: Iterable[str]) -> str:
    """Let systemd unmount volumes."""
    return (
        f'for unit in {_words(units)}; do systemctl stop "$unit" 2>/dev/null; '
        '! systemctl -q is-active "$unit" || '
        '{ journalctl -u "$unit" -n 3 --no-pager >&2; exit 1; }; done'
    )


def leave(bricks: Iterable[str]) -> str:
    """End gluster on a node that is in no pool any more, and delete its copies."""
    return (
        "set -u; if timeout 20 gluster --xml peer status 2>/dev/null | grep -q '<hostname>'; then "
        "echo 'it is still in a pool: gluster peer status' >&2; exit 1; fi; "
        "systemctl -q disable glusterd 2>/dev/null; systemctl stop glusterd 2>/dev/null; "
        f"rm -rf {_words(bricks)}"
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
