# A write to an unmounted device whose COW file's header cannot say any more that it is in use: the device fails, and the header
# says so as soon as it can be written, however long that takes. Else a map that lacks that write is believed after a power cut.
# disks: 512M
# start: module
# timeout: 240
# dmesg-allow: (I/O error|Buffer I/O error).*dm-0

size=$(blockdev --getsz $DISK1)
device=/dev/mapper/below
good="0 $size linear $DISK1 0"
echo "$good" | dm_create below
make_fs $device -b 4096
mount_fs $device $MNT
random_file $MNT/data 16
sync

# table LINES: what the device is from now on.
table() {
	dmsetup suspend --nolockfs below
	echo "$1" | dmsetup load below
	dmsetup resume below
}
# From below: no error there.
flags() { dd if=$DISK1 bs=4096 skip=$header count=1 iflag=direct status=none | od -An -tu4 -j76 -N4; }
sealed() { [ $(($(flags) & 1)) = 1 ]; }
not_sealed() { [ $(($(flags) & 1)) = 0 ]; }
failed() { [ "$(info 0 error)" = -5 ]; }

for mode in snapshot incremental; do
	say $mode
	expect_ok dattoctl setup $device $MNT/cow 0 64
	[ $mode = snapshot ] || expect_ok dattoctl trans-inc 0
	read -r header _ < <(blkcmp extents $MNT/cow)
	read -r data _ < <(blkcmp extents $MNT/data)
	sync
	umount $MNT
	wait_for 20 sealed
	table "0 $((header * 8)) linear $DISK1 0
$((header * 8)) 8 error
$((header * 8 + 8)) $((size - header * 8 - 8)) linear $DISK1 $((header * 8 + 8))"
	dd if=/dev/urandom of=$device bs=4096 seek=$data count=1 oflag=direct conv=notrunc status=none
	wait_for 20 failed
	sleep 5
	sealed || fail "the error was none"
	table "$good"
	echo "flags: $(flags)"
	(wait_for 40 not_sealed) || fail "what lacks a write is still sealed: flags $(flags)"
	echo "flags: $(flags)"
	expect_ok dattoctl destroy 0
	mount_fs $device $MNT
	rm -f $MNT/cow
done
umount $MNT
check_fs $device
