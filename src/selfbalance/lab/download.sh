#!/bin/sh
# Downloads PACKAGE as FROM has it, built for SUITE by Debian itself, into OUT, with what it needs and a node cannot
# get otherwise.
#
# Runs as build.sh does: as uid 0 in namespaces of its own, standard input a lifeline. SOURCES names SUITE's packages
# and FROM's. apt works in folders of its own, on a machine that is only on paper: one that has what a node HAS, and
# what is OFFERED by the lab's repository.
set -eu
umask 022
exec 3<&0 </dev/null
{ cat <&3 >/dev/null; kill -KILL -1; } &
exec 3<&-

say() { echo "lab-image: $*"; }
fail() { echo "E: $*"; exit 1; }
machine=$(dpkg --print-architecture)

# A private root of apt: its settings, its lists, its idea of what is installed. The machine's own stay as they are.
root=$TMPDIR/apt
for folder in apt.conf.d preferences.d trusted.gpg.d; do mkdir -p "$root/etc/apt/$folder"; done
mkdir -p "$root/var/lib/apt/lists/partial" "$root/var/cache/apt/archives/partial" "$root/var/lib/dpkg"
cp "$SOURCES" "$root/etc/apt/sources.list"
if [ -n "$KEYRING" ]; then
    cp "$KEYRING" "$root/etc/apt/trusted.gpg.d/"
    trusted=/dev/null parts=$root/etc/apt/trusted.gpg.d
else
    eval "$(apt-config shell trusted Dir::Etc::Trusted/f parts Dir::Etc::TrustedParts/d)"
fi
cat > "$root/apt.conf" <<END
Dir "$root";
Dir::Etc::Trusted "$trusted";
Dir::Etc::TrustedParts "$parts";
Dir::State::status "$root/var/lib/dpkg/status";
APT::Architecture "$machine";
APT::Architectures "$machine";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
END
export APT_CONFIG="$root/apt.conf"
: > "$root/var/lib/dpkg/status"

say "what Debian $SUITE and $FROM have"
apt-get -q update
apt-cache madison "$PACKAGE" | grep -q " $FROM/main " || fail "Debian $FROM has no package $PACKAGE"

say "what a node has"
# Backports are never taken unasked (NotAutomatic in their Release), so this is SUITE alone.
# shellcheck disable=SC2086 # the lists are words
apt-get -q --simulate install '?essential' apt $HAS $OFFERED > "$root/there"
awk '$1 == "Inst" { print $2 "=" substr($3, 2) }' "$root/there" | xargs apt-cache show |
    sed 's/^Package: .*/&\nStatus: install ok installed/' > "$root/var/lib/dpkg/status"

say "downloading $PACKAGE"
apt-get -q -y -t "$FROM" --download-only --allow-downgrades install "$PACKAGE/$FROM"
find "$root/var/cache/apt/archives" -name '*.deb' -exec mv -t "$OUT" {} +
[ -n "$(ls "$OUT")" ] || fail "Debian $SUITE itself has $PACKAGE as $FROM has it"
say "done"
