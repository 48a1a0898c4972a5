# A crash after tune2fs on the mounted file system, as e2scrub does it: that is no mount.
# disks: 192M 192M
# fs: ext4
# start: none
# timeout: 90

load_module
make_fs $DISK1
mount_fs $DISK1 $MNT
random_file $MNT/data 16
expect_ok dattoctl setup $DISK1 $MNT/cow1 0 16
expect_ok dattoctl trans-inc 0
mkdir $MNT/x; sync $MNT/x
# Longer than a write of the journal is looked at.
sleep 8
tune2fs -C 7 -T 20200101 $DISK1
sync
sleep 1
say "the power is cut"
dd if=$DISK1 of=$DISK2 bs=1M iflag=direct status=none
expect_ok dattoctl destroy 0
umount $MNT
expect_ok dattoctl reload-inc $DISK2 /cow1 0
mount_fs $DISK2 $MNT
expect_device 0 2 0
expect_ok dattoctl destroy 0
umount $MNT
unload_module
