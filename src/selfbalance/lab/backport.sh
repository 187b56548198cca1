#!/bin/sh
# Builds PACKAGE of another Debian suite from its source, for SUITE, into OUT.
#
# Runs as build.sh does: as uid 0 in namespaces of its own, standard input a lifeline. SOURCES names SUITE's
# packages, and the other suite's sources alone: what it is built with is SUITE's.
set -eu
umask 022
exec 3<&0 </dev/null
{ cat <&3 >/dev/null; kill -KILL -1; } &
exec 3<&-

say() { echo "lab-image: $*"; }

export DEB_BUILD_OPTIONS="nocheck nodoc noautodbgsym parallel=$(nproc)"
say "unpacking Debian $SUITE with a compiler"
mmdebstrap --quiet --mode=root --variant=buildd --components=main ${KEYRING:+--keyring="$KEYRING"} \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='force-unsafe-io' \
    --customize-hook="echo lab-image: what $PACKAGE is built with" \
    --customize-hook='chroot "$1" apt-get -q -y --only-source build-dep '"$PACKAGE" \
    --customize-hook="echo lab-image: compiling $PACKAGE" \
    --customize-hook='mkdir "$1/made" && chroot "$1" sh -c "cd /made && apt-get -q -y --only-source --build source '"$PACKAGE"'"' \
    --customize-hook="mv \"\$1\"/made/*.deb '$OUT/'" \
    "$SUITE" /dev/null "$SOURCES"
say "done"
