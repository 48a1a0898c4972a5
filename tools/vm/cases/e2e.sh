# The whole cycle twice over with the commands a user has, dbdctl and update-img, while the file system
# is busy: the image equals the snapshot, its file system is sound, its files are those of the instant.
# disks: 320M 1G
# fs: ext4 xfs
# timeout: 900
# slow: xfs

# Success is silent and exits 0.
quietly() {
	local out
	out=$("$@") || fail "$* exited $?"
	expect_eq "stdout of $*" "" "$out"
}

prove() {
	local k=$1 old=$2 new=$3
	own_blocks $MNT/$new ${old:+/tmp/changed.runs}
	expect_same -x $ACTIVITY/own $IMAGE /dev/datto0
	check_image $IMAGE
	mount_snapshot $IMAGE /mnt/image
	check_activity /mnt/image
	umount /mnt/image
	say "image $k is the snapshot"
}

. /share/guest/activity.sh
mkfs.ext4 -q -F $DISK2
mkdir -p /mnt/backup
mount $DISK2 /mnt/backup
IMAGE=/mnt/backup/disk.img
LATE=/mnt/backup/late.img
start_activity $MNT

say "first snapshot and full copy"
note_activity before
quietly dbdctl setup-snapshot -f 100 $DISK1 $MNT/.datto1 0
note_activity after
[ -b /dev/datto0 ] || fail "no node when the command returns"
update-img --full --verify /dev/datto0 $IMAGE
prove 1 "" .datto1
# Left out until the end, and then brought up to date in one pass.
cp --sparse=always $IMAGE $LATE

for k in 2 3; do
	old=.datto$((k - 1)) new=.datto$k
	say "cycle to snapshot $k"
	quietly dbdctl transition-to-incremental 0
	[ ! -e /dev/datto0 ] || fail "the node is there in incremental mode"
	change_quiet_files $MNT $k
	sleep 2
	note_activity before
	quietly dbdctl transition-to-snapshot $MNT/$new 0
	note_activity after
	expect_fails cmp -s $IMAGE /dev/datto0
	cowmap check $MNT/$old "$(dev_bytes $DISK1)"
	cowmap runs $MNT/$old "$(dev_bytes $DISK1)" >/tmp/changed.runs
	update-img --verify /dev/datto0 $MNT/$old $IMAGE
	prove $k $old $new
	if [ $k = 3 ]; then
		say "two COW files at once; one alone is refused"
		expect_fails update-img /dev/datto0 $MNT/.datto1 $LATE
		update-img --verify --checksum /dev/datto0 $MNT/.datto2 $MNT/.datto1 $LATE
		expect_same -x $ACTIVITY/own $LATE /dev/datto0
		say "a map of another snapshot is refused, and the image stays"
		sum=$(md5sum <$IMAGE)
		expect_fails update-img /dev/datto0 $MNT/$new $IMAGE
		expect_eq "image" "$sum" "$(md5sum <$IMAGE)"
		expect_eq "beside the images" "disk.img disk.img.manifest late.img late.img.manifest" "$(cd /mnt/backup && echo *.img*)"
	fi
done
rm $MNT/.datto1 $MNT/.datto2

say "errors"
expect_fails dbdctl setup-snapshot $DISK1 $MNT/other 1
expect_no_file $MNT/other
expect_fails dbdctl destroy 7
expect_fails dbdctl destroy 4294967296
expect_fails dbdctl setup-snapshot -f 18446744073709551616 $DISK1 $MNT/other 0
expect_device 0 3 0
quietly dbdctl destroy 0
expect_untouched
stop_activity
umount /mnt/backup
