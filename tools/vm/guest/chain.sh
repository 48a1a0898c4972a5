# A chain of increments over many boots: after each, the image and the increment are what the device is. Sourced
# after lib.sh, with END_OF_BOOT: the names of ways in which a boot ends, one of which is called.
#
# The image is on DISK2. What is to outlive a boot is kept in the job's directory, which the host has.

. /share/guest/activity.sh
ACTIVITY=$PWD/activity
mkdir -p $ACTIVITY
touch $ACTIVITY/own.last
IMAGE=/mnt/backup/image
RANDOM=$((STRESS_SEED + BOOT))

# Links as dbdctl makes them; NEXT is there during the transition.
link() {
	ln -sfn /cow$1 $MNT/.dbd/new
	mv -T $MNT/.dbd/new $MNT/.dbd/$2
}

write_some() {
	records write -m direct -n $((RANDOM % 30 + 1)) -b 64 -r $RANDOM $MNT/a 12
	records write -n $((RANDOM % 30 + 1)) -b 64 -r $RANDOM $MNT/b 12
	random_file $MNT/file$((RANDOM % 4)) 1
}

# The image is the snapshot but for COW files' blocks; CHANGED as in own_blocks.
expect_image() {
	own_blocks $MNT/cow$BOOT "$@"
	expect_same -x $ACTIVITY/own $IMAGE /dev/datto0
	expect_eq "image" "$(dev_bytes $DISK1)" "$(stat -c %s $IMAGE)"
}

first_link() {
	mkfs.ext4 -q -F $DISK2
	mount $DISK2 /mnt/backup
	make_fs_4k $DISK1
	mount_fs $DISK1 $MNT
	mkdir $MNT/.dbd
	link 1 live
	random_file $MNT/a 12
	random_file $MNT/b 12
	expect_ok dattoctl setup $DISK1 $MNT/cow1 0 32
	dd if=/dev/datto0 of=$IMAGE bs=1M iflag=direct 2>/dev/null
	expect_image
}

next_link() {
	local last=$((BOOT - 1))
	mount $DISK2 /mnt/backup
	expect_ok dattoctl resume $DISK1 /.dbd/live 0 /.dbd/next
	mount_fs $DISK1 $MNT
	expect_device 0 2 0
	expect_eq "seqid" $last "$(info 0 seqid)"
	link $last live
	write_some
	link $BOOT next
	expect_ok dattoctl trans-snap $MNT/cow$BOOT 0 32
	mv -T $MNT/.dbd/next $MNT/.dbd/live
	cowmap check $MNT/cow$last "$(dev_bytes $DISK1)"
	cowmap runs $MNT/cow$last "$(dev_bytes $DISK1)" >changed
	update-img /dev/datto0 $MNT/cow$last $IMAGE
	expect_image changed
	rm $MNT/cow$last
}

mkdir -p /mnt/backup
if [ $BOOT = 1 ]; then first_link; else next_link; fi
umount /mnt/backup
if [ $BOOT = $BOOTS ]; then
	expect_ok dattoctl destroy 0
	umount $MNT
	check_fs $DISK1
	echo "stat boots that began with the device as it was left: $((BOOTS - 1))"
else
	if [ $((RANDOM % 2)) = 0 ]; then expect_ok dattoctl trans-inc 0; fi
	write_some
	ways=($END_OF_BOOT)
	way=${ways[RANDOM % ${#ways[@]}]}
	say "ends: $way"
	$way
fi
