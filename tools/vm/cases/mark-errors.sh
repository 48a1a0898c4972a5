# Writes of the COW file's header that fail, or seem to: what it says on disk is put right as soon as it can be, and no crash finds
# a log or a map that lacks something.
# fs: ext4 xfs
# slow: ext4
# disks: 192M
# start: none
# timeout: 300
# dmesg-allow: nbd0.*(shutting down|[Rr]eceive control failed)|I/O error, dev nbd0.*WRITE

. /share/guest/stress.sh
DISK=/dev/nbd0 FAULTS=/tmp/faults
bytes=$(dev_bytes $DISK1)

# Flags of the header on disk.
sealed() { [ $(($(flags) & 1)) = 1 ]; }
flags() { dd if=$DISK bs=4096 skip=$header count=1 iflag=direct status=none | od -An -tu4 -j76 -N4; }

begin() {
	make_fs_4k $DISK
	mount_fs $DISK $MNT
	random_file $MNT/data 64
	sync
	expect_ok dattoctl setup $DISK $MNT/cow1 0 32
	hash_dev /dev/datto0 /tmp/before
	expect_ok dattoctl trans-inc 0
	blkcmp extents $MNT/cow1 >/tmp/own
	read -r header _ </tmp/own
}

modprobe nbd nbds_max=1
powerdisk serve $DISK "$bytes" /tmp/writes $FAULTS &
server=$!
wait_for 20 [ -e /sys/block/nbd0/pid ]
load_module intent_idle_seconds=1

say "a seal that seems to fail"
begin
records write -m direct -n 20 -b 64 -r 1 $MNT/data 64
echo "land $header 1" >$FAULTS
umount $MNT
wait_for 20 [ ! -e $FAULTS ]
wait_for 20 sealed
sleep 2
expect_eq "error" 0 "$(info 0 error)"
unload_module
load_module intent_idle_seconds=1
expect_ok dattoctl reload-inc $DISK /cow1 0
mount_fs $DISK $MNT
expect_device 0 2 0
expect_ok dattoctl trans-snap $MNT/cow2 0 32
blkcmp extents $MNT/cow2 >>/tmp/own
cowmap check $MNT/cow1 "$bytes"
cowmap runs $MNT/cow1 "$bytes" >/tmp/changed
hash_dev /dev/datto0 /tmp/after
expect_same -x /tmp/changed -x /tmp/own /tmp/before /tmp/after
expect_differ -x /tmp/own /tmp/before /tmp/after
expect_ok dattoctl destroy 0
umount $MNT

tracking_lost() { [ "$(info 0 error)" = -5 ]; }
lose_log() {
	begin
	sync
	sleep 3
	sed 's/^/refuse /' /tmp/own >$FAULTS
	records write -m direct -n 40 -b 64 -r 2 $MNT/data 64
	wait_for 20 tracking_lost
}
not_logged() { [ $(($(flags) & 4)) = 0 ]; }

say "a log that fails, a header that cannot say so, and an unmount before it can"
lose_log
umount $MNT
rm $FAULTS
mount_fs $DISK $MNT
log_much $MNT
wait_for 20 not_logged
expect_ok dattoctl destroy 0
umount $MNT

say "a log that fails, and a header that cannot say so yet"
lose_log
rm $FAULTS
wait_for 20 not_logged
records write -m direct -n 40 -b 64 -r 3 $MNT/data 64
say "the power is cut"
dd if=$DISK of=$DISK1 bs=1M iflag=direct status=none
expect_ok dattoctl destroy 0
umount $MNT
unload_module
kill $server
wait $server
wait_for 20 [ ! -e /sys/block/nbd0/pid ]
modprobe -r nbd
load_module
expect_ok dattoctl reload-inc $DISK1 /cow1 0
mount_fs $DISK1 $MNT
dattoctl failure 0 | grep "taken up" || fail "changes that were not logged are in no map"
expect_ok dattoctl destroy 0
