# What is mounted by another file system than ours, is in other use, or is a zoned device is refused, with
# a message that says why, and stays sound. Nothing is loaded for having a look.
# disks: 128M 128M
# start: module
# timeout: 240

# refused ERRNO MESSAGE DEVICE COW
refused() {
	dmesg -C
	expect_errno $1 dattoctl setup $3 $4 0
	dmesg | grep -q "datto: .*$2" || fail "no message about '$2': $(dmesg)"
	expect_no_file $4
	expect_no_device 0
	expect_untouched
}

modprobe -r xfs
say "btrfs on two devices"
mkfs.btrfs -q -f -d raid0 -m raid1 $DISK1 $DISK2
mkdir -p $MNT
mount -t btrfs -o device=$DISK2 $DISK1 $MNT
random_file $MNT/data 16
sync
refused EOPNOTSUPP "not by an ext2" $DISK1 $MNT/cow
refused EOPNOTSUPP "not by an ext2" $DISK2 $MNT/cow
records verify $MNT/data
umount $MNT
btrfs check $DISK1 >/dev/null 2>&1 || fail "the btrfs is damaged"
refused EINVAL "no file system is mounted" $DISK1 $MNT/cow

say "f2fs on two devices"
wipefs -qa $DISK1 $DISK2
mkfs.f2fs -q -f -c $DISK2 $DISK1
mount -t f2fs $DISK1 $MNT
random_file $MNT/data 16
sync
refused EOPNOTSUPP "not by an ext2" $DISK1 $MNT/cow
refused EOPNOTSUPP "not by an ext2" $DISK2 $MNT/cow
records verify $MNT/data
umount $MNT
fsck.f2fs --dry-run $DISK1 >/dev/null 2>&1 || fail "the f2fs is damaged"

say "vfat"
wipefs -qa $DISK1 $DISK2
mkfs.vfat $DISK1 >/dev/null
mount -t vfat $DISK1 $MNT
random_file $MNT/data 16
sync
refused EOPNOTSUPP "not by an ext2" $DISK1 $MNT/cow
records verify $MNT/data
umount $MNT
fsck.vfat -n $DISK1 >/dev/null || fail "the vfat is damaged"

say "the device below a mapped one, which is mounted"
wipefs -qa $DISK1
echo "0 200000 linear $DISK1 0" | dm_create mapped
mkfs.ext4 -q -F /dev/mapper/mapped
mount /dev/mapper/mapped $MNT
refused EOPNOTSUPP "in use, but not by" $DISK1 $MNT/cow
umount $MNT
dmsetup remove mapped

say "a disk of which only a partition is mounted, and a partition of a mounted disk"
sfdisk -q $DISK1 <<<$'start=2048,size=60M\n'
mkfs.ext4 -q -F ${DISK1}1
mount ${DISK1}1 $MNT
refused EINVAL "no file system is mounted" $DISK1 $MNT/cow
umount $MNT
wipefs -qa $DISK1
mkfs.ext4 -q -F $DISK1
mount $DISK1 $MNT
blkpg add $DISK1 1 100000 1000
wait_for 5 test -b ${DISK1}1
refused EINVAL "no file system is mounted" ${DISK1}1 $MNT/cow
blkpg del $DISK1 1
umount $MNT
check_fs $DISK1
! grep '^xfs ' /proc/modules || fail "xfs was loaded, and nobody asked for it"

say "a file system on the conventional zones of a zoned device: zone append could not be followed"
modprobe null_blk nr_devices=0
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
# Named like its index, 0: 5.10 takes the device's name from the index, 6.1 and later from the item.
null=/sys/kernel/config/nullb/nullb0
mkdir $null
echo 128 >$null/size
for name in memory_backed zoned; do echo 1 >$null/$name; done
echo 16 >$null/zone_size
echo 6 >$null/zone_nr_conv
echo 1 >$null/power
nullb=/dev/nullb0
wait_for 5 test -b $nullb
mkfs.ext4 -q -F $nullb 64m
mount $nullb $MNT
random_file $MNT/data 8
sync
refused EOPNOTSUPP "zoned device" $nullb $MNT/cow
records verify $MNT/data
umount $MNT
check_fs $nullb
echo 0 >$null/power
rmdir $null
rmmod null_blk
