# The COW file grows by itself while the file system is synced, and with it far more data than there was room for:
# neither waits for the other, and the snapshot lives.
# fs: ext4 xfs
# disks: 1G
# timeout: 300
# slow: ext4

# The disk is slow enough for a sync to be under way when the room ends.
umount $MNT
size=$(blockdev --getsz $DISK1)
echo "0 $size delay $DISK1 0 0 $DISK1 0 20" | dm_create slow
if [ $FS = ext4 ]; then make_fs /dev/mapper/slow -E lazy_itable_init=0; else make_fs /dev/mapper/slow; fi
mount_fs /dev/mapper/slow $MNT
echo 90 >/proc/sys/vm/dirty_ratio
echo 80 >/proc/sys/vm/dirty_background_ratio
echo 60000 >/proc/sys/vm/dirty_expire_centisecs
random_file $MNT/data 200
sync
expect_ok dattoctl setup /dev/mapper/slow $MNT/cow 0 48
hash_dev /dev/datto0 /tmp/before
expect_ok dattoctl auto-expand 32 60 0
expect_eq "changed blocks" 1 "$(($(info 0 nr_changed_blocks) < 1000))"
for part in 0 1 2 3; do
	dd if=/dev/urandom of=$MNT/data bs=1M count=50 seek=$((part * 50)) conv=notrunc status=none
done
expect_eq "hardly anything is written yet" 1 "$(($(info 0 nr_changed_blocks) < 5000))"
begin=$SECONDS
sync
echo "synced in $((SECONDS - begin)) s, size $(info 0 falloc_size), changed blocks $(info 0 nr_changed_blocks)"
expect_device 0 3 0
[ "$(info 0 falloc_size)" -ge $((200 << 20)) ] || fail "it did not grow"
blkcmp extents $MNT/cow >/tmp/cow.runs
hash_dev /dev/datto0 /tmp/after
expect_same -x /tmp/cow.runs /tmp/before /tmp/after
expect_ok dattoctl destroy 0
umount $MNT
check_fs /dev/mapper/slow
