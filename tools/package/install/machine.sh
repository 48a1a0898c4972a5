#!/bin/bash
# machine.sh DEBIAN WORK TOOLS: boots the disk that chroot.sh has left in WORK, by the release's own initramfs and systemd,
# and runs step.sh at each boot: first with the older version, which it upgrades while devices are tracked, then with
# what was installed meanwhile. TOOLS: tools/vm's, for the guest.
set -Eeuo pipefail
trap 'echo "FAILED at line $LINENO: $BASH_COMMAND" >&2' ERR
debian=$1 work=$2 tools=$3
repo=$(realpath "$(dirname "$0")/../../..")
# shellcheck source=boot/test/machine.sh
. "$repo/boot/test/machine.sh"
# shellcheck source=tools/package/install/names.sh
. "$repo/tools/package/install/names.sh"
qemu=
trap '[ -z "$qemu" ] || kill -KILL "$qemu" 2>/dev/null || true' EXIT

here=$repo/tools/package/install
cp "$here/step.sh" "$work/share/step"
cp "$here/names.sh" "$work/share/"
echo "debian=$debian" >"$work/share/settings"
mkdir -p "$work/share/bin"
cp "$tools"/{blkcmp,records} "$work/share/bin/"
rm -rf "$work"/share/{log,next,own*} "$work/disks"
mkdir "$work/disks"
# The images are files: a disk with one would have the UUID of what it is of.
truncate -s 2G "$work/backup.disk"
mke2fs -q -t ext4 "$work/backup.disk"
cp --sparse=always "$work"/{root,data,backup}.disk "$work/disks/"
disks=("$work"/disks/{root,data,backup}.disk)

old=$(cat "$work/old")
vmlinuz=$work/vmlinuz-$old initrd=$work/initrd.img-$old
for boot in 1 2; do
	echo "== Debian $debian, boot $boot: $(basename "$vmlinuz") ($SECONDS s)"
	machine_start $boot "$vmlinuz" "$initrd" "$ROOT_UUID" "${disks[@]}"
	machine_wait 1800
	machine_passed $boot
	vmlinuz=$work/share/next-vmlinuz initrd=$work/share/next-initrd
done
cat "$work/share/log"
