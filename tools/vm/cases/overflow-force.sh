# After the COW file ran full, tracking goes on: made incremental by force, the device gives a map of all
# changes since the snapshot that was lost, and the copy made of that brings an image up to date exactly.
# fs: ext4 xfs
# disks: 320M 512M
# timeout: 400
# dmesg-allow: (I/O error|Buffer I/O error).*datto0
# slow: xfs

. /share/guest/activity.sh
mkfs.ext4 -q -F $DISK2
mkdir -p /mnt/backup
mount $DISK2 /mnt/backup
IMAGE=/mnt/backup/disk.img

random_file $MNT/data 32
for i in $(seq 100); do head -c 20000 /dev/urandom >$MNT/small$i; done
sync
rm -rf $ACTIVITY
mkdir -p $ACTIVITY
touch $ACTIVITY/own.last

# image_is_snapshot COW [RUNS]: in every block but those that are a COW file's.
image_is_snapshot() {
	own_blocks "$@"
	expect_same -x $ACTIVITY/own $IMAGE /dev/datto0
}

# Inode tables that ext4 zeroes when it likes are as large as the COW file.
[ $FS = xfs ] || mount -o remount,noinit_itable $MNT
say "first snapshot and full copy"
expect_ok dattoctl setup $DISK1 $MNT/cow1 0 20
dd if=/dev/datto0 of=$IMAGE bs=1M 2>/dev/null
image_is_snapshot $MNT/cow1
expect_errno EINVAL dattoctl force-inc 0
expect_device 0 3 0

say "overflow under load"
background records write -m direct -t 300 -b 512 -p 20 -r 41 $MNT/data 32
load=$!
change_small_files() {
	for i in $(seq 100); do
		rm $MNT/small$i
		head -c 20000 /dev/urandom >$MNT/new$i
	done
	while kill -0 $load 2>/dev/null; do
		fstrim $MNT
		sleep 2
	done
}
background change_small_files
wait_for 60 eval '[ "$(info 0 error)" = -27 ]'
at_overflow=$(info 0 nr_changed_blocks)
sleep 3
say "by force, under load as well"
exec 9</dev/datto0
expect_errno EBUSY dattoctl force-inc 0
exec 9<&-
expect_device 0 3 -27
expect_ok dattoctl force-inc 0
expect_device 0 2 0
[ ! -e /dev/datto0 ] || fail "the node is still there"
expect_eq "reason" "error=0 block=0 reason=" "$(dattoctl failure 0 | xargs)"
expect_errno EINVAL dattoctl force-inc 0
expect_device 0 2 0
sleep 3
kill $load
done_background
random_file $MNT/more 4
sync
changed=$(info 0 nr_changed_blocks)
[ "$changed" -gt "$at_overflow" ] || fail "nothing was tracked after the overflow: $at_overflow, $changed"
echo "changed blocks: $at_overflow at the overflow, $changed now"

say "the next snapshot"
expect_ok dattoctl trans-snap $MNT/cow2 0 40
expect_device 0 3 0
cowmap check $MNT/cow1 "$(dev_bytes $DISK1)"
cowmap runs $MNT/cow1 "$(dev_bytes $DISK1)" >/tmp/changed.runs
expect_differ $IMAGE /dev/datto0
update-img /dev/datto0 $MNT/cow1 $IMAGE
image_is_snapshot $MNT/cow2 /tmp/changed.runs
check_image $IMAGE
expect_ok dattoctl destroy 0
umount /mnt/backup
