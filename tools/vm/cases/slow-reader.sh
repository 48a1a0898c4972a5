# Somebody's read of the same disk takes very long while a snapshot is to be taken: the file system does not stay
# frozen for that. The call is refused, and leaves everything as it was.
# disks: 512M
# start: module
# slow: yes
# timeout: 300

size=$(blockdev --getsz $DISK1)
end=$((size - 2048)) # of its file system
linear="0 $size linear $DISK1 0"
echo "$linear" | dm_create below
loop=$(losetup -f --show --direct-io=on /dev/mapper/below)
mkfs.ext4 -q -F -b 4096 -E lazy_itable_init=0 $loop $((end / 8))
mount_fs $loop $MNT
random_file $MNT/data 20
sync

# table LINES: what the disk is from now on.
table() {
	dmsetup suspend below
	echo "$1" | dmsetup load below
	dmsetup resume below
}

read_slowly() {
	dd if=$loop of=/dev/null bs=4096 skip=$((end / 8 + 10)) count=1 iflag=direct status=none
}

# refused COMMAND...: because of that read. Nobody waits for it any more.
refused() {
	local begin got
	table "0 $end linear $DISK1 0
$end 2048 delay $DISK1 $end 25000 $DISK1 $end 0"
	background read_slowly
	sleep 1
	begin=$SECONDS
	got=$(dattoctl -r "$@" || true)
	echo "$*:" $got
	[[ $got = ETIMEDOUT*'has not ended in time'* ]] || fail "not refused: $got"
	[ $((SECONDS - begin)) -lt 20 ] || fail "took $((SECONDS - begin)) s"
	random_file $MNT/more 1
	sync -f $MNT
	[ $((SECONDS - begin)) -lt 22 ] || fail "its file system was frozen for $((SECONDS - begin)) s"
	done_background
	table "$linear"
}

say "setup"
refused setup $loop $MNT/cow 0 60
expect_no_file $MNT/cow
expect_untouched

say "transition"
bytes=$(dev_bytes $loop)
expect_ok dattoctl setup $loop $MNT/cow 0 60
blkcmp extents $MNT/cow >/tmp/own1
hash_dev /dev/datto0 /tmp/first
expect_ok dattoctl trans-inc 0
random_file $MNT/data 10
sync
# What the file that is given up again has for a moment may hold old blocks, as with any COW file.
: >/tmp/own3
(
	until [ -e $MNT/cow2 ]; do :; done
	while blkcmp extents $MNT/cow2 >/tmp/own3.new 2>/dev/null; do
		mv /tmp/own3.new /tmp/own3
		sleep 0.2
	done
) &
watcher=$!
refused trans-snap $MNT/cow2 0
wait $watcher
[ -s /tmp/own3 ] || fail "there was no file"
expect_no_file $MNT/cow2
expect_device 0 2 0
random_file $MNT/data2 10
sync
expect_ok dattoctl trans-snap $MNT/cow2 0
expect_device 0 3 0
blkcmp extents $MNT/cow2 >/tmp/own2
hash_dev /dev/datto0 /tmp/second
cowmap check $MNT/cow $bytes
cowmap runs $MNT/cow $bytes >/tmp/changed
expect_same -x /tmp/changed -x /tmp/own1 -x /tmp/own2 -x /tmp/own3 /tmp/first /tmp/second
expect_ok dattoctl destroy 0
umount $MNT
losetup -d $loop
