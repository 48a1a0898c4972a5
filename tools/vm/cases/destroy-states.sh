# Destroy in each state: active, incremental, failed, while the snapshot is busy, and while the origin
# does not answer. Each time nothing is left, and writers never notice.
# disks: 128M
# fs: ext4 xfs
# start: module
# dmesg-allow: (I/O error|Buffer I/O error).*datto0
# timeout: 240

size=$(blockdev --getsz $DISK1)
echo "0 $size linear $DISK1 0" | dm_create origin
origin=/dev/mapper/origin
make_fs $origin
mount_fs $origin $MNT
random_file $MNT/data 32
sync
records write -t 600 -b 64 -p 20 -r 1 $MNT/data 32 >/dev/null &
writer=$!

gone() {
	expect_no_file $MNT/cow
	expect_untouched
	kill -0 $writer || fail "the writer was disturbed"
}

say "active snapshot"
expect_ok dattoctl setup $origin $MNT/cow 0 40
sleep 1
expect_ok dattoctl destroy 0
gone

say "busy: mounted, open, below another device"
expect_ok dattoctl setup $origin $MNT/cow 0 40
mount_snapshot /dev/datto0 /mnt/snap
expect_errno EBUSY dattoctl destroy 0
umount /mnt/snap
exec 9</dev/datto0
expect_errno EBUSY dattoctl destroy 0
exec 9<&-
echo "0 $size linear /dev/datto0 0" | dm_create above -r
expect_errno EBUSY dattoctl destroy 0
dmsetup remove above
expect_device 0 3 0
wait_for 5 dattoctl destroy 0
gone

say "incremental"
expect_ok dattoctl setup $origin $MNT/cow 0 40
expect_ok dattoctl trans-inc 0
sleep 1
expect_ok dattoctl destroy 0
gone

say "failed: the COW file is full; also while the failed snapshot is open"
expect_ok dattoctl setup $origin $MNT/cow 0 4
records write -m direct -n 40 -b 512 -r 2 $MNT/more 16
wait_for 30 eval '[ "$(info 0 error)" = -27 ]'
exec 9</dev/datto0
expect_errno EBUSY dattoctl destroy 0
exec 9<&-
expect_device 0 3 -27
expect_ok dattoctl destroy 0
gone

say "the origin does not answer: destroy waits, and nobody else does"
expect_ok dattoctl setup $origin $MNT/cow 0 40
dmsetup suspend --nolockfs origin
sleep 1
dattoctl destroy 0 >/tmp/destroyed &
destroyer=$!
sleep 1
jq -e '.devices' /proc/datto-info >/dev/null
dattoctl free >/dev/null
kill -0 $destroyer 2>/dev/null || echo "destroy needed nothing of the origin"
dmsetup resume origin
wait $destroyer
expect_eq "destroy" OK "$(cat /tmp/destroyed)"
gone

kill $writer
wait $writer || true
records verify $MNT/data
umount $MNT
check_fs $origin
