# Growth when there was hardly a free block at the snapshot: what was freed since holds data of the
# snapshot, is not used for the COW file, and the snapshot keeps every byte of it.
# fs: ext4 xfs
# disks: 512M
# timeout: 400
# slow: xfs

umount $MNT
[ "$FS" = ext4 ] && make_fs $DISK1 -m 0 || make_fs $DISK1
mount_fs $DISK1 $MNT
mkdir $MNT/keep
random_file $MNT/a 40
random_file $MNT/b 40
random_file $MNT/c 40
# Room for the COW file, all else is filled to the last block.
head -c 112M /dev/zero >$MNT/place
sync
i=0
while head -c 4M /dev/urandom >$MNT/keep/$i 2>/dev/null; do i=$((i + 1)); done
sync
rm $MNT/place
sync
sums=$(cd $MNT && md5sum a b c keep/0)
for file in $MNT/[abc] $MNT/keep/*; do blkcmp extents $file; done >/tmp/used.runs

# The snapshot is what it was in every block but those of the first COW file, and those that were free and
# are in it now: nothing that a file had is among them.
snapshot_is_exact() {
	hash_dev /dev/datto0 /tmp/now
	blkcmp extents $MNT/cow >/tmp/cow.runs
	expect_same -x /tmp/cow.runs /tmp/before /tmp/now
	blkcmp cmp -x /tmp/first.runs /tmp/before /tmp/now >/tmp/differ || true
	awk 'FILENAME == ARGV[1] { for (b = $1; b < $1 + $2; b++) used[b] = 1; next }
		/^[0-9]+ [0-9]+$/ { for (b = $1; b < $1 + $2; b++) { n++; lost += b in used } }
		END { print n + 0, "blocks differ that were free,", lost + 0, "that were not"; exit lost > 0 }' \
		/tmp/used.runs /tmp/differ || fail "data of the snapshot is lost"
	mount_snapshot /dev/datto0 /mnt/snap
	expect_eq "checksums" "$sums" "$(cd /mnt/snap && md5sum a b c keep/0)"
	umount /mnt/snap
}

expect_ok dattoctl setup $DISK1 $MNT/cow 0 100
blkcmp extents $MNT/cow >/tmp/first.runs
hash_dev /dev/datto0 /tmp/before

# Files go away: their blocks are free now, and no block of theirs was written since the snapshot.
rm $MNT/a $MNT/b
sync
case $FS in
ext4) dumpe2fs $DISK1 2>/dev/null | grep 'Free blocks:' | head -1 ;;
xfs) xfs_db -r -c 'freesp -s' $DISK1 | tail -4 ;;
esac
say "hardly a block of that is usable"
size=$(info 0 falloc_size) left=$(proc_field 0 cow_free)
dattoctl -r expand 8 0 || true
sync
echo "$(($(info 0 falloc_size) - size)) bytes more, $(($(proc_field 0 cow_free) - left)) of them for old blocks"
expect_device 0 3 0
snapshot_is_exact

say "overwritten once, freed again: usable"
records fill -r 5 $MNT/d 70
sync
rm $MNT/d
sync
expect_device 0 3 0
before=$(info 0 falloc_size)
expect_ok dattoctl expand 40 0
expect_eq "size" $((before + (40 << 20))) "$(info 0 falloc_size)"

say "more old blocks than the file had room for: they go where it grew"
records fill -r 6 $MNT/c 40
sync
echo "changed blocks: $(info 0 nr_changed_blocks)"
[ $(($(info 0 nr_changed_blocks) * 4096)) -gt $((102 << 20)) ] || fail "the room that was added was not needed"
expect_device 0 3 0
snapshot_is_exact

say "what /proc says is left is what old blocks get"
for file in $MNT/keep/*; do
	left=$(proc_field 0 cow_free)
	[ $left -gt $((6 << 20)) ] || break
	dd if=/dev/urandom of=$file bs=1M count=4 conv=notrunc,fsync status=none
	expect_eq "error after 4 MiB, when $left bytes were left" 0 "$(info 0 error)"
done
echo "$left bytes left of $(info 0 falloc_size), $(info 0 nr_changed_blocks) blocks changed"
[ $left -le $((6 << 20)) ] || fail "$left bytes are left"
for file in $(ls $MNT/keep/* | tail -2); do
	dd if=/dev/urandom of=$file bs=1M count=4 conv=notrunc,fsync status=none
done
expect_device 0 3 -27
expect_ok dattoctl destroy 0
