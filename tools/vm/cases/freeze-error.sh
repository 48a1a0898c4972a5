# From 6.8 on a device's freeze can fail when its file system is frozen already: what was written to the device itself meanwhile is
# synced last, and does not get there. The call fails, and the file system goes on. Here the device's last block, behind the file
# system, cannot be written, and a probe tells when the file system is being frozen. Not on ext4, whose journal aborts when a write
# of the device's cache has failed. A name of a kernel that ends in 2 is one of these.
# disks: 512M
# fs: xfs
# start: module
# kernels: *2
# timeout: 300
# dmesg-allow: I/O error.*dm-0

size=$(blockdev --getsz $DISK1)
last=$((size / 8 - 1))
device=/dev/mapper/slow
T=/sys/kernel/tracing

echo "0 $((last * 8)) linear $DISK1 0" | dm_create slow
make_fs $device
mount_fs $device $MNT
random_file $MNT/data 8
sync
dmsetup suspend slow
# Freezing it takes a second or so.
dmsetup load slow <<<"0 $((last * 8)) delay $DISK1 0 0 $DISK1 0 400
$((last * 8)) 8 error"
dmsetup resume slow
mountpoint -q $T || mount -t tracefs tracefs $T
echo "p:frozen xfs_fs_freeze" >$T/kprobe_events

# Once everything else is synced, and nobody can write to the file system any more.
write_last() {
	grep -qm1 frozen $T/trace_pipe
	dd if=/dev/urandom of=$device bs=4096 seek=$last count=1 conv=notrunc status=none
}

# expect_failed ARGUMENT...: with -EIO, and the file system is not frozen.
expect_failed() {
	local writer call
	echo >$T/trace
	echo 1 >$T/events/kprobes/frozen/enable
	write_last &
	writer=$!
	rm -f /tmp/answer $MNT/x
	dattoctl -r "$@" >/tmp/answer &
	call=$!
	(wait_for 20 [ -s /tmp/answer ]) || echo "$* does not return: $(cat /proc/$call/wchan)"
	echo 0 >$T/events/kprobes/frozen/enable
	echo "$*: $(cat /tmp/answer)"
	touch $MNT/x &
	(wait_for 10 [ -e $MNT/x ]) || {
		fsfreeze -u $MNT
		fail "the file system stays frozen"
	}
	wait $call || true
	wait $writer
	expect_eq "errno" EIO "$(head -1 /tmp/answer)"
}

for round in 1 2; do
	say "round $round"
	expect_failed setup $device $MNT/cow 0 40
	expect_no_file $MNT/cow
	expect_untouched
done
say "the next snapshot"
expect_ok dattoctl setup $device $MNT/cow1 0 40
expect_ok dattoctl trans-inc 0
expect_failed trans-snap $MNT/cow2 0 40
expect_device 0 2 0
expect_no_file $MNT/cow2
expect_ok dattoctl trans-snap $MNT/cow2 0 40
records verify $MNT/data
expect_ok dattoctl destroy 0
echo >$T/kprobe_events
