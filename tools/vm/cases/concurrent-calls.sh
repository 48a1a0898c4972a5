# Many callers at once: one setup of a device wins, the list can be read all the time, and holding it
# open holds nothing.
# disks: 512M 256M

make_fs $DISK2
mount_fs $DISK2 /mnt/b
say "an open list holds nothing"
exec 8</proc/datto-info
head -c 5 <&8 >/dev/null
expect_ok dattoctl setup $DISK1 $MNT/cow 0
expect_ok dattoctl trans-inc 0
expect_ok dattoctl destroy 0
exec 8<&-

say "setups of one device by eight callers"
for i in $(seq 8); do
	(dattoctl setup $DISK1 $MNT/cow$i $i >/tmp/result$i || true) &
done
wait
expect_eq "winners" 1 "$(cat /tmp/result* | grep -c OK)"
expect_eq "others" 7 "$(cat /tmp/result* | grep -c EINVAL)"
expect_eq "devices" 1 "$(jq '.devices | length' /proc/datto-info)"
expect_eq "COW files" 1 "$(ls $MNT | grep -c cow)"
winner=$(jq '.devices[0].minor' /proc/datto-info)
say "its destroy by eight callers"
for i in $(seq 8); do
	(dattoctl destroy "$winner" >/tmp/result$i || true) &
done
wait
expect_eq "winners" 1 "$(cat /tmp/result* | grep -c OK)"
expect_eq "others" 7 "$(cat /tmp/result* | grep -c ENOENT)"
expect_untouched

say "two devices on one minor, readers all the time"
(while true; do
	jq -e .version /proc/datto-info >/dev/null || echo invalid >/tmp/invalid
	dattoctl info 0 >/dev/null || true
done) &
readers=$!
for i in $(seq 12); do
	(dattoctl setup $DISK1 $MNT/cow 0 32 >/tmp/result1 || true) &
	one=$!
	(dattoctl setup $DISK2 /mnt/b/cow 0 32 >/tmp/result2 || true) &
	wait $one $!
	expect_eq "results" "EBUSY OK" "$(sort /tmp/result1 /tmp/result2 | xargs)"
	expect_ok dattoctl destroy 0
	expect_no_file $MNT/cow
	expect_no_file /mnt/b/cow
done
kill $readers
[ ! -e /tmp/invalid ] || fail "/proc/datto-info was not JSON at some moment"
umount /mnt/b
expect_untouched
