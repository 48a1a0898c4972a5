# File systems and files that cannot hold a COW file, or whose writes could be missed, are refused; each
# refusal leaves nothing behind.
# disks: 512M

say "data=journal: what is synced is in the journal, not in the file's own blocks"
umount $MNT
mount -o data=journal $DISK1 $MNT
random_file $MNT/data 8
expect_errno EOPNOTSUPP dattoctl setup $DISK1 $MNT/cow 0 64
expect_no_file $MNT/cow
expect_no_device 0
expect_untouched
records verify $MNT/data
umount $MNT
check_fs $DISK1

say "a file system frozen by somebody"
mount $DISK1 $MNT
fsfreeze -f $MNT
expect_errno EBUSY dattoctl setup $DISK1 $MNT/cow 0 64
fsfreeze -u $MNT
expect_no_file $MNT/cow
expect_untouched
expect_ok dattoctl setup $DISK1 $MNT/cow 0 64
fsfreeze -f $MNT
expect_errno EBUSY dattoctl trans-inc 0
expect_errno EBUSY dattoctl destroy 0
fsfreeze -u $MNT
expect_device 0 3 0
expect_ok dattoctl trans-inc 0
fsfreeze -f $MNT
expect_errno EBUSY dattoctl trans-snap $MNT/cow2 0
expect_errno EBUSY dattoctl destroy 0
fsfreeze -u $MNT
expect_no_file $MNT/cow2
expect_device 0 2 0
expect_ok dattoctl destroy 0
expect_no_file $MNT/cow
expect_untouched
