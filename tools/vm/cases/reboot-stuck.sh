# The disk of a tracked device does not answer any more when the machine is shut down: it goes down all the same, and
# what changed is known by the log.
# boots: 2
# power: self
# start: module
# slow: yes
# timeout: 200

size=$(blockdev --getsz $DISK1)
echo "0 $size linear $DISK1 0" | dm_create stuck

if [ $BOOT = 1 ]; then
	make_fs /dev/mapper/stuck
	mount_fs /dev/mapper/stuck $MNT
	expect_ok dattoctl setup /dev/mapper/stuck $MNT/cow 0 40
	expect_ok dattoctl trans-inc 0
	random_file $MNT/data 8
	sync
	sleep 12 # till nothing more of ours is to be written, nor by the file system
	dmsetup suspend --nolockfs --noflush stuck
	dd if=/dev/zero of=$MNT/data bs=4096 count=4 conv=notrunc oflag=direct status=none &
	sleep 2
	say "off"
	echo 0 >/proc/sys/kernel/hung_task_timeout_secs # that the disk hangs is known
	echo o >/proc/sysrq-trigger
	sleep 1000
fi
load_module
expect_ok dattoctl reload-inc /dev/mapper/stuck /cow 0
mount_fs /dev/mapper/stuck $MNT
expect_device 0 2 0
[ $(info 0 nr_changed_blocks) -ge 2048 ] || fail "changes are lost"
expect_ok dattoctl destroy 0
umount $MNT
check_fs /dev/mapper/stuck
