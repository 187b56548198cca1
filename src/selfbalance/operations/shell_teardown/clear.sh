# Files, units, sysctls and modules as they were before; last of all, what is known of that.
set -u
before={{ before }}
names=$(sed -n 's/^\([a-z0-9._-]*\) = .*/\1/p' {{ sysctls_file }} 2>/dev/null)

for file in {{ files }} $(grep -ls '^# Written by selfbalance' {{ unit_folder }}/*.mount); do
    systemctl -q disable "${file##*/}" 2>/dev/null
    rm -f "$file" || exit 1
done
# One by one: a copy of the folder would give / its mode.
if [ -d "$before/files" ]; then
    find "$before/files" ! -type d | while read -r file; do
        own=${file#"$before/files"}
        mkdir -p "${own%/*}" && cp -a "$file" "$own" || exit 1
    done || exit 1
fi
for folder in {{ folders }}; do
    case $folder in *.service.d) ;; *) [ -e "$before/folders" ] || continue ;; esac
    grep -qxsF "$folder" "$before/folders" || rmdir "$folder" 2>/dev/null
done
{% if own_folders %}
for folder in {{ own_folders }}; do
    [ ! -e "$before/folders" ] || grep -qxF "$folder" "$before/folders" || rmdir "$folder" 2>/dev/null
done
# What glusterd has written itself, dpkg leaves.
! grep -qs . "$before/packages" || grep -qx 'glusterfs-server installed' "$before/packages" ||
    rm -rf /var/lib/glusterd /etc/glusterfs /var/log/glusterfs /run/gluster /run/glusterd.socket
{% endif %}
systemctl daemon-reload
systemctl reset-failed keepalived.service selfbalance-watch.service selfbalance-vip.service 2>/dev/null

# A keepalived of the node's own comes back as it was, unless it would take a VIP from the cluster.
if [ -e "$before/units" ]; then
    while read -r unit enabled active; do
        systemctl -q cat "$unit" >/dev/null 2>&1 || continue
        if [ "$unit" = keepalived.service ] && grep -qsF {{ vip_patterns }} {{ config }}; then
            systemctl -q disable "$unit" 2>/dev/null
            echo "its own {{ config }} names a VIP of this cluster: keepalived is left disabled"
            continue
        fi
        [ "$enabled" != enabled ] || systemctl -q enable "$unit"
        [ "$active" != active ] || systemctl start "$unit" || echo "$unit does not start"
    done <"$before/units"
fi

# Of IPVS they go with the module.
if [ -e "$before/sysctls" ]; then
    for name in {{ sysctls }} $names; do
        path=/proc/sys/$(echo "$name" | tr . /)
        line=$(grep -m 1 "^$path:" "$before/sysctls") && [ -e "$path" ] || continue
        printf '%s\n' "${line#*:}" >"$path" || exit 1
    done
else
    echo "its sysctls are left as they are until it boots: what they were before is not known"
fi

# As often as one goes that another one needed. One that is in use stays: it does no harm.
known='^(ip_vs(_.*)?|nf_conntrack|nf_defrag_ipv[46]|libcrc32c|sch_ingress|cls_flower'
known="$known|act_(gact|skbedit|pedit|csum)|ipip|tunnel[46]|ip_tunnel|ip6_tunnel|(ip6_)?udp_tunnel|fou6?"
known="$known|ip6?_tables|ip6?table_mangle|x_tables|xt_(mac|mark)|fuse)\$"
if [ -e "$before/modules" ]; then
    [ ! -d /sys/module/fuse ] || grep -qx fuse "$before/modules" ||
        systemctl stop sys-fs-fuse-connections.mount 2>/dev/null
    going=yes
    while [ -n "$going" ]; do
        going=
        for module in $(cut -d' ' -f1 /proc/modules | grep -Ex "$known"); do
            grep -qx "$module" "$before/modules" && continue
            rmmod "$module" 2>/dev/null && going=yes
        done
    done
fi
rm -rf {{ run }} {{ log }} {{ folder }}
sync {{ parents }}
