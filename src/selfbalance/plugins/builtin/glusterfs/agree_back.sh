systemctl start glusterd.service || exit 1
rm -f {{ drop_in }}
systemctl daemon-reload
tries=0
until timeout 20 gluster --mode=script volume info >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -le {{ patience_s }} ] || { echo 'glusterd does not answer' >&2; exit 1; }
    sleep 1
done
