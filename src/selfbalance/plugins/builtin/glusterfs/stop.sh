# Gluster's own order for a server (its Upgrade-Guide, "Generic upgrade procedure"): unmount, end the
# daemon, its bricks and its self-heal daemon, copy what they know. Debian's unit ends bricks with the
# daemon (KillMode=control-group); where a unit leaves them, they are ended here: they would go on with
# the old version.
set -e
for unit in {{ mounts }}; do
    tries=0  # what has a file open for a moment is not in the way for long
    until systemctl stop "$unit" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -gt 20 ] || { sleep 0.5; continue; }
        where=$(systemctl show -p Where --value "$unit")
        users=$(find /proc/[0-9]*/fd /proc/[0-9]*/cwd /proc/[0-9]*/root \
            \( -lname "$where" -o -lname "$where/*" \) 2>/dev/null | cut -d/ -f3 | sort -un)
        echo "$where is in use, by the processes:" $users >&2
        exit 1
    done
done
systemctl stop glustereventsd.service 2>/dev/null || true
systemctl stop glusterd.service
grep -s ' fuse\.glusterfs ' /proc/self/mounts | while read -r what where rest; do
    echo "$what is mounted on $where too, and would hang: unmount it" >&2
    exit 1
done
pkill -x 'glusterfsd|glusterfs' || true
tries=0
while pgrep -x 'glusterd|glusterfsd|glusterfs' >/dev/null; do
    tries=$((tries + 1))
    [ $tries -le {{ patience_s }} ] || { echo 'gluster still runs: see pgrep -a gluster' >&2; exit 1; }
    sleep 1
done
mkdir -p "$kept"
[ -e "$kept/glusterd.tar" ] || {
    tar -C / -cf "$kept/glusterd.tar.new" {{ state }}
    sync "$kept/glusterd.tar.new"
    mv "$kept/glusterd.tar.new" "$kept/glusterd.tar"
}
