# An unmounted, tracked device becomes part of a device-mapper one, by which it is written over: all but the first
# block of its COW file. Nothing of ours is written there any more. On kernels before 5.16 such writes cannot be held.
# disks: 512M
# fs: ext4 xfs
# timeout: 200
# slow: yes
# dmesg-allow: I/O error.*datto0

for mode in snapshot incremental; do
	say $mode
	expect_ok dattoctl setup $DISK1 $MNT/cow 0 64
	[ $mode = snapshot ] || expect_ok dattoctl trans-inc 0
	random_file $MNT/data 30
	sync
	blkcmp extents $MNT/cow >/tmp/own
	umount $MNT
	expect_device 0 $([ $mode = snapshot ] && echo 1 || echo 0) 0
	echo "0 $(blockdev --getsz $DISK1) linear $DISK1 0" | dm_create top
	# One direct write for each MiB, beginning with the second block of the file.
	skip=1
	while read -r first count; do
		first=$((first + skip)) count=$((count - skip)) skip=0
		while [ $count -gt 0 ]; do
			n=$((count < 256 ? count : 256))
			dd if=/dev/urandom of=/dev/mapper/top bs=4096 seek=$first count=$n oflag=direct iflag=fullblock conv=notrunc status=none
			first=$((first + n)) count=$((count - n))
		done
	done </tmp/own
	hash_dev $DISK1 /tmp/written
	# What is quiet is sealed.
	sleep 4
	drop_caches
	hash_dev $DISK1 /tmp/later
	echo "$(head -1 /tmp/own | cut -d' ' -f1) 1" >/tmp/header
	expect_same -x /tmp/header /tmp/written /tmp/later
	# The first of them failed the snapshot already where it could not be held.
	[[ $(info 0 error) = -116 || "$mode $(info 0 error)" = "snapshot -95" ]] || fail "error $(info 0 error)"
	dmsetup remove --noudevsync top
	expect_ok dattoctl destroy 0
	hash_dev $DISK1 /tmp/later
	expect_same -x /tmp/header /tmp/written /tmp/later
	make_fs $DISK1
	mount_fs $DISK1 $MNT
done
