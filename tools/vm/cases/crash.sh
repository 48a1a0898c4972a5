# The power is cut while writers are at work, in incremental and in snapshot mode: reload-incremental goes on
# with all that changed, at the first region's worth more.
# fs: ext4 xfs
# disks: 320M
# boots: 4
# power: cut
# timeout: 300

bytes=$(dev_bytes $DISK1)

# Writers of every kind; they run when the power goes.
start_load() {
	records write -m buffered -t 600 -b 256 -r $((BOOT * 10)) $MNT/a 40 &
	records write -m direct -t 600 -b 64 -p 20 -r $((BOOT * 10 + 1)) $MNT/b 40 &
	(while :; do
		random_file $MNT/new 4
		sync $MNT/new
		rm $MNT/new
	done) &
	sleep $((3 + RANDOM % 5))
}

# After the cut: all that differs between snapshots $1 and $2 is in the map of cow$1.
expect_covered() {
	cowmap check $MNT/cow$1 $bytes
	cowmap runs $MNT/cow$1 $bytes >changed.runs
	expect_same -x changed.runs -x own$1.runs -x own$2.runs hash$1 hash$2
	expect_differ -x own$1.runs -x own$2.runs hash$1 hash$2
}

next_snapshot() {
	expect_ok dattoctl trans-snap $MNT/cow$1 0
	expect_device 0 3 0
	hash_dev /dev/datto0 hash$1
	blkcmp extents $MNT/cow$1 >own$1.runs
}

case $BOOT in
1)
	unload_module
	load_module intent_idle_seconds=2
	random_file $MNT/a 40
	random_file $MNT/b 40
	sync
	expect_ok dattoctl setup $DISK1 $MNT/cow1 0 64
	hash_dev /dev/datto0 hash1
	blkcmp extents $MNT/cow1 >own1.runs
	info 0 uuid >uuid
	expect_ok dattoctl trans-inc 0
	# Regions that were written to and are idle again.
	dd if=/dev/urandom of=$MNT/idle bs=1M count=30 conv=fsync 2>/dev/null
	sleep 6
	start_load
	;;
2)
	say "after a cut in incremental mode"
	load_module intent_idle_seconds=2
	expect_ok dattoctl reload-inc $DISK1 /cow1 0
	mount_fs $DISK1 $MNT
	expect_device 0 2 0
	expect_eq "uuid" "$(cat uuid)" "$(info 0 uuid)"
	expect_eq "seqid" 1 "$(info 0 seqid)"
	say "in the map: $(info 0 nr_changed_blocks) of $((bytes / 4096)) blocks"
	[ "$(info 0 nr_changed_blocks)" -lt $((bytes / 4096 * 3 / 4)) ] || fail "that is nearly everything"
	next_snapshot 2
	expect_covered 1 2
	start_load
	;;
3)
	say "after a cut in snapshot mode"
	load_module intent_idle_seconds=2
	expect_ok dattoctl reload-snap $DISK1 /cow2 0
	mount_fs $DISK1 $MNT
	[ "$(info 0 error)" != 0 ] || fail "a snapshot outlives a crash"
	dattoctl failure 0 | grep -q "taken up" || fail "no reason: $(dattoctl failure 0)"
	umount $MNT
	expect_ok dattoctl destroy 0
	say "the mount without us made the file worthless"
	expect_ok dattoctl reload-inc $DISK1 /cow2 0
	mount_fs $DISK1 $MNT
	[ "$(info 0 error)" != 0 ] || fail "a mount without the driver went unnoticed"
	expect_ok dattoctl destroy 0
	rm -f $MNT/cow1 $MNT/cow2
	expect_ok dattoctl setup $DISK1 $MNT/cow3 0 64
	hash_dev /dev/datto0 hash3
	blkcmp extents $MNT/cow3 >own3.runs
	start_load
	;;
4)
	load_module
	expect_ok dattoctl reload-inc $DISK1 /cow3 0
	mount_fs $DISK1 $MNT
	expect_device 0 2 0
	expect_eq "seqid" 1 "$(info 0 seqid)"
	[ "$(stat -c %s $MNT/cow3)" -lt $((20 << 20)) ] || fail "the data area was not given back"
	say "in the map: $(info 0 nr_changed_blocks) of $((bytes / 4096)) blocks"
	next_snapshot 4
	expect_covered 3 4
	expect_ok dattoctl destroy 0
	;;
esac
