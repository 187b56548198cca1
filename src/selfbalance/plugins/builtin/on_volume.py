"""Snapshot store `glusterfs`: the shared volume, so that a snapshot outlives its node's disk."""

from __future__ import annotations

from selfbalance.model import Cluster
from selfbalance.plugins.builtin.folders import LOCAL_FOLDER, body_of_load, body_of_save
from selfbalance.plugins.spec import Register, hook
from selfbalance.plugins.things import SnapshotStore

FOLDER = ".selfbalance/snapshots"
"""Below the first volume's mount point; each node has a folder of its own in it."""

_WHERE = f"""\
where() {{
    mount=$(awk '$3 == "fuse.glusterfs" {{ print $2; exit }}' /proc/self/mounts)
    shared=$mount/{FOLDER}/$(uname -n)
}}
saved_in() {{ folder=$1; shift
{body_of_save("$folder")}
}}
loaded_from() {{ folder=$1; shift
{body_of_load("$folder")}
}}
"""

# A volume without its quorum refuses writes, and one that lost a node holds them back for a while:
# neither may hold up what the snapshot is for.
_SAVE = f"""\
{_WHERE}where
umask 077
mkdir -p {LOCAL_FOLDER} || return 1
copy={LOCAL_FOLDER}/.copy.$$
cat >"$copy" || return 1
if [ -n "$mount" ] && timeout -s KILL 10 sh -c \\
    'mkdir -p "$1" && : >"$1/.writable" && rm "$1/.writable"' sh "$shared" 2>/dev/null &&
    saved_in "$shared" "$1" <"$copy" 2>/dev/null
then
    rm -f "$copy"
    return 0
fi
echo "the volume is not writable${{mount:+ at $mount}}: snapshot $1 is kept on the node instead" >&2
saved_in {LOCAL_FOLDER} "$1" <"$copy"; kept=$?
rm -f "$copy"
return $kept\
"""

_LOAD = f"""\
{_WHERE}where
if [ -n "$mount" ] && [ -e "$shared/$1" ] && [ ! "{LOCAL_FOLDER}/$1" -nt "$shared/$1" ]; then
    loaded_from "$shared" "$@"
else
    loaded_from {LOCAL_FOLDER} "$@"
fi\
"""


def _objection(cluster: Cluster) -> str | None:
    """Say that there is no volume, if so."""
    return None if cluster.volumes else "there is no volume to keep them on; describe one: volumes"


ON_VOLUME = SnapshotStore(
    description=f"the first volume, {FOLDER} in it; while that is not writable, the node's disk",
    save=_SAVE,
    load=_LOAD,
    objection=_objection,
)


@hook
def register_snapshot_stores(register: Register[SnapshotStore]) -> None:
    """Register `glusterfs`."""
    register("glusterfs", ON_VOLUME)
