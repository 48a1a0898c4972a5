# Everything that setup-snapshot refuses: the errno, no file, no node, no half-built device.
# disks: 512M 256M 256M

refused() {
	local want=$1
	shift
	expect_errno "$want" dattoctl setup "$@"
	expect_no_device "$3"
}

make_fs $DISK2
mount_fs $DISK2 /mnt/b
mkdir $MNT/dir
free_before=$(stat -f -c %f $MNT)

say "the block device"
refused ENOENT /dev/nothing $MNT/cow 0
refused ENOTBLK $MNT/dir $MNT/cow 0
touch $MNT/file
refused ENOTBLK $MNT/file $MNT/cow 0
refused ENOTBLK /dev/null $MNT/cow 0
say "not mounted, mounted read-only"
refused EINVAL $DISK3 $MNT/cow 0
make_fs $DISK3
mount_fs $DISK3 /mnt/c
mount -o remount,ro /mnt/c
refused EINVAL $DISK3 /mnt/c/cow 0
umount /mnt/c
expect_no_file $MNT/cow

say "the COW file"
refused EISDIR $DISK1 $MNT/dir 0
refused ENOENT $DISK1 $MNT/none/cow 0
refused EINVAL $DISK1 /mnt/b/cow 0
expect_no_file /mnt/b/cow
refused EINVAL $DISK1 /tmp/cow 0
expect_no_file /tmp/cow
mkfifo $MNT/fifo
refused EINVAL $DISK1 $MNT/fifo 0
say "no room"
refused ENOSPC $DISK1 $MNT/cow 0 600
expect_no_file $MNT/cow
fallocate -l $(($(stat -f -c '%a * %S' $MNT) - (20 << 20))) $MNT/big
# 10 % of the device, by default.
refused ENOSPC $DISK1 $MNT/cow 0
expect_no_file $MNT/cow
rm $MNT/big

say "a size that no file can have"
expect_fails dattoctl setup $DISK1 $MNT/cow 0 18446744073709551615
expect_no_file $MNT/cow
expect_no_device 0
rm $MNT/fifo
sync
expect_eq "free blocks" "$free_before" "$(stat -f -c %f $MNT)"
expect_untouched

say "tracked already"
expect_ok dattoctl setup $DISK1 $MNT/cow0 0
expect_errno EBUSY dattoctl setup $DISK1 $MNT/cow1 0
expect_errno EBUSY dattoctl setup $DISK2 /mnt/b/cow 0
# A minor in use is seen before anything about the device.
expect_errno EBUSY dattoctl setup /dev/nothing $MNT/cow1 0
refused EINVAL $DISK1 $MNT/cow1 1
refused EINVAL $DISK1 $MNT/dir 1
ln -s $DISK1 /tmp/alias
refused EINVAL /tmp/alias $MNT/cow1 1
expect_no_file $MNT/cow1
expect_no_file /mnt/b/cow
expect_errno EBUSY dattoctl reload-snap $DISK2 /cow 0
expect_errno EBUSY dattoctl reload-inc $DISK2 /cow 0
expect_device 0 3 0
expect_ok dattoctl destroy 0
expect_untouched

say "and what was refused works when it is asked for properly"
expect_ok dattoctl setup /tmp/alias $MNT/cow 0
expect_eq "resolved path" $DISK1 "$(info 0 bdev)"
expect_ok dattoctl destroy 0
umount /mnt/b
unload_module
