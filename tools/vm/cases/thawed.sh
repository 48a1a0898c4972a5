# Somebody thaws a file system that the driver has frozen, as an agent that thaws all of them does. The snapshot
# is refused, since it may not be of one instant, and the next one freezes as ever.
# disks: 512M 512M
# fs: ext4 xfs
# timeout: 200
# slow: xfs

size=$(blockdev --getsz $DISK2)
good="$DISK1 $MNT/cow 0 40 /dev/mapper/slow /mnt/b/cow 1 40"
echo "0 $size linear $DISK2 0" | dm_create slow
if [ $FS = ext4 ]; then make_fs /dev/mapper/slow -E lazy_itable_init=0; else make_fs /dev/mapper/slow; fi
mount_fs /dev/mapper/slow /mnt/b
# From now on freezing it takes a second or so.
dmsetup suspend slow
echo "0 $size delay $DISK2 0 0 $DISK2 0 400" | dmsetup load slow
dmsetup resume slow

thaw() {
	until fsfreeze -u $MNT 2>/dev/null; do :; done
}

for round in 1 2; do
	say "round $round"
	thaw &
	got=$(dattoctl -r group $good || true)
	echo "group: $got"
	wait $!
	expect_eq "errno" EAGAIN "$(head -1 <<<"$got")"
	expect_eq "member" "member 0" "$(tail -1 <<<"$got")"
	[[ $got == *'thawed by somebody else'* ]] || fail "no reason: $got"
	expect_no_file $MNT/cow
	expect_no_file /mnt/b/cow
	expect_untouched
done

# Did it still count as frozen, this would be of a file system that runs, or could not be mounted.
umount $MNT
mount_fs $DISK1 $MNT
random_file $MNT/data 8
expect_ok dattoctl group $good
random_file $MNT/later 8
sync
check_image /dev/datto0
for minor in 0 1; do
	expect_device $minor 3 0
	expect_ok dattoctl destroy $minor
done

say "the device counts as frozen, on somebody else's account, but is not"
dmsetup suspend slow
fsfreeze -u /mnt/b &
sleep 1
dmsetup resume slow
wait $!
expect_ok dattoctl setup /dev/mapper/slow /mnt/b/cow 0 40
dmesg | grep -q 'counts as frozen' || fail "it was frozen as ever"
expect_ok dattoctl destroy 0
umount /mnt/b
mount_fs /dev/mapper/slow /mnt/b
umount /mnt/b
