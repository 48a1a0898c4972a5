# Reads of every size and alignment, many at a time, see the same bytes.

random_file $MNT/data 32
sync
expect_ok dattoctl setup $DISK1 $MNT/cow 0 64
blkcmp extents $MNT/data >/tmp/data.runs
read -r start count </tmp/data.runs
# Every second 8 KiB is overwritten, so that runs of old and new alternate.
for i in $(seq 0 2 126); do
	dd if=/dev/zero of=$MNT/data bs=8k seek=$i count=1 conv=notrunc oflag=direct 2>/dev/null
done
dd if=/dev/datto0 of=/tmp/want bs=4096 skip=$start count=256 iflag=direct 2>/dev/null
records verify /tmp/want >/dev/null || fail "the snapshot has not the old content"
for size in 512 1024 1536 3584 4096 4608 12288 65536 66048 1048576; do
	(
		dd if=/dev/datto0 bs=$size iflag=direct,skip_bytes,count_bytes skip=$((start * 4096)) \
			count=$((256 * 4096)) 2>/dev/null | cmp - /tmp/want || echo "direct $size" >>/tmp/bad
		dd if=/dev/datto0 bs=$size iflag=skip_bytes,count_bytes skip=$((start * 4096)) \
			count=$((256 * 4096)) 2>/dev/null | cmp - /tmp/want || echo "buffered $size" >>/tmp/bad
	) &
done
wait
[ ! -e /tmp/bad ] || fail "wrong bytes: $(cat /tmp/bad)"
say "from an odd sector on"
dd if=/dev/datto0 bs=3584 iflag=direct,skip_bytes skip=$((start * 4096 + 1536)) count=100 2>/dev/null |
	cmp - <(dd if=/tmp/want bs=3584 iflag=skip_bytes skip=1536 count=100 2>/dev/null)
say "the end"
expect_eq "past the end" 0 "$(dd if=/dev/datto0 bs=1M skip=512 iflag=direct 2>/dev/null | wc -c)"
expect_eq "the last MiB" 1048576 "$(dd if=/dev/datto0 bs=1M skip=511 iflag=direct 2>/dev/null | wc -c)"
expect_ok dattoctl destroy 0
