# The COW file of a snapshot is made larger by hand, under load and with all errors: the room is used, the
# snapshot stays what it was, and a failed call changes nothing.
# fs: ext4 xfs
# disks: 512M
# timeout: 400

random_file $MNT/data 60
for i in $(seq 50); do head -c 20000 /dev/urandom >$MNT/small$i; done
sync
expect_ok dattoctl setup $DISK1 $MNT/cow 0 24
blkcmp extents $MNT/cow >/tmp/first.runs
hash_dev /dev/datto0 /tmp/before

say "refused"
expect_reason EINVAL "the COW file is to grow by nothing" expand 0 0
expect_errno EFBIG dattoctl expand 18446744073709551615 0
expect_errno ENOSPC dattoctl expand 100000 0
{ dattoctl -r expand 100000 0 || true; } | grep -q 'bytes are free, 104857600000 are to be added' || fail "no reason"
fsfreeze -f $MNT
expect_reason EBUSY "its file system is frozen" expand 8 0
fsfreeze -u $MNT
expect_eq "size" $((24 << 20)) "$(info 0 falloc_size)"
expect_eq "size of the file" $((24 << 20)) "$(stat -c %s $MNT/cow)"

say "more and more, while the origin is overwritten"
background records write -m direct -t 400 -b 256 -p 40 -r 21 $MNT/data 60
for i in $(seq 5); do
	expect_ok dattoctl expand 16 0
	sleep 1
	hash_dev /dev/datto0 /tmp/during
	expect_eq "error" 0 "$(info 0 error)"
	blkcmp extents $MNT/cow >/tmp/cow.runs
	expect_same -x /tmp/cow.runs /tmp/before /tmp/during
done
end_background
rm $MNT/small*
records write -n 700 -m direct -r 22 -b 512 $MNT/data 60
sync
expect_device 0 3 0
expect_eq "size" $((104 << 20)) "$(info 0 falloc_size)"
expect_eq "size in /proc" $((104 << 20)) "$(proc_field 0 cow_size_current)"
expect_eq "size asked for" $((24 << 20)) "$(proc_field 0 fallocate)"
changed=$(info 0 nr_changed_blocks)
echo "changed blocks: $changed"
[ $((changed * 4096)) -gt $((30 << 20)) ] || fail "the room that was added was not needed"
hash_dev /dev/datto0 /tmp/after
expect_same -x /tmp/cow.runs /tmp/before /tmp/after
mount_snapshot /dev/datto0 /mnt/snap
records verify /mnt/snap/data
ls /mnt/snap/small50
umount /mnt/snap
expect_fails rm $MNT/cow

say "unmounted and mounted again, the file is found where it is"
umount $MNT
expect_eq "state" 1 "$(info 0 state)"
mount_fs $DISK1 $MNT
expect_device 0 3 0
expect_ok dattoctl expand 4 0
hash_dev /dev/datto0 /tmp/after
blkcmp extents $MNT/cow >/tmp/cow.runs
expect_same -x /tmp/cow.runs /tmp/before /tmp/after

say "to incremental and on"
expect_ok dattoctl trans-inc 0
expect_errno EINVAL dattoctl expand 8 0
expect_ok dattoctl trans-snap $MNT/cow2 0 60
cowmap check $MNT/cow "$(dev_bytes $DISK1)"
rm $MNT/cow
expect_ok dattoctl expand 8 0
expect_eq "size" $((68 << 20)) "$(info 0 falloc_size)"
expect_ok dattoctl destroy 0
expect_no_file $MNT/cow2

say "of the default size, which is no whole number of blocks by itself"
expect_ok dattoctl setup $DISK1 $MNT/cow 0
expect_eq "size" $((51 << 20)) "$(info 0 falloc_size)"
expect_ok dattoctl expand 1 0
expect_eq "size" $((52 << 20)) "$(info 0 falloc_size)"
expect_ok dattoctl destroy 0
records verify $MNT/data
