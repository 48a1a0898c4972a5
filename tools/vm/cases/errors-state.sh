# Transitions that do not fit the state, and the snapshot being open: refused, and nothing changes.

expect_ok dattoctl setup $DISK1 $MNT/cow0 0 64
# All but the number of changed blocks, which the file system moves by itself.
facts() { dattoctl info 0 | grep -v nr_changed_blocks; }
facts_before=$(facts)

say "in snapshot state"
expect_errno EINVAL dattoctl trans-snap $MNT/cow1 0
expect_no_file $MNT/cow1

say "while the snapshot is open"
exec 9</dev/datto0
expect_errno EBUSY dattoctl destroy 0
expect_errno EBUSY dattoctl trans-inc 0
expect_errno EBUSY dattoctl trans-snap $MNT/cow1 0
expect_errno EBUSY dattoctl reconfigure 0 8388608
expect_no_file $MNT/cow1
[ -b /dev/datto0 ] || fail "the node is gone"
expect_eq "INFO" "$facts_before" "$(facts)"
exec 9<&-
say "while it is mounted"
mount_snapshot /dev/datto0 /mnt/snap
expect_errno EBUSY dattoctl destroy 0
expect_errno EBUSY dattoctl trans-inc 0
umount /mnt/snap

say "in incremental state"
expect_ok dattoctl trans-inc 0
expect_errno EINVAL dattoctl trans-inc 0
expect_device 0 2 0
say "a next COW file that cannot be"
mkdir $MNT/dir
expect_errno EISDIR dattoctl trans-snap $MNT/dir 0
expect_errno ENOENT dattoctl trans-snap $MNT/none/cow 0
expect_errno EINVAL dattoctl trans-snap /tmp/cow1 0
expect_no_file /tmp/cow1
expect_errno ENOSPC dattoctl trans-snap $MNT/cow1 0 600
expect_no_file $MNT/cow1
expect_device 0 2 0
[ ! -e /dev/datto0 ] || fail "a node in incremental state"
seqid=$(info 0 seqid)
expect_eq "seqid" 1 "$seqid"
say "the COW file in use as the next one"
expect_fails dattoctl trans-snap $MNT/cow0 0
expect_device 0 2 0

say "the series goes on after all that"
random_file $MNT/data 3
expect_ok dattoctl trans-snap $MNT/cow1 0
expect_device 0 3 0
cowmap check $MNT/cow0 "$(dev_bytes $DISK1)"
expect_ok dattoctl destroy 0
expect_no_file $MNT/cow1
[ -e $MNT/cow0 ] || fail "destroy removed a COW file that was handed over"
expect_untouched
unload_module
