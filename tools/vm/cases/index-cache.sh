# The index of a snapshot is larger than the memory it may use: pages of it go to the COW file and come
# back, and nothing that the snapshot shows changes.
# disks: 1G
# fs: ext4 xfs
# timeout: 240
# slow: yes

random_file $MNT/data 16
fallocate -l 500M $MNT/wide
sync
# 64 KiB: 16 pages of the index, of the 500 MiB / 2 MiB = 250 that the writes below need
expect_ok dattoctl setup $DISK1 $MNT/cow 0 128 65536
expect_eq "cache size" 65536 "$(info 0 cache_size)"
blkcmp extents $MNT/cow >/tmp/cow.runs
hash_dev /dev/datto0 /tmp/before
for seed in 1 2; do
	background records write -m direct -b 8 -n 1200 -r $seed $MNT/wide 500
	records write -b 64 -n 300 -r $seed $MNT/data 16
	hash_dev /dev/datto0 /tmp/during
	expect_same -x /tmp/cow.runs /tmp/before /tmp/during
	done_background
done
sync
drop_caches
hash_dev /dev/datto0 /tmp/after
expect_same -x /tmp/cow.runs /tmp/before /tmp/after
expect_device 0 3 0

say "more and less memory while it is used"
background records write -m direct -b 8 -n 600 -r 3 $MNT/wide 500
for size in 1048576 65536 0 65536; do
	expect_ok dattoctl reconfigure 0 $size
	sleep 1
done
done_background
expect_eq "cache size" 65536 "$(info 0 cache_size)"
hash_dev /dev/datto0 /tmp/after
expect_same -x /tmp/cow.runs /tmp/before /tmp/after

say "the map that is handed over knows all of it"
hash_dev $DISK1 /tmp/now
expect_ok dattoctl trans-inc 0
expect_ok dattoctl trans-snap $MNT/cow2 0
cowmap check $MNT/cow "$(dev_bytes $DISK1)"
cowmap runs $MNT/cow "$(dev_bytes $DISK1)" >/tmp/changed.runs
expect_same -x /tmp/changed.runs -x /tmp/cow.runs /tmp/before /tmp/now
expect_ok dattoctl destroy 0
records verify $MNT/wide
