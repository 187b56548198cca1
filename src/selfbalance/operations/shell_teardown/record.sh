# What this node has before it gets anything of ours: whole, written once, never overwritten.
set -eu
umask 077
before={{ before }}
[ ! -e "$before" ] || exit 0
new=$before.new
rm -rf "$new"
mkdir -p "$new/files"
dpkg-query -W -f '${Package} ${db:Status-Status}\n' >"$new/packages"
cut -d' ' -f1 /proc/modules >"$new/modules"
# All of the network's: what a later description sets is not known yet. Some may not be read.
grep -r '' /proc/sys/net >"$new/sysctls" 2>/dev/null || true
ip -o link show up >"$new/up"
tc qdisc show >"$new/qdiscs" 2>/dev/null || true
for unit in {{ units }}; do
    echo "$unit $(systemctl is-enabled "$unit" 2>/dev/null || true) $(systemctl is-active "$unit" || true)"
done >"$new/units"
for folder in {{ folders }}; do
    [ ! -d "$folder" ] || echo "$folder"
done >"$new/folders"
for file in {{ files }}; do
    [ -e "$file" ] || continue
    mkdir -p "$new/files${file%/*}"
    cp -a "$file" "$new/files$file"
done
find "$new" -exec sync {} +
mv -T "$new" "$before"
sync {{ folder }}
