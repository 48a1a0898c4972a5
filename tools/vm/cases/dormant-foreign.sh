# Whoever uses the unmounted device for something else is not harmed: a new file system, a file that
# was deleted elsewhere, an image written over it. The device says that it has lost its COW file.
# fs: ext4 xfs
# disks: 512M 512M
# timeout: 300
# dmesg-allow: (I/O error|Buffer I/O error).*datto0
# slow: xfs

# check_new: the file system made anew is whole, and stays so while it is being filled.
check_new() {
	check_fs $DISK1
	mount_fs $DISK1 $MNT
	random_file $MNT/new 300
	sync
	records verify $MNT/new
	umount $MNT
	check_fs $DISK1
	mount_fs $DISK1 $MNT
	records verify $MNT/new
}

for mode in snapshot incremental; do
	say "mkfs on a dormant $mode"
	expect_ok dattoctl setup $DISK1 $MNT/cow 0 64
	[ $mode = snapshot ] || expect_ok dattoctl trans-inc 0
	random_file $MNT/data 40
	umount $MNT
	make_fs $DISK1
	check_new
	error=$(info 0 error)
	[ "$error" = -116 ] || [ "$error" = -2 ] || fail "error $error"
	expect_ok dattoctl destroy 0
	expect_untouched
	records verify $MNT/new
	umount $MNT
	make_fs $DISK1
	mount_fs $DISK1 $MNT
done

say "an image written over a dormant device: not one block of it is changed by us"
expect_ok dattoctl setup $DISK1 $MNT/cow 0 64
expect_ok dattoctl trans-inc 0
umount $MNT
make_fs $DISK2
mount_fs $DISK2 /mnt/b
random_file /mnt/b/other 200
umount /mnt/b
dd if=$DISK2 of=$DISK1 bs=1M oflag=direct 2>/dev/null
sleep 3
hash_dev $DISK1 /tmp/one
hash_dev $DISK2 /tmp/two
expect_same /tmp/one /tmp/two
expect_eq "error" -116 "$(info 0 error)"
expect_ok dattoctl destroy 0
hash_dev $DISK1 /tmp/one
expect_same /tmp/one /tmp/two

say "a dormant device whose COW file was replaced while the driver was told not to follow"
make_fs $DISK1
unload_module
load_module may_hook_syscalls=0
mount_fs $DISK1 $MNT
expect_ok dattoctl setup $DISK1 $MNT/cow 0 64
expect_ok dattoctl trans-inc 0
umount $MNT
expect_device 0 0 0
mount_fs $DISK1 $MNT
expect_device 0 0 0
rm -f $MNT/cow
random_file $MNT/fill 380
sync
records verify $MNT/fill
# The command finds out that it is mounted, and that the file is gone.
expect_errno EINVAL dattoctl trans-snap $MNT/cow2 0
[ "$(info 0 error)" != 0 ] || fail "no error"
umount $MNT
sleep 3
check_fs $DISK1
mount_fs $DISK1 $MNT
records verify $MNT/fill
expect_ok dattoctl destroy 0
