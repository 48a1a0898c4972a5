# umount makes a device dormant, mount makes it active again: the snapshot is what it was, no change
# is missed, whatever is written to the device in between, and the module can be unloaded meanwhile.
# fs: ext4 xfs
# timeout: 300
# dmesg-allow: (I/O error|Buffer I/O error).*datto0
# slow: xfs

bytes=$(dev_bytes $DISK1)
random_file $MNT/data 32
sync

say "a snapshot: umount"
expect_ok dattoctl setup $DISK1 $MNT/cow1 0 128
blkcmp extents $MNT/cow1 >/tmp/own1.runs
hash_dev /dev/datto0 /tmp/hash1
records write -t 2 -b 512 $MNT/data 32
umount $MNT
expect_device 0 1 0
[ -b /dev/datto0 ] || fail "no node in state 1"
{ dd if=/dev/datto0 of=/dev/null bs=4096 count=1 iflag=direct 2>&1 || true; } | grep 'Device or resource busy' || fail "not EBUSY"
say "what is for active devices only"
expect_errno EINVAL dattoctl trans-inc 0
expect_errno EINVAL dattoctl trans-snap $MNT/cow2 0
expect_errno EINVAL dattoctl expand 8 0
expect_ok dattoctl reconfigure 0 8388608
check_fs $DISK1
say "fsck and a raw writer on the unmounted device, then quiet, then once more"
block=$((bytes / 4096 - 3))
repair_fs $DISK1
sleep 3
dd if=$DISK1 of=/tmp/tail bs=4096 skip=$block count=2 iflag=direct 2>/dev/null
dd if=/dev/urandom of=$DISK1 bs=4096 seek=$block count=2 oflag=direct conv=notrunc 2>/dev/null
dd if=/tmp/tail of=$DISK1 bs=4096 seek=$block count=2 oflag=direct conv=notrunc 2>/dev/null
expect_device 0 1 0

say "mount"
mount_fs $DISK1 $MNT
expect_device 0 3 0
expect_fails rm -f $MNT/cow1
records verify $MNT/data
records write -t 2 -b 512 -r 5 $MNT/data 32
sync
hash_dev /dev/datto0 /tmp/again
expect_same -x /tmp/own1.runs /tmp/hash1 /tmp/again
expect_eq "saved blocks are in use again" 0 "$(info 0 error)"

say "incremental: umount, fsck, mount, three times under load"
expect_ok dattoctl trans-inc 0
for i in 1 2 3; do
	records write -t 1 -b 512 -r 6$i $MNT/data 32
	random_file $MNT/round$i 2
	changed=$(info 0 nr_changed_blocks)
	umount $MNT
	expect_device 0 0 0
	[ "$(info 0 nr_changed_blocks)" -ge "$changed" ] || fail "the map shrank"
	expect_errno EINVAL dattoctl trans-snap $MNT/cow2 0
	[ $i != 2 ] || repair_fs $DISK1
	mount_fs $DISK1 $MNT
	expect_device 0 2 0
	expect_fails rm -f $MNT/cow1
done
expect_ok dattoctl trans-snap $MNT/cow2 0
hash_dev /dev/datto0 /tmp/hash2
blkcmp extents $MNT/cow2 >/tmp/own2.runs
cowmap check $MNT/cow1 $bytes
cowmap -d check $MNT/cow1 $bytes
cowmap runs $MNT/cow1 $bytes >/tmp/changed1.runs
expect_same -x /tmp/changed1.runs -x /tmp/own1.runs -x /tmp/own2.runs /tmp/hash1 /tmp/hash2
expect_differ -x /tmp/own1.runs -x /tmp/own2.runs /tmp/hash1 /tmp/hash2
rm $MNT/cow1

say "destroy while dormant: the file stays, and is of no use to a reload"
for mode in snap inc; do
	[ $mode = snap ] || expect_ok dattoctl trans-inc 0
	umount $MNT
	expect_ok dattoctl destroy 0
	expect_untouched
	expect_ok dattoctl reload-$mode $DISK1 /cow2 0
	mount_fs $DISK1 $MNT
	expect_eq "error" -22 "$(info 0 error)"
	expect_ok dattoctl destroy 0
	[ -e $MNT/cow2 ] || fail "destroy removed the file of an unverified device"
	rm $MNT/cow2
	expect_ok dattoctl setup $DISK1 $MNT/cow2 0 64
done
expect_ok dattoctl destroy 0

say "the module can be unloaded while a device is dormant, not while it is active"
expect_ok dattoctl setup $DISK1 $MNT/cow3 0 64
expect_fails unload_module
umount $MNT
unload_module
check_fs $DISK1
mount_fs $DISK1 $MNT
records verify $MNT/data
random_file $MNT/untracked 4
umount $MNT
load_module
