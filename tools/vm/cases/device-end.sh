# A COW file whose first piece ends where the device does: a read of blocks that were saved there and in the
# next piece, one after the other, keeps to the pieces.
# disks: 96M
# mkfs: -b 4096 -O ^has_journal
# timeout: 200

blocks=$(($(dev_bytes $DISK1) / 4096))
# Runs of blocks, "start count", of what lies behind block $1 in one of the files.
behind() { blkcmp extents $1 | awk -v from=$2 '$1 + $2 > from { found = 1 } END { exit !found }'; }

# All space is taken but 8 MiB at the end of the device and pieces of 1 MiB elsewhere, so that the file begins at the end.
for n in 1M 64K 4K; do
	i=0
	while fallocate -l $n $MNT/$n.$i 2>/dev/null; do i=$((i + 1)); done
done
sync
for file in $MNT/*.*; do
	if behind $file $((blocks - 2048)); then rm $file; fi
done
rm $MNT/1M.?[05]
expect_ok dattoctl setup $DISK1 $MNT/cow 0 14
# What is written and what is not are extents of their own.
blkcmp extents $MNT/cow | awk 'NR > 1 && $1 == end { end += $2; next }
	NR > 1 { print start, end - start } { start = $1; end = $1 + $2 } END { print start, end - start }' >/tmp/pieces
cat /tmp/pieces
read -r start count </tmp/pieces
expect_eq "end of the first piece" $blocks $((start + count))
[ $(wc -l </tmp/pieces) -gt 1 ] || fail "the COW file is in one piece"
hash_dev /dev/datto0 /tmp/before

for file in $(ls $MNT/1M.* | head -13); do
	dd if=/dev/urandom of=$file bs=1M count=1 oflag=direct conv=notrunc 2>/dev/null
done
expect_device 0 3 0
[ $(info 0 nr_changed_blocks) -gt $count ] || fail "the first piece is not full"
hash_dev /dev/datto0 /tmp/after
expect_same -x /tmp/pieces /tmp/before /tmp/after
expect_ok dattoctl destroy 0
