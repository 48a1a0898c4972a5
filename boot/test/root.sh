#!/bin/bash
# Boots a VM whose root file system is the tracked one, with Debian's own initramfs (initramfs-tools) and systemd,
# what `make install` installs, and nothing of the harness's in between: a first snapshot, a reboot by
# systemd, one more, a power cut while files are written, and increments chained over all of it.
#
#   boot/test/root.sh [KERNEL]       debian-6.12 or forky-7.2, of tools/vm; they have systemd
#
# Needs root, and what tools/vm needs. Some ten minutes.
set -Eeuo pipefail

kernel=${1:-debian-6.12}
repo=$(realpath "$(dirname "$0")/../..")
work=$(mktemp -d /var/tmp/dbd-root.XXXXXX)
qemu=
cleanup() {
	[ -z "$qemu" ] || kill -KILL "$qemu" 2>/dev/null || true
	umount "$work/root" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'echo "FAILED: line $LINENO: $BASH_COMMAND" >&2' ERR

say() { echo "== $* ($SECONDS s)"; }

built=$(cd "$repo" && npx tsx tools/vm/src/cli.ts build --kernel "$kernel" 2>/dev/null | tail -1)
# .../build/KERNEL-KEY/dattobd-HASH, and the root file system has the same key
cache=$(dirname "$(dirname "$(dirname "$built")")")
rootfs=$cache/rootfs/$(basename "$(dirname "$built")")
tools=$(ls -td "$(dirname "$built")"/guest-tools-* | head -1)/bin
node=$(dirname "$(realpath "$(command -v node)")")
version=$(basename "$(ls -d "$rootfs"/root/lib/modules/*-amd64)")
uuid=4f2d1c5e-6a77-4d3b-9d56-0f1e2d3c4b5a

say "the root file system of $kernel, with boot/ installed"
mkdir -p "$work"/{upper,work,root,share}
mount -t overlay overlay -o "lowerdir=$rootfs/root,upperdir=$work/upper,workdir=$work/work" "$work/root"
root=$work/root
rm -rf "$root"/usr/src/* "$root"/usr/lib/gcc "$root"/usr/share/{doc,man,locale,perl}
make -s -C "$repo/boot" BUILD="$work" DESTDIR="$root" install
mkdir -p "$root/lib/modules/$version/extra" "$root/etc/dbd/devices"
cp "$built/dattobd.ko" "$root/lib/modules/$version/extra/"
chroot "$root" depmod "$version"
# As dbdctl persist leaves it; here, since the initramfs is made before the first boot.
echo minor=0 >"$root/etc/dbd/devices/$uuid"
echo "UUID=$uuid / ext4 defaults 0 1" >"$root/etc/fstab"
: >"$root/etc/machine-id"
cat >"$root/etc/systemd/system/dbd-test.service" <<END
[Unit]
After=local-fs.target dbd-check.service
[Service]
Type=oneshot
ExecStart=/bin/bash /usr/local/sbin/dbd-test
StandardOutput=journal+console
TimeoutStartSec=infinity
[Install]
WantedBy=multi-user.target
END
cat >"$root/usr/local/sbin/dbd-test" <<'END'
modprobe -a 9pnet_virtio 9p
mkdir -p /run/share /run/node /run/repo
for tag in share node repo; do
	mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=none $tag /run/$tag
done
cd /run/share
bash ./step >>log 2>&1 && touch passed || echo "FAILED" >>log
sync
[ -e cut ] || systemctl poweroff --no-block
END
cp "$repo/boot/test/root-step.sh" "$work/share/step"
cp "$tools"/{blkcmp,cowmap,records} "$root/usr/local/bin/"
systemctl --root="$root" -q enable dbd-reload.service dbd-check.service dbd-test.service
systemctl --root="$root" -q set-default multi-user.target
systemctl --root="$root" -q mask systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer \
	fstrim.timer e2scrub_all.timer e2scrub_reap.service dpkg-db-backup.timer

say "its initramfs"
mkdir -p "$root/etc/initramfs-tools/conf.d"
echo MODULES=list >"$root/etc/initramfs-tools/conf.d/dbd-test"
printf '%s\n' virtio_pci virtio_blk ext4 >>"$root/etc/initramfs-tools/modules"
mount -t proc proc "$root/proc"
chroot "$root" mkinitramfs -o /boot/initrd "$version" || { umount "$root/proc"; exit 1; }
chroot "$root" lsinitramfs /boot/initrd >"$work/initrd.list"
umount "$root/proc"
mv "$root/boot/initrd" "$work/initrd"
for path in usr/lib/dbd/dbd-reload "etc/dbd/devices/$uuid" scripts/local-premount/dbd dattobd.ko; do
	grep -q "$path" "$work/initrd.list" || {
		echo "FAILED: the initramfs lacks $path" >&2
		exit 1
	}
done
mke2fs -q -t ext4 -U "$uuid" -d "$root" "$work/disk" 1200M
umount "$root"

start() {
	rm -f "$work/share/passed"
	echo "$1" >"$work/share/boot"
	local shares=()
	for pair in share:"$work/share" node:"$node" repo:"$repo"; do
		shares+=(-fsdev "local,id=${pair%%:*},path=${pair#*:},security_model=none,multidevs=remap"
			-device "virtio-9p-pci,fsdev=${pair%%:*},mount_tag=${pair%%:*}")
	done
	qemu-system-x86_64 -accel tcg,thread=single -cpu max -smp 2 -m 2G -display none -monitor none \
		-no-reboot -net none -serial "file:$work/console.$1" -device virtio-rng-pci "${shares[@]}" \
		-kernel "$rootfs/root/boot/vmlinuz-$version" -initrd "$work/initrd" \
		-append "root=UUID=$uuid ro console=ttyS0 panic=-1 mitigations=off loglevel=6 init=/lib/systemd/systemd systemd.show_status=1" \
		-drive "if=none,id=disk,format=raw,cache=unsafe,file=$work/disk" -device virtio-blk-pci,drive=disk &
	qemu=$!
}

# done_or_failed BOOT: the step has passed
passed() {
	[ -e "$work/share/passed" ] && return
	cat "$work/share/log" >&2 || true
	tail -60 "$work/console.$1" >&2
	exit 1
}

for boot in 1 2 3 4; do
	say "boot $boot"
	rm -f "$work/share/cut"
	[ $boot != 3 ] || touch "$work/share/cut"
	start $boot
	if [ $boot = 3 ]; then
		for _ in {1..300}; do
			[ ! -e "$work/share/passed" ] || break
			grep -qx FAILED "$work/share/log" && break
			sleep 2
		done
		sleep 5
		kill -KILL $qemu
	fi
	wait $qemu || true
	qemu=
	passed $boot
	if grep -E 'BUG|WARNING|Oops|Call Trace|blocked for more' "$work/console.$boot" >&2; then exit 1; fi
done
cat "$work/share/log"
say "PASSED"
