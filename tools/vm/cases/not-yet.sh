# What the driver does not do yet says so with EOPNOTSUPP, after the checks that it can already make.

say "expand, auto-expand"
expect_ok dattoctl setup $DISK1 $MNT/cow 0 32
expect_errno EOPNOTSUPP dattoctl expand 8 0
expect_errno EOPNOTSUPP dattoctl auto-expand 8 16 0
expect_errno ENOENT dattoctl expand 8 1
expect_errno ENOENT dattoctl auto-expand 8 16 1
expect_eq "size" $((32 << 20)) "$(info 0 falloc_size)"
expect_device 0 3 0
say "expand, auto-expand in a state that they are not for"
expect_ok dattoctl trans-inc 0
expect_errno EINVAL dattoctl expand 8 0
expect_errno EINVAL dattoctl auto-expand 8 16 0
expect_ok dattoctl destroy 0
expect_untouched
