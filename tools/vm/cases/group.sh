# Several devices, one of them on a file of another, are snapshot at one instant: of writes that follow each
# other from device to device no later one is visible where an earlier one is missing. All or none.
# disks: 1G 320M
# fs: ext4 xfs
# timeout: 400
# slow: xfs

mkdir -p /mnt/b /mnt/c
make_fs $DISK2
mount_fs $DISK2 /mnt/b
truncate -s 320M $MNT/image
loop=$(losetup -f --show $MNT/image)
# What ext4 zeroes later goes into the file even while the file system below is frozen: the loop driver does not ask,
# and ext4 warns (fsfreeze(8) shows it as well).
if [ $FS = ext4 ]; then make_fs $loop -E lazy_itable_init=0; else make_fs $loop; fi
mount_fs $loop /mnt/c
parts="$MNT /mnt/b /mnt/c"

# Write n goes to each of the devices, one after the other, and is on disk before the next begins.
alternate() {
	local n=0 part
	while [ ! -e /tmp/stop ]; do
		n=$((n + 1))
		for part in $parts; do
			printf '%4096d' $n | dd of=$part/n bs=4096 conv=notrunc,fsync status=none
		done
		echo $n >/tmp/n.new
		mv /tmp/n.new /tmp/n
	done
}

# What the snapshot of a device holds: the number of the last write.
number_in() {
	local n
	mount_snapshot /dev/datto$1 /mnt/snap
	n=$(tr -d ' ' </mnt/snap/n)
	umount /mnt/snap
	echo $n
}

untouched() {
	expect_no_file $MNT/cow
	expect_no_file /mnt/b/cow
	expect_no_file /mnt/c/cow
	expect_untouched
}

# refused ERRNO MEMBER ARGUMENT...: the group is refused because of this member, and nothing is left.
refused() {
	local errno=$1 member=$2 got
	shift 2
	got=$(dattoctl -r group "$@" || true)
	echo "$*:" $got
	expect_eq errno $errno "$(head -1 <<<"$got")"
	expect_eq member "member $member" "$(tail -1 <<<"$got")"
	untouched
}

rm -f /tmp/stop /tmp/n
alternate &
wait_for 60 eval '[ -s /tmp/n ] && [ $(cat /tmp/n) -gt 3 ]'

good="$DISK1 $MNT/cow 0 40 $DISK2 /mnt/b/cow 1 40"
# What is refused is the same on every file system.
all_or_none() {
	say "all or none"
	refused EINVAL 2 $good $loop $MNT/image2 2 40
	refused ENOSPC 2 $good $loop /mnt/c/cow 2 4000
	refused EISDIR 2 $good $loop /mnt/c 2 40
	refused ENOENT 2 $good /dev/none /mnt/c/cow 2 40
	refused EINVAL 2 $good $DISK1 $MNT/cow2 2 40
	refused EINVAL 2 $good $loop /mnt/c/cow 0 40
	refused EINVAL 0 $DISK1 $MNT/cow 24 40 $good
	fsfreeze -f /mnt/b
	refused EBUSY 1 $good
	fsfreeze -u /mnt/b
	# It cannot be frozen while what it stands on is: given up, and the writers go on.
	# Half a minute, which is as long as the kernel watches a task that hangs here.
	echo 60 >/proc/sys/kernel/hung_task_timeout_secs
	refused ETIMEDOUT 2 $good $loop /mnt/c/cow 2 40
	echo 30 >/proc/sys/kernel/hung_task_timeout_secs
	before=$(cat /tmp/n)
	wait_for 60 eval '[ $(cat /tmp/n) -gt $((before + 2)) ]'
}
[ $FS != ext4 ] || all_or_none

for round in 1 2 3 4 5; do
	before=$(cat /tmp/n)
	expect_ok dattoctl group $loop /mnt/c/cow 2 40 $good
	after=$(cat /tmp/n)
	for minor in 0 1 2; do
		expect_device $minor 3 0
		[ -b /dev/datto$minor ] || fail "no node"
	done
	expect_errno EBUSY dattoctl group $good
	a=$(number_in 0) b=$(number_in 1) c=$(number_in 2)
	say "round $round: $a $b $c, between $before and $((after + 1))"
	[ $a -ge $b ] && [ $b -ge $c ] && [ $c -ge $((a - 1)) ] || fail "not of one instant"
	[ $c -ge $before ] && [ $a -le $((after + 1)) ] || fail "not of this instant"
	for minor in 0 1 2; do
		expect_ok dattoctl destroy $minor
	done
	untouched
done
touch /tmp/stop
wait
umount /mnt/c
check_fs $loop
losetup -d $loop
umount /mnt/b
check_fs $DISK2
