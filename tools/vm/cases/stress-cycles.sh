# Cycle after cycle of incremental backup of a busy file system: each time the image's file system is sound,
# and its files are those of one instant, each with its checksum. See guest/activity.sh.
# disks: 320M 1G
# fs: ext4 xfs
# timeout: 400
# slow: xfs

. /share/guest/stress.sh 30
. /share/guest/activity.sh
RANDOM=$STRESS_SEED
end=$((SECONDS + STRESS_SECONDS))
mkfs.ext4 -q -F $DISK2
mkdir -p /mnt/backup
mount $DISK2 /mnt/backup
IMAGE=/mnt/backup/disk.img

# prove [CHANGED]: the image is the snapshot, and what it holds is right.
prove() {
	own_blocks $MNT/cow$k "$@"
	expect_same -x $ACTIVITY/own $IMAGE /dev/datto0
	check_image $IMAGE
	mount_snapshot $IMAGE /mnt/image
	check_activity /mnt/image
	files=$((files + $(find /mnt/image -type f | wc -l)))
	umount /mnt/image
}

start_activity $MNT
k=1 files=0
note_activity before
expect_ok dattoctl setup $DISK1 $MNT/cow1 0 100
note_activity after
dd if=/dev/datto0 of=$IMAGE bs=1M 2>/dev/null
prove
while :; do
	say "cycle $k"
	expect_ok dattoctl trans-inc 0
	change_quiet_files $MNT $((k + 1))
	case $((RANDOM % 4)) in
	0) fstrim $MNT ;;
	1) sync ;;
	2) sleep $((RANDOM % 4)) ;;
	esac
	k=$((k + 1))
	note_activity before
	expect_ok dattoctl trans-snap $MNT/cow$k 0
	note_activity after
	cowmap check $MNT/cow$((k - 1)) "$(dev_bytes $DISK1)"
	cowmap runs $MNT/cow$((k - 1)) "$(dev_bytes $DISK1)" >/tmp/changed.runs
	update-img /dev/datto0 $MNT/cow$((k - 1)) $IMAGE
	prove /tmp/changed.runs
	rm $MNT/cow$((k - 1))
	[ $SECONDS -lt $end ] || break
done
expect_device 0 3 0
expect_ok dattoctl destroy 0
stop_activity
umount /mnt/backup
echo "stat cycles: $((k - 1))"
echo "stat images with a sound file system: $k"
echo "stat files in images: $files"
