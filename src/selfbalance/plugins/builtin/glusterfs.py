"""Component `glusterfs`: the volumes that the nodes share. Needed where one is described."""

from __future__ import annotations

import shlex

from selfbalance.model import Cluster, Node
from selfbalance.plugins.spec import Register, hook
from selfbalance.plugins.things import Agreement, Component, Upgrade

#: All that glusterfs-server consists of in each version: apt takes none of them back by itself.
PACKAGES = (
    "glusterfs-server", "glusterfs-client", "glusterfs-common", "glusterfs-cli", "libglusterfs0",
    "libgfapi0", "libgfrpc0", "libgfxdr0", "libgfchangelog0",
)  # fmt: skip

_STATE = "var/lib/glusterd etc/glusterfs"
_PATIENCE_S = 60

# In gluster's own order for a server (its Upgrade-Guide, "Generic upgrade procedure"): unmount, end
# the daemon, bricks and self-heal daemon, copy what they know. Debian's unit ends bricks with the
# daemon (KillMode=control-group); where a unit leaves them, they are ended here: they would go on
# with the old version.
_STOP = """\
set -e
for unit in {mounts}; do
    tries=0  # what has a file open for a moment is not in the way for long
    until systemctl stop "$unit" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -gt 20 ] || {{ sleep 0.5; continue; }}
        where=$(systemctl show -p Where --value "$unit")
        echo "$where is in use, by the processes:" \
            $(find /proc/[0-9]*/fd /proc/[0-9]*/cwd /proc/[0-9]*/root -lname "$where/*" -o \
                -lname "$where" 2>/dev/null | cut -d/ -f3 | sort -un) >&2
        exit 1
    done
done
systemctl stop glustereventsd.service 2>/dev/null || true
systemctl stop glusterd.service
grep -s ' fuse\\.glusterfs ' /proc/self/mounts | while read -r what where rest; do
    echo "$what is mounted on $where too, and would hang: unmount it" >&2
    exit 1
done
pkill -x 'glusterfsd|glusterfs' || true
tries=0
while pgrep -x 'glusterd|glusterfsd|glusterfs' >/dev/null; do
    tries=$((tries + 1))
    [ $tries -le {patience} ] || {{ echo 'gluster still runs: see pgrep -a gluster' >&2; exit 1; }}
    sleep 1
done
mkdir -p "$kept"
[ -e "$kept/glusterd.tar" ] || {{
    tar -C / -cf "$kept/glusterd.tar.new" {state}
    sync "$kept/glusterd.tar.new"
    mv "$kept/glusterd.tar.new" "$kept/glusterd.tar"
}}\
"""

# glusterd 11, as Debian builds it, knows no nfs.disable, and leaves it out where it writes a
# volume's file anew. From its second start on, its peers of version 10 see two files that differ,
# and reject it (docs/decisions/0020-volumes.md). glusterd 10 works without it, but takes it out for
# nobody who asks. So all glusterds stop at once, leave bricks and mounts at work, take it out of
# their files, and start. A node that hears nothing more does that by itself after a minute.
_DROP_IN = "/run/systemd/system/glusterd.service.d/selfbalance-agreement.conf"
_INFO = "/var/lib/glusterd/vols/*/info"
_BACK = f"""\
systemctl start glusterd.service || exit 1
rm -f {_DROP_IN}
systemctl daemon-reload
tries=0
until timeout 20 gluster --mode=script volume info >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -le {_PATIENCE_S} ] || {{ echo 'glusterd does not answer' >&2; exit 1; }}
    sleep 1
done\
"""
_UNDO = f"""\
systemctl stop selfbalance-agreement.timer 2>/dev/null
[ -e {_DROP_IN} ] || exit 0
{_BACK}\
"""
_END = f"""\
systemctl stop selfbalance-agreement.timer 2>/dev/null
[ -e {_DROP_IN} ] || exit 0
sed -i '/^nfs.disable=/d' {_INFO} || exit 1
{_BACK}\
"""
_BEGIN = f"""\
set -e
grep -qs '^nfs.disable=' {_INFO} || exit 0
mkdir -p {_DROP_IN.rpartition("/")[0]}
printf '[Service]\\nKillMode=process\\n' >{_DROP_IN}
systemctl daemon-reload
systemd-run --quiet --collect --unit=selfbalance-agreement --on-active=60 sh -c {shlex.quote(_END)}
systemctl stop glusterd.service
echo begun\
"""

_RESTORE = """\
set -e
[ -e "$kept/glusterd.tar" ] || {{ echo "$kept/glusterd.tar is gone: not put back" >&2; exit 1; }}
cd /
rm -rf {state}
tar -xpf "$kept/glusterd.tar"
sync\
"""

# Twice: a new version writes its files anew at its first start, and only at the second one do its
# peers see whether they agree. Heals are asked for, as the procedure has it; what is still missing
# then is for the gates to wait for. The self-heal daemon comes up some seconds after the bricks.
_START = """\
set -e
up() {{
    systemctl reset-failed glusterd.service 2>/dev/null || true
    systemctl $1 glusterd.service
    tries=0
    until timeout 20 gluster --mode=script volume info >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -le {patience} ] || {{ echo 'glusterd does not answer' >&2; exit 1; }}
        sleep 1
    done
}}
up start
up restart
for unit in {mounts}; do
    systemctl reset-failed "$unit" 2>/dev/null || true
    systemctl start "$unit"
done
for volume in {volumes}; do
    tries=0
    until timeout 30 gluster --mode=script volume heal "$volume" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -le 15 ] || {{ echo "$volume: no heal could be asked for; going on" >&2; break; }}
        sleep 1
    done
done\
"""

# The highest that every server knows: cluster.max-op-version counts all of the pool.
_FINALIZE = """\
set -e
number() {{ gluster volume get all "$1" | awk -v name="$1" '$1 == name {{ print $2 }}'; }}
now=$(number cluster.op-version)
most=$(number cluster.max-op-version)
[ -n "$now" ] && [ -n "$most" ] || {{ echo 'gluster does not tell its op-version' >&2; exit 1; }}
[ "$now" -lt "$most" ] || {{ echo "op-version is $now already"; exit 0; }}
clients=$(gluster volume status all clients) || {{ echo "no clients: $clients" >&2; exit 1; }}
old=$(printf '%s\\n' "$clients" | awk -v most="$most" \
    '$1 ~ /:[0-9]+$/ && $4 ~ /^[0-9]+$/ && $4 + 0 < most + 0 {{ print $1 }}' | sort -u)
[ -z "$old" ] || {{ echo "clients of an older version would be cut off:" $old >&2; exit 1; }}
gluster --mode=script volume set all cluster.op-version "$most" >/dev/null
echo "op-version raised from $now to $most: no way back to the version before"\
"""


def _has_volumes(cluster: Cluster) -> bool:
    """Whether there is a volume."""
    return bool(cluster.volumes)


def _filled(script: str, cluster: Cluster) -> str:
    return script.format(
        mounts=" ".join(shlex.quote(volume.mount_unit) for volume in cluster.volumes),
        volumes=" ".join(shlex.quote(volume.name) for volume in cluster.volumes),
        state=_STATE,
        patience=_PATIENCE_S,
    )


def _stop(cluster: Cluster, _node: Node) -> str:
    """Unmount, end glusterd and its bricks, and keep a copy of what it knows."""
    return _filled(_STOP, cluster)


def _start(cluster: Cluster, _node: Node) -> str:
    """Start glusterd twice, mount, and ask for heals."""
    return _filled(_START, cluster)


def _restore(cluster: Cluster, _node: Node) -> str:
    """Put back what glusterd knew."""
    return _filled(_RESTORE, cluster)


def _finalize(cluster: Cluster) -> str:
    """Raise the op-version to the highest that all know."""
    return _filled(_FINALIZE, cluster)


GLUSTERFS = Component(
    description="the volumes that the nodes share, where one is described",
    packages=("glusterfs-server",),
    units=("glusterd.service",),
    needed=_has_volumes,
    upgrade=Upgrade(
        packages=PACKAGES,
        stop=_stop,
        start=_start,
        restore=_restore,
        agreement=Agreement(_BEGIN, _END, _UNDO),
        finalize=_finalize,
    ),
)


@hook
def register_components(register: Register[Component]) -> None:
    """Register `glusterfs`."""
    register("glusterfs", GLUSTERFS)
