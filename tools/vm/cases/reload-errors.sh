# What cannot be taken up again: the call or, where only the mount can tell, the device says so, stays
# listed, and touches nothing.
# fs: ext4 xfs
# disks: 320M 320M
# timeout: 300
# slow: xfs

# refused MODE COW ERROR: reloaded, and mounted; the state stays unverified.
refused() {
	local mode=$1 cow=$2 error=$3 state=4
	[ $mode = inc ] || state=5
	expect_ok dattoctl reload-$mode $DISK1 $cow 0
	expect_device 0 $state 0
	mount_fs $DISK1 $MNT
	expect_device 0 $state $error
	expect_eq "cow" $cow "$(info 0 cow)"
	records verify $MNT/data
	expect_errno EINVAL dattoctl trans-snap $MNT/next 0
	expect_no_file $MNT/next
	umount $MNT
	expect_ok dattoctl destroy 0
	expect_untouched
}

# leave MODE: a device of this mode, sealed in /cow, with the module unloaded and loaded again.
leave() {
	mount_fs $DISK1 $MNT
	rm -f $MNT/cow
	expect_ok dattoctl setup $DISK1 $MNT/cow 0 64
	[ $1 = snap ] || expect_ok dattoctl trans-inc 0
	records write -n 20 $MNT/data 4
	blkcmp extents $MNT/cow >/tmp/cow.runs
	umount $MNT
	unload_module
	load_module
}

# What is as it was left goes on.
taken_up() {
	leave inc
	expect_ok dattoctl reload-inc $DISK1 /cow 0
	mount_fs $DISK1 $MNT
	expect_device 0 2 0
	expect_ok dattoctl destroy 0
	umount $MNT
}

# damage BLOCK: of the device, while nobody looks.
damage() { dd if=/dev/urandom of=$DISK1 bs=4096 seek=$1 count=1 oflag=direct conv=notrunc 2>/dev/null; }

random_file $MNT/data 4
mkdir $MNT/dir
random_file $MNT/dir/other 8
say "calls that fail at once"
expect_errno EINVAL dattoctl reload-inc $DISK1 /cow 0
expect_errno EINVAL dattoctl reload-snap $DISK1 /cow 0
expect_errno ENOENT dattoctl reload-inc /dev/none /cow 0
expect_errno ENOTBLK dattoctl reload-inc $MNT/data /cow 0
umount $MNT
expect_ok dattoctl reload-inc $DISK1 /cow 0
expect_errno EBUSY dattoctl reload-inc $DISK2 /cow 0
expect_errno EINVAL dattoctl reload-inc $DISK1 /cow 1
mount_fs $DISK1 $MNT
expect_device 0 4 -2
expect_errno EINVAL dattoctl setup $DISK1 $MNT/cow 1 32
umount $MNT
expect_ok dattoctl destroy 0

say "no such file, no such directory, a directory, not a COW file"
refused inc /cow -2
refused snap /none/cow -2
refused inc /dir -22
refused inc /dir/other -22
refused snap /data -22

say "of the other mode"
leave snap
refused inc /cow -22
leave inc
refused snap /cow -22

say "handed over already"
mount_fs $DISK1 $MNT
rm -f $MNT/cow
expect_ok dattoctl setup $DISK1 $MNT/cow 0 64
expect_ok dattoctl trans-inc 0
expect_ok dattoctl trans-snap $MNT/cow2 0 32
expect_ok dattoctl destroy 0
umount $MNT
refused inc /cow -22

say "in use when the machine stopped"
leave inc
expect_ok dattoctl reload-inc $DISK1 /cow 0
mount_fs $DISK1 $MNT
expect_device 0 2 0
# What a power cut would leave in the header.
header=$(head -1 /tmp/cow.runs | cut -d' ' -f1)
dd if=$DISK1 of=/tmp/cut bs=4096 skip=$header count=1 iflag=direct 2>/dev/null
umount $MNT
expect_ok dattoctl destroy 0
dd if=/tmp/cut of=$DISK1 bs=4096 seek=$header oflag=direct conv=notrunc 2>/dev/null
refused inc /cow -22

say "the file system was used meanwhile without the driver"
leave inc
unload_module
mount_fs $DISK1 $MNT
touch $MNT/unseen
umount $MNT
load_module
refused inc /cow -22

say "the file system was repaired meanwhile without the driver"
repaired() {
	leave inc
	unload_module
	repair_fs $DISK1
	load_module
	refused inc /cow -22
}
repaired

say "a damaged header, a damaged map: the last block of an incremental file"
leave inc
damage $(head -1 /tmp/cow.runs | cut -d' ' -f1)
refused inc /cow -22
leave inc
damage $(tail -1 /tmp/cow.runs | awk '{ print $1 + $2 - 1 }')
refused inc /cow -22

say "and a file that is as it was left is taken up"
taken_up
[ $FS = xfs ] || exit 0

say "a repair that leaves the first block as it is: with these sectors the headers of the groups lie behind it"
make_fs $DISK1 -s size=4096
mount_fs $DISK1 $MNT
random_file $MNT/data 4
umount $MNT
repaired
taken_up

say "no checksums, so a repair could not be told"
make_fs $DISK1 -m crc=0
if mount_fs $DISK1 $MNT; then
	random_file $MNT/data 4
	umount $MNT
	leave inc
	refused inc /cow -22
else
	echo "this kernel has no such XFS"
fi
