# A file system that was left in order is mounted without the driver and that mount is cut off, before it has written more
# than its log and data in place: the reload is refused.
# fs: ext4 xfs
# disks: 320M
# dmesg-allow: Log I/O Error|Aborting journal

random_file $MNT/data 16
sync
expect_ok dattoctl setup $DISK1 $MNT/cow1 0 64
expect_ok dattoctl trans-inc 0
umount $MNT
unload_module
hash_dev $DISK1 /tmp/before
mount_fs $DISK1 $MNT
records write -m direct -n 5 -b 16 -r 2 $MNT/data 16
sync $MNT/data
xfs_io -x -c shutdown $MNT
umount $MNT
hash_dev $DISK1 /tmp/after
expect_differ /tmp/before /tmp/after
load_module
expect_ok dattoctl reload-inc $DISK1 /cow1 0
mount_fs $DISK1 $MNT
dattoctl failure 0 | grep "taken up" || fail "changes without the driver went unnoticed"
expect_ok dattoctl destroy 0
