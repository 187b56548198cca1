# Debian's glusterd 11 knows no nfs.disable, and leaves it out where it writes a volume's file anew. From its
# second start on, its peers of version 10 see two files that differ, and reject it. glusterd 10 works without
# it, but takes it out for nobody who asks (docs/decisions/0020-volumes.md). So all glusterds stop at once,
# leave bricks and mounts at work, take it out of their files, and start. A node that hears nothing more
# does that by itself after a minute.
set -e
grep -qs '^nfs.disable=' {{ info }} || exit 0
mkdir -p {{ drop_in.rpartition("/")[0] }}
printf '[Service]\nKillMode=process\n' >{{ drop_in }}
systemctl daemon-reload
systemd-run --quiet --collect --unit={{ timer }} --on-active=60 sh -c {{ end }}
systemctl stop glusterd.service
echo begun
