# A file system that came to an end without being unmounted, its journal full, has the COW file sealed all the same. Power is cut at
# each instant of the mount after it: what recovery wrote in place is in no snapshot taken up then, nor in one of its maps.
# disks: 192M
# fs: ext4
# start: none
# timeout: 300
# dmesg-allow: nbd0.*(shutting down|[Rr]eceive control failed)|Log I/O Error|Aborting journal

. /share/guest/stress.sh 100
. /share/guest/powercut.sh
RANDOM=$STRESS_SEED

# end_dirty DEVICE: bitmaps and inodes are in the journal, and nowhere else: what the next transaction had, umount does not write
# back. Then the driver is loaded anew.
end_dirty() {
	for i in 1 2 3 4 5 6 7 8; do
		mkdir $MNT/dir$i
		random_file $MNT/dir$i/file 1
		sync $MNT/dir$i/file $MNT/dir$i
	done
	for i in 1 2 3 4 5 6 7 8; do
		rm $MNT/dir$i/file
		mkdir $MNT/dir$i/next
	done
	xfs_io -x -c shutdown $MNT
	umount $MNT
	dumpe2fs -h $1 2>/dev/null | grep '^Filesystem features:.* needs_recovery' || fail "it was unmounted in order"
	unload_module
	load_module
}

# is_refused: by the mount just now, with a reason.
is_refused() {
	[ "$(info 0 error)" != 0 ] || return
	dattoctl failure 0 | grep "taken up" || fail "no reason: $(dattoctl failure 0)"
	[ ! -e /dev/datto0 ] || fail "there is a snapshot to be read"
}

leave() {
	expect_ok dattoctl destroy 0
	umount $MNT
}

modprobe nbd nbds_max=1
load_module
say "a snapshot, at each instant of the mount"
prepare 32
end_dirty $DISK
first=$(entries)
expect_ok dattoctl reload-snap $DISK /cow1 0
mount_fs $DISK $MNT
last=$(entries)
refused=no
! is_refused || refused=yes
leave
end_serving
modprobe -r nbd
for ((at = first; at < last; at++)); do
	say "cut at $at of $first to $last"
	powerdisk cut $WRITES $at $((at + 1)) $((RANDOM * 32768 + RANDOM)) /tmp/own $DISK1
	expect_ok dattoctl reload-snap $DISK1 /cow1 0
	mount_fs $DISK1 $MNT
	if ! is_refused; then
		expect_device 0 3 0
		hash_dev /dev/datto0 /tmp/after
		expect_same -x /tmp/own /tmp/before /tmp/after
	fi
	leave
done
# Nobody knows whether there was a cut.
expect_eq "the snapshot refused without one" yes $refused
dmesg | grep "its file system was not unmounted" || fail "the kernel log does not say why"

# begin [OPTION...]: a device in incremental mode.
begin() {
	make_fs $DISK1 "$@"
	mount_fs $DISK1 $MNT
	random_file $MNT/data 16
	expect_ok dattoctl setup $DISK1 $MNT/cow1 0 32
	expect_ok dattoctl trans-inc 0
}

say "incremental: recovery writes all of it once more, and the map has it"
begin
end_dirty $DISK1
expect_ok dattoctl reload-inc $DISK1 /cow1 0
mount_fs $DISK1 $MNT
expect_device 0 2 0
leave

say "with fast commits it need not"
begin -O fast_commit
umount $MNT
unload_module
load_module
expect_ok dattoctl reload-inc $DISK1 /cow1 0
mount_fs $DISK1 $MNT
expect_device 0 2 0
end_dirty $DISK1
expect_ok dattoctl reload-inc $DISK1 /cow1 0
mount_fs $DISK1 $MNT
is_refused || fail "it was taken up"
leave
