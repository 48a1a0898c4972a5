# The power is cut during a transition to snapshot: the old COW file can be reloaded until it is finished, from then
# on the new one, and what changed since the snapshot before is in the one or in both.
# fs: ext4 xfs
# disks: 320M 320M
# boots: 3
# power: cut
# timeout: 300
# slow: yes

bytes=$(dev_bytes $DISK1)

load() {
	records write -m direct -t 600 -b 64 -r $BOOT $MNT/a 24 &
	records write -m buffered -t 600 -b 256 -p 20 -r $((BOOT + 100)) $MNT/b 24 &
}

# Snapshot $1 exists: what it shows, and which of its blocks are COW files'.
note_snapshot() {
	hash_dev /dev/datto0 hash$1
	blkcmp extents $MNT/cow$1 >own$1.runs
	echo $1 >present
}

# All that differs between snapshots $1 and $2 is in the map of cow$3, or of another of the files from there on.
expect_covered() {
	local from=$1 to=$2
	shift 2
	: >changed.runs
	while [ $# -gt 0 ]; do
		cowmap check $MNT/cow$1 $bytes
		cowmap runs $MNT/cow$1 $bytes >>changed.runs
		shift
	done
	cat own*.runs >all.runs
	expect_same -x changed.runs -x all.runs hash$from hash$to
}

# What the crash has left, seen on a copy so that the device itself is not mounted before it is tracked: whether
# cow$1 was finished, and which blocks cow$2 has while its data area is still there.
look_at_copy() {
	local options=
	[ $FS != xfs ] || options=nouuid
	dd if=$DISK1 of=$DISK2 bs=1M status=none
	mkdir -p /mnt/copy
	mount -t $FS -o "$options" $DISK2 /mnt/copy
	od -An -tu4 -N4 /mnt/copy/cow$1 | tr -d ' ' >magic
	[ ! -e /mnt/copy/cow$2 ] || blkcmp extents /mnt/copy/cow$2 >own$2.runs
	umount /mnt/copy
}

# Up to Linux 5.11 XFS writes a record of an unmount when it is frozen, and behind it another. Who cuts the power
# between the two leaves what looks unmounted, and the reload is refused.
looks_unmounted() {
	[[ $FS = xfs && $(uname -r) = 5.10.* ]] && dmesg | grep -q "XFS (${DISK2##*/}): Ending clean mount"
}

[ $BOOT = 1 ] || load_module
if [ $BOOT = 1 ]; then
	random_file $MNT/a 24
	random_file $MNT/b 24
	sync
	expect_ok dattoctl setup $DISK1 $MNT/cow1 0 64
	note_snapshot 1
	expect_ok dattoctl trans-inc 0
else
	old=$(cat present) begun=$(cat begun) new=$((BOOT * 10))
	files=$old
	look_at_copy $old $begun
	if [ $(cat magic) = 4776 ]; then
		say "the transition was over: the new file goes on"
		files="$old $begun"
	else
		say "the old file goes on"
	fi
	expect_ok dattoctl reload-inc $DISK1 /cow${files##* } 0
	mount_fs $DISK1 $MNT
fi
if [ $BOOT != 1 ] && looks_unmounted; then
	say "the cut came within the freeze"
	expect_device 0 4 -22
	expect_ok dattoctl destroy 0
	rm $MNT/cow*
	expect_ok dattoctl setup $DISK1 $MNT/cow$new 0 64
	note_snapshot $new
	expect_ok dattoctl trans-inc 0
elif [ $BOOT != 1 ]; then
	expect_device 0 2 0
	echo "changed: $(info 0 nr_changed_blocks)"
	[ "$files" != $old ] || rm -f $MNT/cow$begun
	expect_ok dattoctl trans-snap $MNT/cow$new 0 64
	note_snapshot $new
	# shellcheck disable=SC2086
	expect_covered $old $new $files
	for one in $files; do rm $MNT/cow$one; done
	expect_ok dattoctl trans-inc 0
fi
if [ $BOOT -lt $BOOTS ]; then
	load
	sleep 2
	echo $((BOOT * 10 + 5)) >begun
	dattoctl trans-snap $MNT/cow$((BOOT * 10 + 5)) 0 64 &
	sleep $((RANDOM % 2)).$((RANDOM % 10))
else
	expect_ok dattoctl destroy 0
fi
