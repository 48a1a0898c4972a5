# The snapshot is read while its blocks are overwritten, on a device whose reads are slow and whose
# writes are not: a read of the origin that began before a write often ends after it.
# disks: 64M
# timeout: 240

umount $MNT
size=$(blockdev --getsz $DISK1)
echo "0 $size delay $DISK1 0 0 $DISK1 0 0" | dmsetup create --noudevsync slow
[ -b /dev/mapper/slow ] || dmsetup mknodes
make_fs /dev/mapper/slow -b 4096
mount_fs /dev/mapper/slow $MNT
random_file $MNT/data 24
sync
expect_ok dattoctl setup /dev/mapper/slow $MNT/cow 0 28
blkcmp extents $MNT/cow >/tmp/cow.runs
hash_dev /dev/datto0 /tmp/before

dmsetup suspend --nolockfs slow
echo "0 $size delay $DISK1 0 60 $DISK1 0 0" | dmsetup load slow
dmsetup resume slow
background records write -m direct -b 16 -t 12 -r 7 $MNT/data 24
for i in 1 2; do
	hash_dev /dev/datto0 /tmp/during
	expect_same -x /tmp/cow.runs /tmp/before /tmp/during
done
done_background
expect_device 0 3 0
records verify $MNT/data
expect_ok dattoctl destroy 0
umount $MNT
check_fs /dev/mapper/slow
dmsetup remove slow
