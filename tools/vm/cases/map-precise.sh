# The map is not larger than the change: one block written is one block marked, and an idle device
# stays idle.
# mkfs: -E lazy_itable_init=0,lazy_journal_init=0

bytes=$(dev_bytes $DISK1)
random_file $MNT/data 32
sync
blkcmp extents $MNT/data >/tmp/data.runs
read -r start count </tmp/data.runs
expect_ok dattoctl setup $DISK1 $MNT/cow1 0 64
expect_ok dattoctl trans-inc 0
# The COW file's own metadata is still on its way to the disk.
sleep 6
sync
idle=$(info 0 nr_changed_blocks)
sleep 7
sync
expect_eq "changes of an idle device" "$idle" "$(info 0 nr_changed_blocks)"
say "three blocks, one of them by 512 bytes"
for offset in 0 4096 1048576; do
	dd if=/dev/urandom of=$MNT/data bs=512 seek=$((offset / 512)) count=1 conv=notrunc oflag=direct 2>/dev/null
done
expect_ok dattoctl trans-snap $MNT/cow2 0
cowmap check $MNT/cow1 $bytes
cowmap runs $MNT/cow1 $bytes >/tmp/changed.runs
cat /tmp/changed.runs
marked() { awk -v b="$1" '$1 <= b && b < $1 + $2' /tmp/changed.runs | grep -q .; }
for block in 0 1 256; do
	marked $((start + block)) || fail "block $((start + block)) was written and is not marked"
done
for block in 2 3 128 255 257; do
	! marked $((start + block)) || fail "block $((start + block)) was not written and is marked"
done
total=$(awk '{ n += $2 } END { print n }' /tmp/changed.runs)
# The rest is the file system's own: superblock, inode table, journal, the COW files' metadata.
[ "$total" -lt 600 ] || fail "$total blocks are marked after three were written"
expect_ok dattoctl destroy 0
