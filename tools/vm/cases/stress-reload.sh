# COW files that were damaged while the driver was away: reload, resume and mount refuse them or, when what
# was damaged does not matter, give a map that is not too small and a snapshot that is exact.
# disks: 96M 96M
# start: module
# timeout: 300
# dmesg-allow: (I/O error|Buffer I/O).*datto0

. /share/guest/stress.sh 40
choose_fs
RANDOM=$STRESS_SEED
bytes=$(dev_bytes $DISK1)
# Only the header and the driver's map have checksums, not the index and the old blocks of a snapshot: of
# damage there is asked that it does no more than to spoil the blocks whose entries it hit.
index_end=$((1 + (bytes / 4096 + 4095) / 4096 * 8))
# The driver's log and map are behind it, and but a few blocks for a device of this size.
map_end=$((index_end + 16))
refused=0 accepted=0 exact=0

# leave MODE: a device to be taken up so, sealed in /cow, the module not loaded; the disk is kept in DISK2.
# For resume that is a snapshot: what was incremental before is taken up as by inc.
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
	ln -s /cow $MNT/live
	[ $1 != inc ] || expect_ok dattoctl trans-inc 0
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

# Blocks of the device whose entries of the index were damaged. When reading one of those fails, so has the snapshot.
prove_snapshot() {
	awk '/^block/ && $2 > 0 { print ($2 - 1) * 512, 512 }' /tmp/damage >/tmp/spoilt
	if blkcmp hash /dev/datto0 >/tmp/after; then
		expect_same -x /tmp/own0 -x /tmp/spoilt /tmp/before /tmp/after
		exact=$((exact + 1))
	elif [ "$(info 0 error)" = 0 ]; then
		fail "the snapshot cannot be read and has not failed"
	else
		[ -s /tmp/spoilt ] || fail "the snapshot cannot be read: $(dattoctl failure 0 | xargs)"
		dattoctl failure 0 | xargs
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
		case $mode in
		inc) count=$blocks ;;
		snap) count=$index_end ;;
		resume) count=$map_end ;;
		esac
	fi
	dd if=$DISK2 of=$DISK1 bs=1M iflag=direct oflag=direct 2>/dev/null
	mutate $seed $DISK1 /tmp/own1 $first $count | tee /tmp/damage
	[ $range = all ] || [ "$(damage)" != 0 ] || range=none
	load_module
	if [ $mode = resume ]; then
		expect_ok dattoctl resume $DISK1 /live 0
	else
		expect_ok dattoctl reload-$mode $DISK1 /cow 0
	fi
	mount_fs $DISK1 $MNT
	records write -n 20 -b 64 -r $seed $MNT/data 16 >/dev/null
	sync
	if [ "$(info 0 state)" = $state ] && [ "$(info 0 error)" = 0 ]; then
		accepted=$((accepted + 1))
		[ $range != header ] || fail "a damaged header was believed"
		if [ $mode = snap ]; then prove_snapshot; else prove_incremental; fi
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
left=3
for mode in inc snap resume; do
	leave $mode
	turn_end=$((SECONDS + (end - SECONDS) / left--))
	while :; do
		attempt $mode
		[ $SECONDS -lt $turn_end ] || break
	done
	load_module
done
tries=$((refused + accepted))
counted "damaged files refused" $refused $tries
counted "damaged files taken up" $accepted $tries
counted "damaged files taken up as a snapshot that is exact" $exact $tries
