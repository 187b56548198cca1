#!/bin/sh
# Builds the lab's image: a bootable Debian with a bare web server, and the packages it lacks as .debs.
#
# Runs as uid 0 in namespaces of its own (mount and pid; an ordinary user: in a user namespace too), so that
# whatever it mounts or starts is gone with it, however it ends. Reads from the environment:
#   SUITE        e.g. bookworm                SOURCES   an apt sources file made from the machine's own
#   KEYRING      what signs them, or empty    OUT       an empty folder, that becomes the cache entry
#   PACKAGES     in the image, comma-separated          EXTRA     only in the repository, space-separated
#   OFFERED      in both, space-separated
#   OVERLAY      files to lay over the tree   MODULES   the kernel's modules, .../VERSION
#   SIZE_MB      of the disk (a sparse file)             WIDE      1 where wide_registers.c is needed
# Standard input is a lifeline: when it ends, whoever wanted the image is gone, and so is this build.
set -eu
umask 022
exec 3<&0 </dev/null
{ cat <&3 >/dev/null; kill -KILL -1; } &
exec 3<&-
work=$OUT/work
tree=$work/tree
mkdir -p "$work" "$OUT/debs/partial"

here=$(dirname "$0")
say() { echo "lab-image: $*"; }

if [ "$WIDE" = 1 ]; then
    say "making User Mode Linux fit this CPU"
    gcc -O2 -fPIC -shared -nostdlib -ffreestanding -fno-stack-protector -o "$OUT/wide_registers.so" \
        "$here/wide_registers.c"
fi

say "unpacking Debian $SUITE"
# Documentation and translations stay out: a guest unpacks packages several times slower than the host.
mmdebstrap --quiet --mode=root --variant=minbase --components=main ${KEYRING:+--keyring="$KEYRING"} \
    --include="$PACKAGES" \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='force-unsafe-io' \
    --customize-hook='chroot "$1" apt-get clean' \
    --customize-hook='chroot "$1" apt-get -q -y --download-only install '"$EXTRA" \
    --customize-hook='chroot "$1" sh -c "cd /var/cache/apt/archives && apt-get -q download '"$OFFERED"'"' \
    --customize-hook="mv \"\$1\"/var/cache/apt/archives/*.deb '$OUT/debs/'" \
    "$SUITE" "$tree" "$SOURCES"
rmdir "$OUT/debs/partial"

say "making it a node"
cp -R --no-preserve=ownership "$OVERLAY/." "$tree/"
chmod 755 "$tree/usr/local/sbin/lab-network"
mkdir -p "$tree/lib/modules"
cp -R --no-preserve=ownership "$MODULES" "$tree/lib/modules/"
chroot "$tree" depmod "$(basename "$MODULES")"
rm -f "$tree/etc/hostname" "$tree/etc/apt/sources.list.d/"* "$tree/etc/apt/apt.conf.d/99mmdebstrap" \
    "$tree/etc/resolv.conf" "$tree/var/log/"*.log "$tree/var/log/apt/"*
: > "$tree/etc/resolv.conf"
echo "127.0.0.1 localhost" > "$tree/etc/hosts"
echo "::1 localhost ip6-localhost" >> "$tree/etc/hosts"
echo 00000000000000000000000000000000 > "$tree/etc/machine-id"
: > "$tree/etc/machine-id"

say "keys of the node and of its one client"
rm -f "$tree"/etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -C lab-node -f "$tree/etc/ssh/ssh_host_ed25519_key"
ssh-keygen -q -t ed25519 -N '' -C lab-client -f "$OUT/id_ed25519"
cp "$tree/etc/ssh/ssh_host_ed25519_key.pub" "$OUT/host_key.pub"
mkdir -p -m 700 "$tree/root/.ssh"
cp "$OUT/id_ed25519.pub" "$tree/root/.ssh/authorized_keys"

say "what starts at boot"
echo "debconf debconf/frontend select Noninteractive" | chroot "$tree" debconf-set-selections
# mkdir and ln instead of systemctl: the same for every suite, and no systemd has to run here.
units=$tree/etc/systemd/system
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer logrotate.timer systemd-tmpfiles-clean.timer getty.target getty@.service \
    serial-getty@.service console-getty.service systemd-pstore.service systemd-random-seed.service \
    systemd-timesyncd.service systemd-networkd.service systemd-networkd-wait-online.service \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-hwdb-update.service \
    systemd-journal-catalog-update.service systemd-firstboot.service systemd-machine-id-commit.service \
    systemd-boot-update.service systemd-binfmt.service dev-hugepages.mount dev-mqueue.mount \
    sys-kernel-debug.mount sys-kernel-tracing.mount modprobe@drm.service modprobe@efi_pstore.service \
    modprobe@fuse.service sys-fs-fuse-connections.mount kmod-static-nodes.service; do
    ln -sf /dev/null "$units/$unit"
done
# Not at boot, but there for a `systemctl reboot` that asks for it by D-Bus.
rm -f "$tree"/lib/systemd/system/multi-user.target.wants/systemd-logind.service
mkdir -p "$units/network-online.target.requires" "$units/multi-user.target.wants" "$units/local-fs.target.wants"
ln -sf ../lab-network.service "$units/network-online.target.requires/lab-network.service"
ln -sf ../lab-network.service "$units/multi-user.target.wants/lab-network.service"
ln -sf ../lab-data.service "$units/local-fs.target.wants/lab-data.service"
ln -sf /lib/systemd/system/multi-user.target "$units/default.target"
mkdir -p "$tree/data" "$tree/srv/slow"
# Sparse files, one per length in seconds; nginx sends 2 KiB of them each second (see nginx.conf).
for seconds in $(seq 1 120); do truncate -s $((seconds * 2048)) "$tree/srv/slow/$seconds"; done

say "writing the disk"
mke2fs -q -t ext4 -E lazy_itable_init=1,root_owner=0:0 -d "$tree" -F "$OUT/base.img" "${SIZE_MB}M"
# The index of the lab's own repository; publishing writes it anew.
(cd "$OUT/debs" && apt-ftparchive packages . > Packages)
chmod 600 "$OUT/id_ed25519"
rm -rf "$work"
say "done"
