#!/bin/bash
# What each boot of machine.sh's VM does; in the guest, as root, in the directory that it shares with the host.
set -Eeuo pipefail
trap 'echo "FAILED at line $LINENO: $BASH_COMMAND"' ERR
. ./names.sh
# shellcheck source=/dev/null
. ./settings
boot=$(cat boot)
export PATH=$PWD/bin:/usr/sbin:/usr/bin:/sbin:/bin
DATA=/dev/vdb ROOT=/dev/vda DATA_IMAGE=/run/backup/data ROOT_IMAGE=/run/backup/root
mkdir /run/backup
mount /dev/vdc /run/backup
say() { echo "== Debian $debian, boot $boot: $* ($SECONDS s)"; }
fail() {
	echo "FAILED: $*"
	exit 1
}
eq() { [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"; }
field() { dbdctl info --json "$1" | jq -r ".device.$2"; }
tracked() {
	eq "state of $1" "active incremental" "$(field "$1" state)"
	eq "COW file of $1" "$2" "$(field "$1" cowFile)"
	eq "snapshots of $1" "$3" "$(field "$1" seqId)"
}
# bring MINOR NUMBER DIRECTORY IMAGE: the next increment, and the image is the snapshot.
own() { blkcmp extents "$3/.datto$2" >"own$1.$2"; }
same() {
	local except=() runs
	for runs in own"$1".*; do except+=(-x "$runs"); done
	blkcmp cmp "${except[@]}" "/dev/datto$1" "$2" || fail "$2 is not the snapshot"
}
first() {
	own "$1" 1 "$3"
	truncate -s 0 "$4"
	update-img --full "/dev/datto$1" "$4"
	dbdctl transition-to-incremental "$1"
}
bring() {
	dbdctl transition-to-snapshot "$3/.datto$2" "$1"
	own "$1" "$2" "$3"
	update-img "/dev/datto$1" "$3/.datto$(($2 - 1))" "$4" 2>&1 | tee updated
	grep -q ': [1-9][0-9]* blocks' updated || fail "nothing has changed since the last snapshot"
	same "$1" "$4"
	rm "$3/.datto$(($2 - 1))"
}

if [ "$boot" = 1 ]; then
	say "as it is after the installation and a boot"
	for unit in $UNITS; do
		eq "$unit" enabled "$(systemctl is-enabled "$unit")"
		eq "$unit" inactive "$(systemctl is-active "$unit" || true)"
	done
	grep -q '^dattobd ' /proc/modules || fail "the module is not loaded"
	modinfo -n dattobd | grep /updates/dkms/
	if [ "$debian" != 13 ]; then
		(dbdctl list 2>&1 || true) | grep 'dbdctl: there is no Node here, and 20 or newer is needed' || fail "no word of Node"
		export DATTOBD_NODE=/run/node/node
	fi
	dbdctl doctor >doctor || true
	grep 'module: loaded' doctor || { cat doctor; fail "doctor"; }

	say "snapshots of the data and of the root, and nobody looks at them"
	dd if=/dev/urandom of=/data/one bs=1M count=20 status=none
	dbdctl setup-snapshot -f 40 --persist $DATA /data/.datto1 0
	udevadm settle
	udevadm info /dev/datto0 >udev
	grep SYSTEMD_READY=0 udev
	! grep -E 'ID_FS|by-uuid' udev || fail "blkid has looked at the snapshot"
	eq "by-uuid" "" "$(find /dev/disk -lname '*datto*')"
	first 0 1 /data $DATA_IMAGE
	dbdctl setup-snapshot -f 60 --persist $ROOT /.datto1 1
	first 1 1 "" $ROOT_IMAGE

	say "an upgrade while both are tracked"
	records fill -r 1 /data/load 16
	setsid records write -t 3000 -b 64 -p 50 -r 31 /data/load 16 >/dev/null 2>&1 &
	load=$!
	was=$(cat /sys/module/dattobd/srcversion)
	touch /etc/dkms/no-autoinstall
	dpkg --no-triggers -i ./*.deb | tee upgrade.log
	grep -q 'is loaded and goes on as it is' upgrade.log || fail "no word of the module that is loaded"
	# What DKMS has built of it, elsewhere.
	rm /etc/dkms/no-autoinstall
	tar -C / -xf dkms.tar
	eq "module" "$was" "$(cat /sys/module/dattobd/srcversion)"
	tracked 0 /.datto1 1
	tracked 1 /.datto1 1
	kill -0 $load || fail "what wrote meanwhile has ended"
	kill $load
	wait $load || true
	records verify /data/load
	for unit in $UNITS; do eq "$unit" enabled "$(systemctl is-enabled "$unit")"; done
	bring 0 2 /data $DATA_IMAGE
	dbdctl transition-to-incremental 0

	[ ! -e kernel.tar ] || say "the other kernel is installed"
	[ ! -e kernel.tar ] || tar -C / -xf kernel.tar
	say "triggers: the initramfs knows of the root"
	dpkg --triggers-only --pending
	next=$(cat kernel 2>/dev/null || uname -r)
	lsinitramfs "/boot/initrd.img-$next" >initrd
	for path in dbd/dbd-reload "etc/dbd/devices/$ROOT_UUID" dattobd.ko; do
		grep -q "$path" initrd || fail "the initramfs of $next lacks $path"
	done
	cp "/boot/initrd.img-$next" next-initrd
	cp "/boot/vmlinuz-$next" next-vmlinuz
	echo "$next" >next
	dd if=/dev/urandom of=/data/two bs=1M count=5 status=none
	dd if=/dev/urandom of=/var/two bs=1M count=5 status=none
else
	[ "$debian" = 13 ] || export DATTOBD_NODE=/run/node/node
	say "tracked again"
	eq kernel "$(cat next)" "$(uname -r)"
	dmesg | grep datto || true
	cat /run/initramfs/dbd.log 2>/dev/null || true
	modinfo dattobd | grep -E '^(filename|signer)'
	dkms status -m dattobd 2>/dev/null | grep "$(uname -r).*: installed"
	for unit in $UNITS; do
		eq "$unit" active "$(systemctl is-active "$unit")" || { systemctl --no-pager --full status "$unit"; false; }
	done
	findmnt /data
	tracked 0 /.datto2 2
	tracked 1 /.datto1 1

	say "the next increments"
	dd if=/dev/urandom of=/data/three bs=1M count=3 status=none
	bring 0 3 /data $DATA_IMAGE
	bring 1 2 "" $ROOT_IMAGE
	dbdctl metrics | grep 'dattobd_device_snapshot_seqid{minor="0",device="'"$DATA"'"} 3'
	mkdir /run/image
	mount -o ro,noload,loop $DATA_IMAGE /run/image
	for file in one two three load; do cmp "/data/$file" "/run/image/$file"; done
	umount /run/image

	say "purge of the module"
	dbdctl destroy 0
	dbdctl destroy 1
	module=$(modinfo -n dattobd)
	cp "$module" /run/
	dpkg --no-triggers --purge dattobd-dkms
	! grep -q '^dattobd ' /proc/modules || fail "the module is still loaded"

	say "a kernel that takes signed modules only"
	# No way back until the next boot. DKMS's key is enrolled nowhere here, and Debian 11's signs nothing.
	echo 1 >/sys/module/module/parameters/sig_enforce
	! insmod "/run/${module##*/}" 2>refused || fail "a module that nobody vouches for is loaded"
	cat refused
	grep -qE 'Key was rejected by service|Required key not available' refused || fail "refused for another reason"
	dbdctl doctor >doctor || true
	grep 'module signature: the kernel takes signed modules only' doctor || { cat doctor; fail "doctor"; }

	say "purge of the commands"
	dpkg --no-triggers --purge dattobd-utils
	(cd / && names) >after
	diff before after || fail "something is left"
	for path in /run/dbd /etc/dbd; do [ ! -e $path ] || fail "$path is left"; done
	eq "units" "" "$(systemctl list-unit-files --no-legend 'dbd-reload*' 'dbd-check*' || true)"
fi
say "passed"
