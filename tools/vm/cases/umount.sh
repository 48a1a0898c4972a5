# umount is never refused because of the driver; the device is dormant then, and destroy and unload
# work. What is written to the device afterwards harms nothing.
# fs: ext4 xfs
# dmesg-allow: (I/O error|Buffer I/O error).*datto0

random_file $MNT/data 16
sync
say "dormant snapshot"
expect_ok dattoctl setup $DISK1 $MNT/cow 0 64
records write -t 2 $MNT/data 16
umount $MNT
expect_eq "state" 1 "$(info 0 state)"
[ -b /dev/datto0 ] || fail "no node in state 1"
# Until a snapshot can outlive its file system's mount it is lost, and says so.
error=$(info 0 error)
[ "$error" = 0 ] || [ "$error" = -116 ] || fail "error $error"
{ dd if=/dev/datto0 of=/dev/null bs=4096 count=1 iflag=direct 2>&1 || true; } | grep 'Device or resource busy' || fail "not EBUSY"
expect_errno EINVAL dattoctl trans-inc 0
expect_fails unload_module
check_fs $DISK1
expect_ok dattoctl destroy 0
expect_untouched
unload_module
check_fs $DISK1

say "dormant incremental"
load_module
mount_fs $DISK1 $MNT
records verify $MNT/data
chattr -i $MNT/cow 2>/dev/null || true
rm -f $MNT/cow
expect_no_file $MNT/cow
expect_ok dattoctl setup $DISK1 $MNT/cow 0 64
expect_ok dattoctl trans-inc 0
records write -t 2 $MNT/data 16
umount $MNT
expect_device 0 0 0
expect_errno EINVAL dattoctl trans-snap $MNT/cow2 0
expect_fails unload_module
expect_ok dattoctl destroy 0
expect_untouched
unload_module
check_fs $DISK1

say "a file system made anew on a device that was tracked to the end"
load_module
mount_fs $DISK1 $MNT
rm -f $MNT/cow
expect_ok dattoctl setup $DISK1 $MNT/cow 0 64
umount $MNT
make_fs $DISK1
expect_ok dattoctl destroy 0
check_fs $DISK1
mount_fs $DISK1 $MNT
random_file $MNT/new 16
records verify $MNT/new
say "two mounts: only the last umount counts"
expect_ok dattoctl setup $DISK1 $MNT/cow 0 64
mkdir -p /mnt/bind
mount --bind $MNT /mnt/bind
umount /mnt/bind
expect_device 0 3 0
mount --bind $MNT /mnt/bind
umount $MNT
expect_device 0 3 0
umount /mnt/bind
expect_eq "state" 1 "$(info 0 state)"
expect_ok dattoctl destroy 0
