# A device with bad sectors: the snapshot fails, with the device's own error; the origin's writes have
# the result they would have had without us.
# dmesg-allow: (I/O error|Buffer I/O error|EXT4-fs warning).*(dm-0|datto0)

size=$(blockdev --getsz $DISK1)
umount $MNT
good="0 $size linear $DISK1 0"
echo "$good" | dmsetup create --noudevsync below
[ -b /dev/mapper/below ] || dmsetup mknodes
make_fs /dev/mapper/below -b 4096
mount_fs /dev/mapper/below $MNT

# table LINES: what the device is from now on. The file system is not asked.
table() {
	dmsetup suspend --nolockfs below
	echo "$1" | dmsetup load below
	dmsetup resume below
}

# bad FILE SKIP_BLOCKS: one MiB of the file's first extent cannot be read or written any more.
bad() {
	local first a n=2048
	first=$(filefrag -v -b4096 "$1" | awk '/^ *0:/ { sub(/\.\..*/, "", $4); print $4 }')
	a=$(((first + $2) * 8))
	table "0 $a linear $DISK1 0
$a $n error
$((a + n)) $((size - a - n)) linear $DISK1 $((a + n))"
}

random_file $MNT/data 40
records write -n 200 -r 1 $MNT/data 40
sync

say "old data cannot be stored"
expect_ok dattoctl setup /dev/mapper/below $MNT/cow 0 60
bad $MNT/cow 256
records write -t 4 -b 1024 -r 2 $MNT/data 40
sync
expect_device 0 3 -5
dattoctl failure 0 | grep -qx 'reason=cannot write the COW file' || fail "reason: $(dattoctl failure 0)"
expect_fails dd if=/dev/datto0 of=/dev/null bs=4096 count=1 iflag=direct
expect_errno EINVAL dattoctl trans-inc 0
table "$good"
drop_caches
records verify $MNT/data
expect_ok dattoctl destroy 0
expect_no_file $MNT/cow

say "old data cannot be read"
expect_ok dattoctl setup /dev/mapper/below $MNT/cow 0 60
bad $MNT/data 0
expect_ok_write() { dd if=/dev/zero of=$MNT/data bs=1M seek=8 count=8 conv=notrunc oflag=direct status=none; }
expect_ok_write
expect_device 0 3 0
expect_fails dd if=/dev/zero of=$MNT/data bs=1M count=1 conv=notrunc oflag=direct status=none
expect_device 0 3 -5
dattoctl failure 0 | grep -qx 'reason=cannot read the old data' || fail "reason: $(dattoctl failure 0)"
expect_ok_write
table "$good"
expect_ok dattoctl destroy 0
expect_no_file $MNT/cow

say "a device that is suspended and resumed under load"
expect_ok dattoctl setup /dev/mapper/below $MNT/cow 0 120
blkcmp extents $MNT/cow >/tmp/cow.runs
hash_dev /dev/datto0 /tmp/before
background records write -t 8 -r 3 $MNT/more 40
for i in $(seq 20); do
	dmsetup suspend --nolockfs below
	sleep 0.1
	dmsetup resume below
	sleep 0.2
done
done_background
sync
expect_device 0 3 0
hash_dev /dev/datto0 /tmp/after
expect_same -x /tmp/cow.runs /tmp/before /tmp/after
records verify $MNT/more
expect_ok dattoctl destroy 0
umount $MNT
check_fs /dev/mapper/below
dmsetup remove below
