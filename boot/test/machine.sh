# shellcheck shell=bash disable=SC2034,SC2154
# Sourced: a VM that boots a disk as a server does, by Debian's own initramfs and systemd, and once it is up
# runs $work/share/step. Uses $repo, the checkout, and $work, a directory of the caller's with share/ in it.

node=$(dirname "$(realpath "$(command -v node)")")

# machine_settle ROOT UUID [FS]: makes the tree ROOT fit for a disk with this UUID.
machine_settle() {
	local root=$1 uuid=$2
	echo "UUID=$uuid / ${3:-ext4} defaults 0 1" >"$root/etc/fstab"
	: >"$root/etc/machine-id"
	cat >"$root/etc/systemd/system/dbd-test.service" <<-END
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
	cat >"$root/usr/local/sbin/dbd-test" <<-'END'
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
	systemctl --root="$root" -q enable dbd-test.service
	systemctl --root="$root" -q set-default multi-user.target
	systemctl --root="$root" -q mask systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer \
		fstrim.timer e2scrub_all.timer e2scrub_reap.service dpkg-db-backup.timer
}

# machine_initramfs ROOT [FS]: what of all drivers its initramfs (initramfs-tools) is to have.
machine_initramfs() {
	mkdir -p "$1/etc/initramfs-tools/conf.d"
	echo MODULES=list >"$1/etc/initramfs-tools/conf.d/dbd-test"
	printf '%s\n' virtio_pci virtio_blk "${2:-ext4}" >>"$1/etc/initramfs-tools/modules"
}

# machine_start BOOT VMLINUZ INITRD UUID DISK...: in the background, as $qemu.
machine_start() {
	local boot=$1 vmlinuz=$2 initrd=$3 uuid=$4 devices=() pair disk
	shift 4
	rm -f "$work/share/passed"
	echo "$boot" >"$work/share/boot"
	for pair in share:"$work/share" node:"$node" repo:"$repo"; do
		devices+=(-fsdev "local,id=${pair%%:*},path=${pair#*:},security_model=none,multidevs=remap"
			-device "virtio-9p-pci,fsdev=${pair%%:*},mount_tag=${pair%%:*}")
	done
	for disk; do
		devices+=(-drive "if=none,id=${disk##*/},format=raw,cache=unsafe,file=$disk"
			-device "virtio-blk-pci,drive=${disk##*/}")
	done
	qemu-system-x86_64 -accel tcg,thread=single -cpu max,-erms,-fsrm -smp 2 -m 2G -display none -monitor none \
		-no-reboot -net none -serial "file:$work/console.$boot" -device virtio-rng-pci "${devices[@]}" \
		-kernel "$vmlinuz" -initrd "$initrd" \
		-append "root=UUID=$uuid ro console=ttyS0 panic=-1 mitigations=off norandmaps tsc=reliable clocksource=tsc no_timer_check loglevel=6 init=/lib/systemd/systemd systemd.show_status=1" &
	qemu=$!
}

# machine_wait SECONDS: until the VM has ended; after that long it is ended.
machine_wait() {
	local end=$((SECONDS + $1))
	while kill -0 "$qemu" 2>/dev/null; do
		if [ $SECONDS -ge $end ]; then kill -KILL "$qemu"; fi
		sleep 1
	done
	wait "$qemu" || true
	qemu=
}

# machine_passed BOOT: the VM has ended, its step has passed, and the kernel has nothing to say.
machine_passed() {
	if [ ! -e "$work/share/passed" ]; then
		cat "$work/share/log" >&2 || true
		tail -60 "$work/console.$1" >&2
		exit 1
	fi
	if grep -E 'BUG|WARNING|Oops|Call Trace|blocked for more' "$work/console.$1" >&2; then exit 1; fi
}
