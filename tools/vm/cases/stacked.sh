# Origins that are not a plain disk: a loop device and a device-mapper target; and both on top of the
# snapshot.
# disks: 512M 512M
# fs: ext4 xfs
# slow: xfs

check() {
	local origin=$1 mnt=$2
	say "$origin"
	random_file $mnt/data 32
	sync
	expect_ok dattoctl setup $origin $mnt/cow 0 140
	blkcmp extents $mnt/cow >/tmp/cow.runs
	hash_dev /dev/datto0 /tmp/before
	background records write -m direct -t 4 -r 21 $mnt/data 32
	records write -t 4 -r 22 $mnt/more 32
	done_background
	sync
	hash_dev /dev/datto0 /tmp/after
	expect_same -x /tmp/cow.runs /tmp/before /tmp/after
	say "loop and dm on top of the snapshot"
	local upper
	upper=$(losetup -rf --show /dev/datto0)
	expect_same -x /tmp/cow.runs /tmp/before $upper
	losetup -d $upper
	echo "0 $(blockdev --getsz /dev/datto0) linear /dev/datto0 0" | dm_create above -r
	expect_same -x /tmp/cow.runs /tmp/before /dev/mapper/above
	expect_errno EBUSY dattoctl destroy 0
	dmsetup remove above
	wait_for 5 dattoctl destroy 0
	records verify $mnt/data
}

truncate -s 320M $MNT/image
loop=$(losetup -f --show $MNT/image)
make_fs $loop
mount_fs $loop /mnt/loop
check $loop /mnt/loop
umount /mnt/loop
check_fs $loop
losetup -d $loop

echo "0 800000 linear $DISK2 2048" | dm_create below
make_fs /dev/mapper/below
mount_fs /dev/mapper/below /mnt/dm
check /dev/mapper/below /mnt/dm
umount /mnt/dm
check_fs /dev/mapper/below
dmsetup remove below
