# What the file system of an unmounted device stands on is written to past the driver, here through a second loop device: no map
# has that, so a device that is taken up again by the next mount says that it is lost. What is only looked at, or written through
# the device itself, is no such thing.
# disks: 512M
# fs: ext4 xfs
# slow: yes
# start: module
# timeout: 260
# dmesg-allow: I/O error.*datto0

. /share/guest/stress.sh
# What is below need not be of the kind that this run is about.
FS=ext4 make_fs $DISK1
FS=ext4 mount_fs $DISK1 /mnt/host
truncate -s 320M /mnt/host/image

flags() { dd if=$loop bs=4096 skip=$header count=1 iflag=direct status=none | od -An -tu4 -j76 -N4; }
sealed() { [ $(($(flags) & 1)) = 1 ]; }
rest() {
	sync
	umount $MNT
	wait_for 20 sealed
}

# past COMMAND...: runs it with a second loop device on the same file, as $other. What is cached of the first one is stale then.
past() {
	other=$(losetup -f --show /mnt/host/image)
	"$@"
	sync
	blockdev --flushbufs $other
	losetup -d $other
	blockdev --flushbufs $loop
}
look() {
	mount_snapshot $other /mnt/b
	records verify /mnt/b/data
	umount /mnt/b
}
write() {
	mount_fs $other /mnt/b
	records write -m direct -n 40 -b 64 -r 2 /mnt/b/data 32
	random_file /mnt/b/new 8
	umount /mnt/b
}
label() {
	case $FS in
	ext4) tune2fs -L seen $loop ;;
	xfs) xfs_admin -L seen $loop ;;
	esac
}

for mode in snapshot incremental; do
	say $mode
	state=$([ $mode = snapshot ] && echo 3 || echo 2)
	loop=$(losetup -f --show /mnt/host/image)
	make_fs_4k $loop
	mount_fs $loop $MNT
	random_file $MNT/data 32
	sync
	expect_ok dattoctl setup $loop $MNT/cow 0 64
	[ $mode = snapshot ] || expect_ok dattoctl trans-inc 0
	read -r header _ < <(blkcmp extents $MNT/cow)
	records write -n 20 -b 64 -r 1 $MNT/data 32

	rest
	past look
	mount_fs $loop $MNT
	expect_device 0 $state 0
	rest
	label
	wait_for 20 sealed
	mount_fs $loop $MNT
	expect_device 0 $state 0

	rest
	# Until what was on its way as it was sealed has surely ended.
	sleep 34
	past write
	sealed || fail "the header is not what it was"
	dmesg -C
	mount_fs $loop $MNT
	error=$(info 0 error)
	echo "state and error: $(dattoctl info 0 state error)"
	[ "$error" != 0 ] || fail "what was written past it is in no map, and it goes on"
	dmesg | grep "datto0: .*: $error$" || fail "the kernel log does not say so"
	records verify $MNT/data
	records verify $MNT/new
	expect_ok dattoctl destroy 0
	umount $MNT
	check_fs $loop
	losetup -d $loop
done
umount /mnt/host
