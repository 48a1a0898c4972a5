# The COW file grows by itself, ahead of need, as long as the space to be kept free is there.
# fs: ext4 xfs
# disks: 512M
# timeout: 400

random_file $MNT/data 80
sync
expect_ok dattoctl setup $DISK1 $MNT/cow 0 16
hash_dev /dev/datto0 /tmp/before
expect_eq "auto_expand" 0 "$(proc_field 0 auto_expand)"
expect_errno EFBIG dattoctl auto-expand 18446744073709551615 0 0
expect_ok dattoctl auto-expand 16 120 0
expect_eq "auto_expand" "$(printf '\t\t\t"auto_expand": {\n\t\t\t\t"step_size_mib": 16,\n\t\t\t\t"reserved_space_mib": 120\n\t\t\t},')" \
	"$(grep -A3 auto_expand /proc/datto-info)"
expect_ok dattoctl auto-expand 0 0 0
expect_eq "auto_expand" 0 "$(proc_field 0 auto_expand)"
expect_ok dattoctl auto-expand 16 120 0

say "all of the data is overwritten, as fast as it goes"
records write -n 1000 -m direct -b 1024 -r 31 $MNT/data 80
sync
blkcmp extents $MNT/cow >/tmp/cow.runs
echo "size $(info 0 falloc_size), changed blocks $(info 0 nr_changed_blocks)"
expect_device 0 3 0
[ "$(info 0 falloc_size)" -ge $((80 << 20)) ] || fail "it did not grow"
hash_dev /dev/datto0 /tmp/after
expect_same -x /tmp/cow.runs /tmp/before /tmp/after
mount_snapshot /dev/datto0 /mnt/snap
records verify /mnt/snap/data
umount /mnt/snap

say "up to what is to stay free"
for i in 1 2 3 4 5 6 7 8; do
	records fill -r $i $MNT/more$i 30 || break
	sync
	rm $MNT/more$i
	sync
done
free=$(($(stat -f -c '%a * %S / 1048576' $MNT)))
echo "free: $free MiB, size $(info 0 falloc_size), error $(info 0 error)"
[ "$free" -ge 118 ] || fail "only $free MiB stay free"

say "the settings end with the snapshot"
expect_ok dattoctl destroy 0
expect_no_file $MNT/cow
expect_ok dattoctl setup $DISK1 $MNT/cow 0 64
expect_ok dattoctl auto-expand 16 120 0
expect_ok dattoctl trans-inc 0
expect_eq "auto_expand" 0 "$(proc_field 0 auto_expand)"
expect_errno EINVAL dattoctl auto-expand 16 120 0
expect_ok dattoctl trans-snap $MNT/cow2 0
expect_eq "auto_expand" 0 "$(proc_field 0 auto_expand)"
expect_ok dattoctl destroy 0
records verify $MNT/data
