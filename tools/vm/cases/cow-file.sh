# The COW file belongs to the driver while it is in use: nobody removes or changes it. It is the
# caller's from the moment the transition returns, complete by either way of reading.
# fs: ext4 xfs

bytes=$(dev_bytes $DISK1)
protected() {
	expect_fails rm -f $1
	expect_fails mv $1 $MNT/other
	expect_fails truncate -s 0 $1
	expect_fails truncate -s 500M $1
	expect_fails fallocate -p -o 0 -l 8192 $1
	expect_fails dd if=/dev/zero of=$1 bs=4096 count=1 conv=notrunc
	expect_fails dd if=/dev/zero of=$1 bs=4096 count=1 conv=notrunc oflag=direct
	expect_fails ln $1 $MNT/link
	expect_fails chmod 600 $1
	expect_fails cp --reflink=always $MNT/data $1
	expect_errno "rm: cannot remove '$1': Operation not permitted" rm -f $1
	[ -e $1 ] || fail "$1 is gone"
}

random_file $MNT/data 24
sync
expect_ok dattoctl setup $DISK1 $MNT/cow1 0 64
expect_eq "mode" 0 "$(stat -c %a $MNT/cow1)"
expect_eq "size" $((64 << 20)) "$(stat -c %s $MNT/cow1)"
say "in snapshot mode"
protected $MNT/cow1
# Before it is handed over, the file must not look like a finished map.
! cowmap check $MNT/cow1 $bytes || fail "the COW file in use passes for a finished one"
records write -t 2 -r 61 $MNT/data 24
sync
say "in incremental mode"
expect_ok dattoctl trans-inc 0
protected $MNT/cow1
! cowmap check $MNT/cow1 $bytes || fail "the COW file in use passes for a finished one"
[ "$(stat -c %s $MNT/cow1)" -lt $((2 << 20)) ] || fail "the data area was not given back"
records write -t 2 -r 62 $MNT/data 24
sync
# Something to find in the page cache that is out of date by then.
cat $MNT/cow1 >/dev/null

say "handed over"
changed=$(info 0 nr_changed_blocks)
expect_ok dattoctl trans-snap $MNT/cow2 0
cowmap check $MNT/cow1 $bytes
cowmap -d check $MNT/cow1 $bytes
cowmap runs $MNT/cow1 $bytes >/tmp/cached.runs
cowmap -d runs $MNT/cow1 $bytes | cmp - /tmp/cached.runs
drop_caches
cowmap runs $MNT/cow1 $bytes | cmp - /tmp/cached.runs
total=$(awk '{ n += $2 } END { print n + 0 }' /tmp/cached.runs)
expect_eq "count in the header" "$total" "$(cowmap header $MNT/cow1 | sed -n 's/^nr_changed_blocks=//p')"
[ "$total" -ge "$changed" ] || fail "INFO said $changed changed blocks, the file says $total"
protected $MNT/cow2
chmod 600 $MNT/cow1
cp $MNT/cow1 /tmp/copy
cmp $MNT/cow1 /tmp/copy
truncate -s 0 $MNT/cow1
rm $MNT/cow1

say "destroy"
expect_ok dattoctl destroy 0
expect_no_file $MNT/cow2
expect_no_file $MNT/other
expect_no_file $MNT/link
