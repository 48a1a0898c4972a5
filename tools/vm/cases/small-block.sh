# A file system whose blocks are smaller than the driver's.
# mkfs: -b 1024

bytes=$(dev_bytes $DISK1)
random_file $MNT/data 24
for i in $(seq 300); do head -c $((i * 17)) /dev/urandom >$MNT/s$i; done
sync
sums=$(cd $MNT && md5sum data s*)
expect_ok dattoctl setup $DISK1 $MNT/cow1 0 100
# Runs of 4 KiB blocks, so those that the COW file shares with others are left out as well.
blkcmp extents $MNT/cow1 >/tmp/own.runs
hash_dev /dev/datto0 /tmp/hash1
records write -b 16 -t 4 $MNT/data 24
for i in $(seq 300); do head -c $((i * 13)) /dev/urandom >$MNT/s$i; done
sync
hash_dev /dev/datto0 /tmp/after
expect_same -x /tmp/own.runs /tmp/hash1 /tmp/after
mount_snapshot /dev/datto0 /mnt/snap
expect_eq "checksums" "$sums" "$(cd /mnt/snap && md5sum data s*)"
umount /mnt/snap
expect_reason EOPNOTSUPP "the file system has blocks of 1024 bytes: a COW file grows only where they have 4096" expand 8 0
expect_device 0 3 0
expect_ok dattoctl trans-inc 0
for i in $(seq 100); do head -c $((i * 11)) /dev/urandom >$MNT/s$i; done
expect_ok dattoctl trans-snap $MNT/cow2 0
blkcmp extents $MNT/cow2 >>/tmp/own.runs
hash_dev /dev/datto0 /tmp/hash2
cowmap check $MNT/cow1 $bytes
cowmap runs $MNT/cow1 $bytes >/tmp/changed.runs
expect_same -x /tmp/changed.runs -x /tmp/own.runs /tmp/hash1 /tmp/hash2
expect_ok dattoctl destroy 0
