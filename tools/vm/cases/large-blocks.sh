# An XFS with blocks larger than a page, which kernels mount from 6.12 on: refused, and nothing is changed. A name of a kernel that ends
# in 2 is one of these.
# fs: xfs
# mkfs: -b size=16384
# kernels: *2

random_file $MNT/data 16
sync
free_before=$(stat -f -c %f $MNT)
expect_eq "block size" 16384 "$(stat -f -c %S $MNT)"
expect_errno EOPNOTSUPP dattoctl setup $DISK1 $MNT/cow 0 64
dmesg | grep "$DISK1 cannot be tracked: .*blocks" || fail "the kernel log does not say why"
expect_no_file $MNT/cow
expect_no_device 0
expect_untouched
expect_eq "free blocks" "$free_before" "$(stat -f -c %f $MNT)"
records verify $MNT/data
