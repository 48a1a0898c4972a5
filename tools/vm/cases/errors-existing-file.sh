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

# It makes room for the new one, of which the file system has not enough without it.
rm $MNT/precious
fallocate -l 330M $MNT/precious
[ $(stat -f -c %a $MNT) -lt $((340 * 256)) ] || fail "there is room without it"
expect_ok dattoctl setup $DISK1 $MNT/precious 0 350
expect_eq "size" $((350 << 20)) $(stat -c %s $MNT/precious)
expect_ok dattoctl destroy 0
expect_no_file $MNT/precious
# A second name keeps what the file holds.
random_file $MNT/precious 2
sum=$(md5sum <$MNT/precious)
ln $MNT/precious $MNT/kept
expect_ok dattoctl setup $DISK1 $MNT/precious 0 40
expect_eq "content" "$sum" "$(md5sum <$MNT/kept)"
expect_ok dattoctl destroy 0
expect_eq "content" "$sum" "$(md5sum <$MNT/kept)"
