# A device whose size is no multiple of 4096: its last, partial block is copied and tracked like any.
# disks: 268437504

bytes=$(dev_bytes $DISK1)
expect_eq "size" 268437504 "$bytes"
tail_sector=$((bytes / 512 - 1))
put_tail() {
	head -c 512 /dev/urandom >/tmp/tail
	dd if=/tmp/tail of=$DISK1 bs=512 seek=$tail_sector oflag=direct conv=notrunc 2>/dev/null
}
get_tail() { dd if=$1 bs=512 skip=$tail_sector count=1 iflag=direct 2>/dev/null | md5sum; }

put_tail
old=$(get_tail $DISK1)
random_file $MNT/data 16
sync
expect_ok dattoctl setup $DISK1 $MNT/cow1 0 48
expect_eq "snapshot's size" "$bytes" "$(dev_bytes /dev/datto0)"
blkcmp extents $MNT/cow1 >/tmp/own.runs
hash_dev /dev/datto0 /tmp/hash1
put_tail
[ "$(get_tail $DISK1)" != "$old" ] || fail "the tail was not written"
expect_eq "the snapshot's tail" "$old" "$(get_tail /dev/datto0)"
records write -t 3 $MNT/data 16
sync
hash_dev /dev/datto0 /tmp/after
expect_same -x /tmp/own.runs /tmp/hash1 /tmp/after
expect_ok dattoctl trans-inc 0
put_tail
expect_ok dattoctl trans-snap $MNT/cow2 0
blkcmp extents $MNT/cow2 >>/tmp/own.runs
cowmap check $MNT/cow1 $bytes
cowmap runs $MNT/cow1 $bytes >/tmp/changed.runs
awk -v b=$((bytes / 4096)) '$1 <= b && b < $1 + $2' /tmp/changed.runs | grep -q . || fail "the last block is not marked"
hash_dev /dev/datto0 /tmp/hash2
expect_same -x /tmp/changed.runs -x /tmp/own.runs /tmp/hash1 /tmp/hash2
expect_ok dattoctl destroy 0
