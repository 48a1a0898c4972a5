# The COW file is too small: the origin's writes go on, the snapshot takes error -EFBIG and gives EIO.
# fs: ext4 xfs
# dmesg-allow: (I/O error|Buffer I/O error).*datto0

random_file $MNT/data 64
sync
expect_ok dattoctl setup $DISK1 $MNT/cow 0 12
expect_device 0 3 0
records write -t 6 -b 1024 -r 41 $MNT/data 64
sync
records verify $MNT/data
wait_for 10 eval '[ "$(info 0 error)" = -27 ]'
expect_device 0 3 -27
expect_eq "error in /proc" -27 "$(jq '.devices[0].error' /proc/datto-info)"

say "reads of the snapshot"
[ -b /dev/datto0 ] || fail "no node"
expect_fails dd if=/dev/datto0 of=/dev/null bs=4096 count=1 iflag=direct
{ dd if=/dev/datto0 of=/dev/null bs=4096 count=1 iflag=direct 2>&1 || true; } | grep 'Input/output error' || fail "not EIO"

expect_eq "reason" "error=-27 reason=the COW file is full" "$(dattoctl failure 0 | grep -v ^block | xargs)"

say "commands on a failed device"
expect_errno EINVAL dattoctl trans-inc 0
expect_errno EINVAL dattoctl trans-snap $MNT/cow2 0
expect_errno EINVAL dattoctl reconfigure 0 0
expect_errno EINVAL dattoctl expand 8 0
expect_errno EINVAL dattoctl auto-expand 8 8 0
expect_no_file $MNT/cow2
expect_device 0 3 -27
exec 9</dev/datto0
expect_errno EBUSY dattoctl destroy 0
exec 9<&-

say "the origin goes on"
records write -t 3 -m direct -r 42 $MNT/data 64
records verify $MNT/data
expect_ok dattoctl destroy 0
expect_no_file $MNT/cow
expect_no_device 0

say "and a new series can begin"
expect_ok dattoctl setup $DISK1 $MNT/cow 0 64
expect_device 0 3 0
expect_eq "seqid" 1 "$(info 0 seqid)"
expect_ok dattoctl destroy 0
