# The power is cut while nothing has been changed since the mount. Another system mounts the file system then, writes in place and
# is cut off as well: its mount is not taken for ours, though there is nothing between the two.
# fs: ext4 xfs
# slow: ext4
# disks: 320M
# boots: 3
# power: cut
# timeout: 200
# dmesg-allow: Log I/O Error|Aborting journal

case $BOOT in
1)
	random_file $MNT/data 16
	expect_ok dattoctl setup $DISK1 $MNT/cow 0 32
	expect_ok dattoctl trans-inc 0
	umount $MNT
	;;
2)
	load_module
	expect_ok dattoctl reload-inc $DISK1 /cow 0
	mount_fs $DISK1 $MNT
	expect_device 0 2 0
	# What is noted later is noted by now.
	sleep 8
	;;
3)
	mount_fs $DISK1 $MNT
	records write -m direct -n 50 -b 64 -r 2 $MNT/data 16
	sync $MNT/data
	xfs_io -x -c shutdown $MNT
	umount $MNT
	load_module
	expect_ok dattoctl reload-inc $DISK1 /cow 0
	mount_fs $DISK1 $MNT
	[ "$(info 0 error)" != 0 ] || fail "that went unnoticed"
	dmesg | grep -q "cow .*mounted or repaired without the driver" || fail "the kernel log does not say why"
	expect_ok dattoctl destroy 0
	;;
esac
