# A refused setup does not harm a file that was there under the COW file's name.

random_file $MNT/precious 2
sum=$(md5sum <$MNT/precious)
expect_errno ENOSPC dattoctl setup $DISK1 $MNT/precious 0 600
expect_eq "content" "$sum" "$(md5sum <$MNT/precious)"
expect_eq "mode" 644 "$(stat -c %a $MNT/precious)"
expect_errno EINVAL dattoctl setup /tmp $MNT/precious 24
expect_eq "content" "$sum" "$(md5sum <$MNT/precious)"
random_file /tmp/elsewhere 2
sum=$(md5sum </tmp/elsewhere)
expect_errno EINVAL dattoctl setup $DISK1 /tmp/elsewhere 0
expect_eq "content" "$sum" "$(md5sum </tmp/elsewhere)"
expect_untouched
