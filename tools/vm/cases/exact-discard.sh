# Discarding and zeroing do not touch what the snapshot shows: fstrim, a discard mount, zero-range,
# hole punching, and discards or write zeroes sent to the device by hand.
# fs: ext4 xfs

umount $MNT
mount -t $FS -o discard $DISK1 $MNT
random_file $MNT/trimmed 40
random_file $MNT/zeroed 16
random_file $MNT/punched 16
sync
sums=$(cd $MNT && md5sum trimmed zeroed punched)
expect_ok dattoctl setup $DISK1 $MNT/cow 0 128
blkcmp extents $MNT/cow >/tmp/cow.runs
hash_dev /dev/datto0 /tmp/before
blkcmp extents $MNT/trimmed >/tmp/trimmed.runs

say "rm with -o discard, fstrim, zero-range, punch"
rm $MNT/trimmed
sync
fstrim -v $MNT
fallocate -z -l 16M $MNT/zeroed
fallocate -p -o 1M -l 8M $MNT/punched
sync
fstrim -v $MNT
hash_dev /dev/datto0 /tmp/after
expect_same -x /tmp/cow.runs /tmp/before /tmp/after

say "discard and write zeroes by hand, over the deleted file's blocks"
read -r start count </tmp/trimmed.runs
blkdiscard -f -o $((start * 4096)) -l $((count / 2 * 4096)) $DISK1
blkdiscard -f -z -o $(((start + count / 2) * 4096)) -l $((count / 4 * 4096)) $DISK1
hash_dev /dev/datto0 /tmp/after
expect_same -x /tmp/cow.runs /tmp/before /tmp/after
dd if=$DISK1 bs=4096 skip=$((start + count / 2)) count=$((count / 4)) iflag=direct 2>/dev/null |
	cmp -n $((count / 4 * 4096)) - /dev/zero || fail "write zeroes did not reach the origin"

mount_snapshot /dev/datto0 /mnt/snap
expect_eq "checksums" "$sums" "$(cd /mnt/snap && md5sum trimmed zeroed punched)"
umount /mnt/snap
expect_device 0 3 0
expect_ok dattoctl destroy 0

say "in incremental mode they count as changes"
random_file $MNT/second 8
sync
expect_ok dattoctl setup $DISK1 $MNT/cow 0 128
hash_dev /dev/datto0 /tmp/first
blkcmp extents $MNT/cow >/tmp/own.runs
expect_ok dattoctl trans-inc 0
rm $MNT/second
fallocate -z -l 12M $MNT/zeroed
sync
fstrim $MNT
expect_ok dattoctl trans-snap $MNT/cow2 0
hash_dev /dev/datto0 /tmp/next
blkcmp extents $MNT/cow2 >>/tmp/own.runs
cowmap runs $MNT/cow "$(dev_bytes $DISK1)" >/tmp/changed.runs
expect_same -x /tmp/changed.runs -x /tmp/own.runs /tmp/first /tmp/next
expect_ok dattoctl destroy 0
