# After a power cut another system mounts the file system, writes next to nothing, only replays the journal, or logs much, and
# does not unmount it in order either: the reload is refused, and says why.
# fs: ext4 xfs
# slow: xfs
# disks: 320M
# boots: 5
# power: cut
# timeout: 300
# dmesg-allow: Log I/O Error|Aborting journal

begin() {
	[ $BOOT = 1 ] || load_module
	rm -f $MNT/cow*
	expect_ok dattoctl setup $DISK1 $MNT/cow$BOOT 0 32
	expect_ok dattoctl trans-inc 0
	records write -t 600 -b 64 -r $BOOT $MNT/data 16 &
	(for ((i = 0; ; i++)); do mkdir $MNT/$BOOT.$i && sync $MNT/$BOOT.$i; done) &
	sleep 5
}

# shutdown: ends all I/O at once and leaves the journal as it is
crash_mount() {
	xfs_io -x -c "shutdown ${1-}" $MNT
	umount $MNT
}

refused() {
	load_module
	expect_ok dattoctl reload-inc $DISK1 /cow$((BOOT - 1)) 0
	mount_fs $DISK1 $MNT
	[ "$(info 0 error)" != 0 ] || fail "that went unnoticed"
	dattoctl failure 0 | grep -q "taken up" || fail "no reason: $(dattoctl failure 0)"
	dmesg | grep -q "cow$((BOOT - 1)) .*mounted or repaired without the driver" || fail "the kernel log does not say why"
	expect_ok dattoctl destroy 0
	unload_module
}

case $BOOT in
2)
	say "mounted and gone within a second"
	mount_fs $DISK1 $MNT
	echo foreign >$MNT/foreign
	sync $MNT/foreign
	crash_mount
	refused
	;;
3)
	say "mounted read-only"
	mkdir -p $MNT && mount -o ro $DISK1 $MNT
	umount $MNT
	refused
	;;
4)
	say "mounted read-only, and cut off"
	mkdir -p $MNT && mount -o ro $DISK1 $MNT
	crash_mount
	refused
	;;
5)
	say "mounted, and cut off when the log has nothing of the mount any more"
	mount_fs $DISK1 $MNT
	log_much $MNT
	crash_mount
	refused
	;;
esac
[ $BOOT = 5 ] || begin
