"""Snapshot store `local`: the node's own disk, below /var/lib/selfbalance."""

from __future__ import annotations

from selfbalance.plugins.spec import Register, hook
from selfbalance.plugins.things import SnapshotStore

_FOLDER = "/var/lib/selfbalance/snapshots"

LOCAL = SnapshotStore(
    description=f"the node's own disk, {_FOLDER}",
    # Written beside its place, flushed, then renamed: a snapshot is whole or it is not there.
    save=(
        f"umask 077 && mkdir -p {_FOLDER} && cat > {_FOLDER}/.new.$$ "
        f'&& sync {_FOLDER}/.new.$$ && mv {_FOLDER}/.new.$$ "{_FOLDER}/$1"'
    ),
    load=f'cat "{_FOLDER}/$1"',
)


@hook
def register_snapshot_stores(register: Register[SnapshotStore]) -> None:
    """Register `local`."""
    register("local", LOCAL)
