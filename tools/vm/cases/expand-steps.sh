# The COW file grows in small steps while far more is written back than one of them has room for: in between, too, some is left
# for what the file system itself has to write, and the snapshot lives.
# fs: ext4 xfs
# disks: 512M
# timeout: 300

random_file $MNT/data 80
sync
expect_ok dattoctl setup $DISK1 $MNT/cow 0 16
hash_dev /dev/datto0 /tmp/before
expect_ok dattoctl auto-expand 2 60 0
dd if=/dev/urandom of=$MNT/data bs=1M count=80 conv=notrunc status=none
begin=$SECONDS
sync
echo "synced in $((SECONDS - begin)) s, size $(info 0 falloc_size), changed blocks $(info 0 nr_changed_blocks)"
expect_device 0 3 0
[ "$(info 0 falloc_size)" -ge $((80 << 20)) ] || fail "it did not grow"
blkcmp extents $MNT/cow >/tmp/cow.runs
hash_dev /dev/datto0 /tmp/after
expect_same -x /tmp/cow.runs /tmp/before /tmp/after
expect_ok dattoctl destroy 0
