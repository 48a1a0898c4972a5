# Power cuts of a disk that loses what it was not told to flush, see powerdisk/, at instants of a busy time: the device is
# taken up again as at a boot, and every block that differs from the snapshot is in the map. Sourced after stress.sh;
# $mode says what the busy time is: incremental, snapshot, transition, reload or mount.

DISK=/dev/nbd0 WRITES=/tmp/writes
bytes=$(dev_bytes $DISK1)
marked=0 changed=0 cuts=0 entries=0 refusals=0 frozen_refusals=0

entries() { powerdisk entries $WRITES; }

serve() {
	powerdisk serve $DISK "$bytes" $WRITES &
	server=$!
	wait_for 20 [ -e /sys/block/nbd0/pid ]
}
end_serving() {
	kill $server
	wait $server
	wait_for 20 [ ! -e /sys/block/nbd0/pid ]
}

# prepare MIB: the first snapshot, of what is on the disk by then; COW files of this size.
prepare() {
	serve
	make_fs_4k $DISK
	mount_fs $DISK $MNT
	for i in 0 1 2 3 4 5 6 7; do random_file $MNT/$i 5; done
	mkdir $MNT/.dbd
	ln -s /cow1 $MNT/.dbd/live
	sync
	expect_ok dattoctl setup $DISK $MNT/cow1 0 $1
	first=$(entries)
	hash_dev /dev/datto0 /tmp/before
	blkcmp extents $MNT/cow1 >/tmp/own
}

# As dbdctl does it.
next_snapshot() {
	ln -s /cow2 $MNT/.dbd/next
	expect_ok dattoctl trans-snap $MNT/cow2 0 48
	blkcmp extents $MNT/cow2 | tee /tmp/next >>/tmp/own
	ln -s /cow2 $MNT/.dbd/new
	mv -T $MNT/.dbd/new $MNT/.dbd/live
	rm $MNT/.dbd/next
}

# The machine went down in order, and was up again just now.
reboot() {
	umount $MNT
	unload_module
	load_module intent_idle_seconds=1
	expect_ok dattoctl resume $DISK /.dbd/live 0 /.dbd/next
	mount_fs $DISK $MNT
	expect_device 0 2 0
	# XFS does not record a mount before something changes: a reload after a cut until then is refused.
	touch $MNT/.dbd
	sync
	# Nor is ext4's mount told from another before its first commit was noted.
	sleep 1
	first=$(entries)
}

# Some regions rest, others are written to by several at once: the log gets them and is rid of them. A file is
# written to in one way only: direct writes beside a mapping can give the file an I/O error by themselves.
writer() {
	local modes=(direct buffered mmap dsync) end=$((SECONDS + $1)) file
	RANDOM=$2
	while [ $SECONDS -lt $end ]; do
		file=$((RANDOM % 8))
		records write -m ${modes[file % 4]} -n $((RANDOM % 8 + 1)) -b 64 -r $RANDOM $MNT/$file 5 >/dev/null
		case $((RANDOM % 6)) in
		0) random_file $MNT/new$2 2 && rm $MNT/new$2 ;;
		1) mkdir -p $MNT/dir/$RANDOM ;;
		2) sleep 0.$RANDOM ;;
		esac
	done
}

# A file that is in no directory any more: a mount after a cut has to clean it up.
orphan() {
	exec 9>$MNT/orphan
	rm $MNT/orphan
	head -c 2M /dev/urandom >&9
	sync $MNT
	sleep $1
}

load() {
	local pids=() pid
	records write -m direct -t $1 -p 20 -b 16 -r $RANDOM $MNT/0 5 >/dev/null &
	pids+=($!)
	orphan $1 &
	pids+=($!)
	for _ in 1 2 3; do
		writer $1 $RANDOM &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait $pid; done
}

busy() {
	load $1
	if [ $mode = transition ]; then
		load $1 &
		next_snapshot
		wait $!
	fi
	last=$(entries)
	entries=$((entries + last - first))
}

# The device is done with; its writes are kept.
put_away() {
	local next=
	expect_ok dattoctl destroy 0
	umount $MNT
	end_serving
	[ $mode != transition ] || next=/tmp/next
	powerdisk order $WRITES $first $last /tmp/own "$bytes" $next || fail "writes in the wrong order"
}

# mount_after_cut [READ_ONLY_FIRST]: after one cut the disk is mounted again; the other cuts are while that goes on.
# 0: it is.
mount_after_cut() {
	powerdisk cut $WRITES $first $last $((RANDOM * 32768 + RANDOM)) /tmp/own $DISK1
	rm $WRITES
	serve
	dd if=$DISK1 of=$DISK bs=1M oflag=direct conv=fsync status=none
	first=$(entries)
	expect_ok dattoctl resume $DISK /.dbd/live 0 /.dbd/next
	if [ ${1:-$((RANDOM % 2))} = 0 ]; then
		say "read-only first, as a root"
		mount -o ro $DISK $MNT
		mount -o remount,rw $MNT
	else
		mount_fs $DISK $MNT
	fi
	expect_device 0 2 0
	last=$(entries)
	entries=$((entries + last - first))
	expect_ok dattoctl destroy 0
	umount $MNT
	end_serving
}

# count_blocks RUNS...: those that are no COW file's.
count_blocks() {
	cat "$@" | awk 'NR == FNR { for (b = $1; b < $1 + $2; b++) own[b] = 1; next }
		{ for (b = $1; b < $1 + $2; b++) if (!(b in own)) { own[b] = 1; n++ } } END { print n + 0 }' /tmp/own.all -
}

# ext4 as the freeze of a transition leaves it, until the driver has noted the mount again: its journal is empty, as
# after a recovery elsewhere, and it may look unmounted.
looks_recovered() {
	[ $FS = ext4 ] && [ $mode = transition ] && dumpe2fs -h $DISK1 2>/dev/null |
		awk '/^Filesystem features:/ { used = /needs_recovery/ } /^Journal start:/ { start = $3 } END { exit used && start }'
}

# one_cut [FIRST LAST]: between these entries, or any
one_cut() {
	local cow m d frozen=no
	say "cut $((cuts + refusals + 1)), $mode"
	powerdisk cut $WRITES ${1:-$first} ${2:-$last} $((RANDOM * 32768 + RANDOM)) /tmp/own $DISK1
	! looks_recovered || frozen=yes
	expect_ok dattoctl resume $DISK1 /.dbd/live 0 /.dbd/next
	mount_fs $DISK1 $MNT
	if [ $frozen = yes ] && [ "$(info 0 error)" != 0 ]; then
		frozen_refusals=$((frozen_refusals + 1))
		expect_ok dattoctl destroy 0
		umount $MNT
		return
	fi
	if [ $mode = mount ] && [ "$(info 0 error)" != 0 ]; then
		# Recovery had begun, and nobody knows what it wrote.
		dmesg | tail -5 | grep -q "or its mount was cut off" || fail "not taken up: $(dattoctl failure 0 | xargs)"
		expect_ok dattoctl destroy 0
		umount $MNT
		refusals=$((refusals + 1))
		return
	fi
	[ "$(info 0 state) $(info 0 error)" = "2 0" ] || fail "not taken up: $(dattoctl failure 0 | xargs)"
	cow=$(info 0 cow)
	# Room for the inode tables, which ext4 goes on to write when it is mounted.
	expect_ok dattoctl trans-snap $MNT/cow3 0 16
	hash_dev /dev/datto0 /tmp/after
	blkcmp extents $MNT/cow3 | cat /tmp/own - >/tmp/own.all
	cowmap check $MNT$cow "$bytes"
	cowmap runs $MNT$cow "$bytes" >/tmp/marked
	if [ $cow = /cow2 ]; then
		cowmap check $MNT/cow1 "$bytes"
		cowmap runs $MNT/cow1 "$bytes" >>/tmp/marked
	fi
	expect_same -x /tmp/marked -x /tmp/own.all /tmp/before /tmp/after
	blkcmp cmp -x /tmp/own.all /tmp/before /tmp/after >/tmp/differing || true
	m=$(count_blocks /tmp/marked) d=$(count_blocks /tmp/differing)
	[ $d -gt 0 ] || [ $mode = reload ] || fail "nothing differs"
	echo "sample extra blocks, per mille of the device: $(((m - d) * 1000 / (bytes / 4096)))"
	[ $d = 0 ] || echo "sample extra blocks, percent of what changed: $(((m - d) * 100 / d))"
	expect_ok dattoctl destroy 0
	umount $MNT
	[ $((cuts % 4)) != 0 ] || check_fs $DISK1
	echo "stat cuts in mode $mode, maps compared: 1"
	cuts=$((cuts + 1)) marked=$((marked + m)) changed=$((changed + d))
}
