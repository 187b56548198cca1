# Twice: a new version writes its files anew at its first start, and only at the second one do its peers
# see whether they agree. Heals are asked for, as the procedure has it; what is still missing then is for
# the gates to wait for. The self-heal daemon comes up some seconds after the bricks.
set -e
up() {
    systemctl reset-failed glusterd.service 2>/dev/null || true
    systemctl $1 glusterd.service
    tries=0
    until timeout 20 gluster --mode=script volume info >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -le {{ patience_s }} ] || { echo 'glusterd does not answer' >&2; exit 1; }
        sleep 1
    done
}
up start
up restart
for unit in {{ mounts }}; do
    systemctl reset-failed "$unit" 2>/dev/null || true
    systemctl start "$unit"
done
for volume in {{ volumes }}; do
    tries=0
    until timeout 30 gluster --mode=script volume heal "$volume" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -le 15 ] || { echo "$volume: no heal could be asked for; going on" >&2; break; }
        sleep 1
    done
done
