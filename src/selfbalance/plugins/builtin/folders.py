"""Snapshot stores `local` and `run`: a folder on the node, on its disk or in its memory."""

from __future__ import annotations

from selfbalance.plugins.spec import Register, hook
from selfbalance.plugins.things import SnapshotStore

KEPT = 5
"""Snapshots that are kept of one name: NAME is the newest, NAME.1 the one before it."""

# Written beside its place, flushed, then renamed: a snapshot is whole or it is not there. Its first
# line says whose it is and what is in it; uname(1), sha256sum(1).
_SAVE = """\
umask 077
mkdir -p {folder} || return 1
new={folder}/.new.$$
cat >"$new.body" || return 1
sum=$(sha256sum <"$new.body") || return 1
{{ echo "selfbalance-snapshot 1 $(uname -n) ${{sum%% *}}" && cat "$new.body"; }} >"$new" || return 1
rm -f "$new.body"
sync "$new" || return 1
for older in {older}; do
    [ ! -e "{folder}/$1.$older" ] || mv "{folder}/$1.$older" "{folder}/$1.$((older + 1))"
done
[ ! -e "{folder}/$1" ] || ln -f "{folder}/$1" "{folder}/$1.1"
mv "$new" "{folder}/$1"\
"""

_LOAD = """\
kept="{folder}/$1${{2:+.$2}}"
[ -s "$kept" ] || {{ echo "$kept: cannot open: No such file, or nothing in it" >&2; return 1; }}
read -r kind format node sum <"$kept" || {{ echo "$kept is torn: its head is cut" >&2; return 1; }}
[ "$kind $format" = "selfbalance-snapshot 1" ] || {{ echo "$kept is no snapshot" >&2; return 1; }}
[ "$node" = "$(uname -n)" ] || {{ echo "$kept is a snapshot of $node, not ours" >&2; return 1; }}
body=$(tail -n +2 "$kept" | sha256sum) || return 1
[ "${{body%% *}}" = "$sum" ] || {{ echo "$kept is torn: its checksum is another" >&2; return 1; }}
tail -n +2 "$kept"\
"""


def body_of_save(folder: str) -> str:
    """Return a shell function's body that keeps its input in a folder, a path or a variable."""
    older = " ".join(str(number) for number in range(KEPT - 2, 0, -1))
    return _SAVE.format(folder=folder, older=older)


def body_of_load(folder: str) -> str:
    """Return a shell function's body that prints what was kept in a folder, or refuses it."""
    return _LOAD.format(folder=folder)


def in_folder(folder: str, description: str) -> SnapshotStore:
    """Return a store that keeps snapshots in a folder of the node; the path needs no quotes."""
    return SnapshotStore(
        description=f"{description}, {folder}",
        save=body_of_save(folder),
        load=body_of_load(folder),
    )


LOCAL_FOLDER = "/var/lib/selfbalance/snapshots"
LOCAL = in_folder(LOCAL_FOLDER, "the node's own disk")
RUN = in_folder("/run/selfbalance-snapshots", "the node's memory, gone at a reboot")


@hook
def register_snapshot_stores(register: Register[SnapshotStore]) -> None:
    """Register `local` and `run`."""
    register("local", LOCAL)
    register("run", RUN)
