# Almost no memory is left while old blocks are copied and changes are tracked: writers wait, but none
# fails, no change is lost, and the snapshot is exact.
# disks: 256M
# timeout: 240

random_file $MNT/data 60
sync
expect_ok dattoctl setup $DISK1 $MNT/cow 0 100
blkcmp extents $MNT/cow >/tmp/own
hash_dev /dev/datto0 /tmp/before
say "taking what there is"
hog 48 >/tmp/hogged &
hog=$!
wait_for 100 test -s /tmp/hogged
cat /tmp/hogged
grep -E 'MemFree|MemAvailable' /proc/meminfo
records write -m direct -b 1024 -n 60 -r 1 $MNT/data 60
low=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
hash_dev /dev/datto0 /tmp/during
expect_device 0 3 0
expect_same -x /tmp/own /tmp/before /tmp/during
say "in incremental mode, $low KiB free"
expect_ok dattoctl trans-inc 0
records write -m direct -b 1024 -n 40 -r 2 $MNT/data 60
kill $hog
wait $hog || true
expect_ok dattoctl trans-snap $MNT/cow2 0
blkcmp extents $MNT/cow2 >>/tmp/own
hash_dev /dev/datto0 /tmp/next
cowmap runs $MNT/cow $(dev_bytes $DISK1) >/tmp/changed
expect_same -x /tmp/changed -x /tmp/own /tmp/before /tmp/next
expect_ok dattoctl destroy 0
records verify $MNT/data
