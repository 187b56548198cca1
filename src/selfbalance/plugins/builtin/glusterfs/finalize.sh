# The highest that every server knows: cluster.max-op-version counts all of the pool.
set -e
number() { gluster volume get all "$1" | awk -v name="$1" '$1 == name { print $2 }'; }
now=$(number cluster.op-version)
most=$(number cluster.max-op-version)
[ -n "$now" ] && [ -n "$most" ] || { echo 'gluster does not tell its op-version' >&2; exit 1; }
[ "$now" -lt "$most" ] || { echo "op-version is $now already"; exit 0; }
clients=$(gluster volume status all clients) || { echo "no clients: $clients" >&2; exit 1; }
old=$(printf '%s\n' "$clients" | awk -v most="$most" \
    '$1 ~ /:[0-9]+$/ && $4 ~ /^[0-9]+$/ && $4 + 0 < most + 0 { print $1 }' | sort -u)
[ -z "$old" ] || { echo "clients of an older version would be cut off:" $old >&2; exit 1; }
gluster --mode=script volume set all cluster.op-version "$most" >/dev/null
echo "op-version raised from $now to $most: no way back to the version before"
