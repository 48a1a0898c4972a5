# reload-incremental and reload-snapshot: a device goes on over unloading the module and over a reboot,
# and what is written between the reload and the mount, by fsck or by the mount itself, is in the map.
# fs: ext4 xfs
# boots: 2
# timeout: 300

bytes=$(dev_bytes $DISK1)
records_count() { info 0 nr_changed_blocks; }

# The map of cow$1 covers all that differs between snapshots $1 and $2.
expect_covered() {
	cowmap check $MNT/cow$1 $bytes
	cowmap runs $MNT/cow$1 $bytes >changed.runs
	expect_same -x changed.runs -x own$1.runs -x own$2.runs hash$1 hash$2
	expect_differ -x own$1.runs -x own$2.runs hash$1 hash$2
}

if [ $BOOT = 1 ]; then
	random_file $MNT/data 24
	sync
	expect_ok dattoctl setup $DISK1 $MNT/cow1 0 96
	blkcmp extents $MNT/cow1 >own1.runs
	hash_dev /dev/datto0 hash1
	records write -t 1 -b 512 $MNT/data 24

	say "a snapshot over unload and load"
	umount $MNT
	uuid=$(info 0 uuid)
	unload_module
	load_module
	expect_ok dattoctl reload-snap $DISK1 /cow1 0
	expect_device 0 5 0
	expect_eq "cow" /cow1 "$(info 0 cow)"
	expect_eq "bdev" $DISK1 "$(info 0 bdev)"
	expect_eq "seq_id in /proc" 0 "$(proc_field 0 seq_id)"
	[ ! -e /dev/datto0 ] || fail "a node in state 5"
	expect_errno EINVAL dattoctl trans-inc 0
	say "fsck, then mounts read-only: still unverified"
	repair_fs $DISK1
	mount -t $FS -o ro $DISK1 $MNT
	expect_device 0 5 0
	umount $MNT
	mount_fs $DISK1 $MNT
	expect_device 0 3 0
	expect_eq "uuid" "$uuid" "$(info 0 uuid)"
	expect_eq "seqid" 1 "$(info 0 seqid)"
	expect_eq "size" $((96 << 20)) "$(info 0 falloc_size)"
	hash_dev /dev/datto0 again
	expect_same -x own1.runs hash1 again
	records write -t 1 -b 512 -r 8 $MNT/data 24
	hash_dev /dev/datto0 again
	expect_same -x own1.runs hash1 again

	say "incremental over unload and load"
	expect_ok dattoctl trans-inc 0
	records write -t 1 -b 512 -r 9 $MNT/data 24
	umount $MNT
	before=$(records_count)
	unload_module
	load_module
	expect_ok dattoctl reload-inc $DISK1 cow1 0 8388608
	expect_device 0 4 0
	# Something that only a device that is being tracked can know of.
	dd if=$DISK1 of=/tmp/tail bs=4096 skip=$((bytes / 4096 - 40)) count=30 iflag=direct 2>/dev/null
	dd if=/tmp/tail of=$DISK1 bs=4096 seek=$((bytes / 4096 - 40)) count=30 oflag=direct conv=notrunc 2>/dev/null
	mount_fs $DISK1 $MNT
	expect_device 0 2 0
	expect_eq "cache" 8388608 "$(info 0 cache_size)"
	expect_eq "uuid" "$uuid" "$(info 0 uuid)"
	after=$(records_count)
	[ "$after" -ge $((before + 30)) ] || fail "the map knows $after blocks, before the reload $before"
	expect_ok dattoctl trans-snap $MNT/cow2 0
	hash_dev /dev/datto0 hash2
	blkcmp extents $MNT/cow2 >own2.runs
	expect_covered 1 2
	rm $MNT/cow1

	say "and now the machine goes down"
	expect_ok dattoctl trans-inc 0
	random_file $MNT/late 3
	records write -t 1 -b 512 -r 10 $MNT/data 24
	records_count >count
	info 0 uuid >uuid
	umount $MNT
else
	load_module
	expect_ok dattoctl reload-inc $DISK1 /cow2 0
	expect_device 0 4 0
	repair_fs $DISK1
	mount_fs $DISK1 $MNT
	expect_device 0 2 0
	expect_eq "uuid" "$(cat uuid)" "$(info 0 uuid)"
	expect_eq "seqid" 2 "$(info 0 seqid)"
	[ "$(records_count)" -ge "$(cat count)" ] || fail "the map has $(records_count) blocks, before the reboot $(cat count)"
	records verify $MNT/late
	records write -t 1 -b 512 -r 11 $MNT/data 24
	expect_ok dattoctl trans-snap $MNT/cow3 0
	hash_dev /dev/datto0 hash3
	blkcmp extents $MNT/cow3 >own3.runs
	expect_covered 2 3
	expect_ok dattoctl destroy 0
	expect_no_file $MNT/cow3
fi
