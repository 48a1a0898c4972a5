# COW files that were damaged while the driver was away: reload and mount refuse them or, when what was
# damaged does not matter, give a map that is not too small and a snapshot that is exact.
# disks: 96M 96M
# start: module
# timeout: 300
# dmesg-allow: (I/O error|Buffer I/O).*datto0

. /share/guest/stress.sh 40
choose_fs
RANDOM=$STRESS_SEED
bytes=$(dev_bytes $DISK1)
# Only the header and the driver's map have checksums, not the index and the old blocks of a snapshot: of
# damage there is asked that it does no more than to spoil what is read.
index_end=$((1 + (bytes / 4096 + 4095) / 4096 * 8))
refused=0 accepted=0

# leave MODE: a device of this mode, sealed in /cow, the module not loaded; the disk is kept in DISK2.
leave() {
	umount $MNT 2>/dev/null || true
	make_fs_4k $DISK1
	mount_fs $DISK1 $MNT
	random_file $MNT/data 16
	sync
	expect_ok dattoctl setup $DISK1 $MNT/cow 0 40
	hash_dev /dev/datto0 /tmp/before
	# As large as it ever is: what its data area held, other blocks are free to hold later.
	blkcmp extents $MNT/cow >/tmp/own0
	[ $1 = snap ] || expect_ok dattoctl trans-inc 0
	records write -n 60 -b 64 -r $STRESS_SEED $MNT/data 16
	sync
	blkcmp extents $MNT/cow >/tmp/own1
	umount $MNT
	unload_module
	dd if=$DISK1 of=$DISK2 bs=1M iflag=direct oflag=direct 2>/dev/null
	blocks=$(awk '{ n += $2 } END { print n }' /tmp/own1)
}

# The file was taken up: does it tell the truth?
prove_incremental() {
	expect_ok dattoctl trans-snap $MNT/cow2 0 30
	hash_dev /dev/datto0 /tmp/after
	blkcmp extents $MNT/cow2 >/tmp/own2
	cowmap check $MNT/cow $bytes
	cowmap runs $MNT/cow $bytes >/tmp/changed
	expect_same -x /tmp/changed -x /tmp/own0 -x /tmp/own2 /tmp/before /tmp/after
}

prove_snapshot() {
	local out=
	if ! blkcmp hash /dev/datto0 >/tmp/after; then
		echo "it cannot be read"
	elif ! out=$(blkcmp cmp -x /tmp/own0 /tmp/before /tmp/after) && [ $range = none ]; then
		fail "the snapshot is another: $out"
	fi
}

# How many bytes differ from what was left.
damage() { { cmp -l $DISK1 $DISK2 || true; } | wc -l; }

# attempt MODE: one damage and one reload.
attempt() {
	local mode=$1 seed=$((RANDOM * 32768 + RANDOM)) first=0 count=1 state=3
	range=header
	[ $mode = snap ] || state=2
	if [ $((RANDOM % 2)) = 0 ]; then
		range=all
		count=$blocks
		[ $mode = inc ] || count=$index_end
	fi
	dd if=$DISK2 of=$DISK1 bs=1M iflag=direct oflag=direct 2>/dev/null
	mutate $seed $DISK1 /tmp/own1 $first $count
	[ $range = all ] || [ "$(damage)" != 0 ] || range=none
	load_module
	expect_ok dattoctl reload-$mode $DISK1 /cow 0
	mount_fs $DISK1 $MNT
	records write -n 20 -b 64 -r $seed $MNT/data 16 >/dev/null
	sync
	if [ "$(info 0 state)" = $state ] && [ "$(info 0 error)" = 0 ]; then
		accepted=$((accepted + 1))
		[ $range != header ] || fail "a damaged header was believed"
		if [ $mode = inc ]; then prove_incremental; else prove_snapshot; fi
	else
		refused=$((refused + 1))
		echo "state $(info 0 state), error $(info 0 error)"
		[ "$(info 0 error)" != 0 ] || fail "neither taken up nor refused"
	fi
	umount $MNT
	expect_ok dattoctl destroy 0
	expect_untouched
	unload_module
}

end=$((SECONDS + STRESS_SECONDS))
for mode in inc snap; do
	leave $mode
	half=$((SECONDS + (end - SECONDS) / 2))
	[ $mode = inc ] || half=$end
	while :; do
		attempt $mode
		[ $SECONDS -lt $half ] || break
	done
	load_module
done
echo "stat damaged files refused: $refused"
echo "stat damaged files taken up: $accepted"
