#!/bin/bash
# Boots a VM whose root file system is the tracked one, with Debian's own initramfs and systemd,
# what `make install` installs, and nothing of the harness's in between: a first snapshot, a reboot by
# systemd, one more, power cuts while files are written, and increments chained over all of it.
#
#   boot/test/root.sh [KERNEL [CUTS [FS]]]
#
# KERNEL: of tools/vm; debian-6.12 (the default) has initramfs-tools, forky-7.2 dracut. CUTS: 1. FS: ext4 or xfs.
#
# Needs root, and what tools/vm needs. Some ten minutes, and two for each further cut.
set -Eeuo pipefail

kernel=${1:-debian-6.12} cuts=${2:-1} fs=${3:-ext4}
repo=$(realpath "$(dirname "$0")/../..")
work=$(mktemp -d /var/tmp/dbd-root.XXXXXX)
qemu=
cleanup() {
	[ -z "$qemu" ] || kill -KILL "$qemu" 2>/dev/null || true
	umount -R "$work/root" "$work/mnt" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'echo "FAILED: line $LINENO: $BASH_COMMAND" >&2' ERR

# shellcheck source=boot/test/machine.sh
. "$repo/boot/test/machine.sh"
say() { echo "== $* ($SECONDS s)"; }

mapfile -t built < <(cd "$repo" && npx tsx tools/vm/src/cli.ts build --kernel "$kernel" --tools 2>/dev/null | tail -2)
tools=${built[1]}/bin
# .../build/KERNEL-KEY/dattobd-HASH, and the root file system has the same key
cache=$(dirname "$(dirname "$(dirname "$built")")")
rootfs=$cache/rootfs/$(basename "$(dirname "$built")")
version=$(basename "$(ls -d "$rootfs"/root/lib/modules/*-amd64)")
uuid=4f2d1c5e-6a77-4d3b-9d56-0f1e2d3c4b5a

say "the root file system of $kernel, with boot/ installed"
mkdir -p "$work"/{upper,work,root,share,image,mnt}
mount -t overlay overlay -o "lowerdir=$rootfs/root,upperdir=$work/upper,workdir=$work/work" "$work/root"
root=$work/root
rm -rf "$root"/usr/src/* "$root"/usr/lib/gcc "$root"/usr/share/{doc,man,locale,perl}
make -s -C "$repo/boot" BUILD="$work" DESTDIR="$root" install
mkdir -p "$root/lib/modules/$version/extra" "$root/etc/dbd/devices"
cp "$built/dattobd.ko" "$root/lib/modules/$version/extra/"
chroot "$root" depmod "$version"
# As dbdctl persist leaves it; here, since the initramfs is made before the first boot.
echo minor=0 >"$root/etc/dbd/devices/$uuid"
machine_settle "$root" "$uuid" "$fs"
cp "$repo/boot/test/root-step.sh" "$work/share/step"
cp "$tools"/{blkcmp,cowmap,records} "$root/usr/local/bin/"
systemctl --root="$root" -q enable dbd-reload.service dbd-check.service

say "its initramfs"
mount -t proc proc "$root/proc"
mount --bind "$work/image" "$root/mnt"
if [ -e "$root/usr/bin/dracut" ]; then
	hook=pre-mount/10-dbd-pre-mount.sh
	# Of all machines' drivers those that this one needs; `dbd` and the others come by themselves.
	chroot "$root" dracut --no-hostonly --drivers "virtio_pci virtio_blk $fs" --quiet /mnt/initrd "$version"
	chroot "$root" lsinitrd /mnt/initrd >"$work/initrd.list"
else
	hook=scripts/local-premount/dbd
	machine_initramfs "$root" "$fs"
	chroot "$root" mkinitramfs -o /mnt/initrd "$version"
	chroot "$root" lsinitramfs /mnt/initrd >"$work/initrd.list"
fi
for path in usr/lib/dbd/dbd-reload "etc/dbd/devices/$uuid" "$hook" dattobd.ko; do
	grep -q "$path" "$work/initrd.list" || {
		echo "FAILED: the initramfs lacks $path" >&2
		exit 1
	}
done

say "its disk, with $fs"
truncate -s 1200M "$work/image/disk"
case $fs in
ext4) chroot "$root" mke2fs -q -t ext4 -U "$uuid" /mnt/disk ;;
xfs) chroot "$root" mkfs.xfs -q -m uuid="$uuid" /mnt/disk ;;
*) echo "the file system is ext4 or xfs, not $fs" >&2 && exit 2 ;;
esac
umount "$root/mnt" "$root/proc"
mount -o loop "$work/image/disk" "$work/mnt"
cp -a "$root/." "$work/mnt"
umount "$work/mnt" "$root"

for ((boot = 1; boot <= 3 + cuts; boot++)); do
	say "boot $boot"
	rm -f "$work/share/cut"
	[ $boot -lt 3 ] || [ $boot -gt $((2 + cuts)) ] || touch "$work/share/cut"
	machine_start $boot "$rootfs/root/boot/vmlinuz-$version" "$work/image/initrd" "$uuid" "$work/image/disk"
	if [ -e "$work/share/cut" ]; then
		for _ in {1..300}; do
			[ ! -e "$work/share/passed" ] || break
			grep -qx FAILED "$work/share/log" && break
			sleep 2
		done
		sleep $((RANDOM % 10)).$RANDOM
		kill -KILL $qemu
	fi
	machine_wait 1800
	machine_passed $boot
done
cat "$work/share/log"
say "PASSED, $cuts power cuts"
