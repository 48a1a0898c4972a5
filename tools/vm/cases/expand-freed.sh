# Growth when there was hardly a free block at the snapshot: what was freed since holds data of the
# snapshot, is not used for the COW file, and the snapshot keeps every byte of it.
# fs: ext4 xfs
# disks: 512M
# timeout: 400

umount $MNT
[ "$FS" = ext4 ] && make_fs $DISK1 -m 0 || make_fs $DISK1
mount_fs $DISK1 $MNT
mkdir $MNT/keep
random_file $MNT/a 40
random_file $MNT/b 40
random_file $MNT/c 40
# 40 MiB for the COW file, all else is filled to the last block.
head -c 40M /dev/zero >$MNT/place
sync
i=0
while head -c 4M /dev/urandom >$MNT/keep/$i 2>/dev/null; do i=$((i + 1)); done
sync
rm $MNT/place
sync
sums=$(cd $MNT && md5sum a b c keep/0)
expect_ok dattoctl setup $DISK1 $MNT/cow 0 32
blkcmp extents $MNT/cow >/tmp/first.runs
hash_dev /dev/datto0 /tmp/before

# Files go away: their blocks are free now, and no block of theirs was written since the snapshot.
rm $MNT/a $MNT/b
sync
case $FS in
ext4) dumpe2fs $DISK1 2>/dev/null | grep 'Free blocks:' | head -1 ;;
xfs) xfs_db -r -c 'freesp -s' $DISK1 | tail -4 ;;
esac
say "nothing of that is usable"
before=$(info 0 falloc_size)
dattoctl -r expand 64 0 | tee /tmp/answer || true
sync
hash_dev /dev/datto0 /tmp/during
blkcmp extents $MNT/cow >/tmp/cow.runs
expect_eq "error" 0 "$(info 0 error)"
# Every block that the file gained is either as it was, or was free at the snapshot. In the latter case it
# may differ; it cannot be much.
blkcmp cmp -x /tmp/first.runs /tmp/before /tmp/during >/tmp/differ || true
echo "blocks that were free at the snapshot and differ: $(awk '{ n += $2 } END { print n + 0 }' /tmp/differ)"
expect_same -x /tmp/cow.runs /tmp/before /tmp/during
mount_snapshot /dev/datto0 /mnt/snap
expect_eq "checksums" "$sums" "$(cd /mnt/snap && md5sum a b c keep/0)"
umount /mnt/snap

say "overwritten once, freed again: usable"
records fill -r 5 $MNT/d 20
sync
rm $MNT/d
sync
expect_ok dattoctl expand 40 0
[ "$(info 0 falloc_size)" -gt "$before" ] || fail "the file did not grow"
records write -t 5 -m direct -b 64 -p 5 -r 6 $MNT/c 8
sync
echo "state $(info 0 state) error $(info 0 error) changed $(info 0 nr_changed_blocks)"
expect_device 0 3 0
hash_dev /dev/datto0 /tmp/after
blkcmp extents $MNT/cow >/tmp/cow.runs
expect_same -x /tmp/cow.runs /tmp/before /tmp/after
mount_snapshot /dev/datto0 /mnt/snap
expect_eq "checksums" "$sums" "$(cd /mnt/snap && md5sum a b c keep/0)"
umount /mnt/snap
expect_ok dattoctl destroy 0
