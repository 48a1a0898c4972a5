# A device below the origin that fails: bad sectors, intervals in which it fails, delays, an end that is too
# early; in the origin's data or in the COW file's. The origin's own I/O has the results it has without
# us, each call for each; a snapshot is exact or fails as such; and the map has every change all the same.
# disks: 88M
# start: module
# timeout: 300
# dmesg-allow: (I/O error|Buffer I/O error).*(dm-0|datto0)|access beyond end of device

. /share/guest/stress.sh 40
choose_fs
RANDOM=$STRESS_SEED
# pick N: R is 0 to N - 1. Not in a subshell: those have random numbers of their own.
pick() { R=$(((RANDOM * 32768 + RANDOM) % $1)); }
FS_MIB=72
RAW=$((FS_MIB << 20)) RAW_BYTES=$((16 << 20))
size=$(blockdev --getsz $DISK1) dev=/dev/mapper/below bytes=$(dev_bytes $DISK1)
modprobe -q dm-delay
rounds=0 failed=0 exact=0 ops=0 errors=0 compared=0

# table LINES: what the device is from now on. The file system is not asked.
table() {
	dmsetup suspend --nolockfs below
	echo "$1" | dmsetup load below
	dmsetup resume below
}
good="0 $size linear $DISK1 0"

# with_part FIRST COUNT TARGET...: all of the device but these sectors is good; % stands for DISK1 and FIRST.
with_part() {
	local first=$1 count=$2
	shift 2
	printf '%s\n' "0 $first linear $DISK1 0" "$first $count ${*//%/$DISK1 $first}"
	[ $((first + count)) = "$size" ] ||
		echo "$((first + count)) $((size - first - count)) linear $DISK1 $((first + count))"
}

# choose_fault: $kind, $where, sectors $first to $first + $count - 1 (not for short), whether it is $steady, and
# the table that is to be, $fault.
choose_fault() {
	local kinds=(error delay intervals error short) runs start
	kind=${kinds[(STRESS_SEED + rounds) % 5]}
	pick 2 && where=cow
	[ $R = 0 ] && [ $kind != short ] || where=raw
	if [ $where = raw ]; then
		pick $((RAW_BYTES / 512 - 8192)) && first=$(((RAW >> 9) + R))
		pick 8191 && count=$((R + 1))
	else
		# A piece of the file, as often as not at the beginning of one of its runs: the end is in no use yet.
		mapfile -t runs </tmp/own1
		pick ${#runs[@]} && read -r start count <<<"${runs[R]}"
		pick $((2 * count)) && [ $R -lt $count ] || R=0
		first=$(((start + R) * 8)) count=$((count - R))
		pick $((count < 512 ? count : 512)) && count=$(((R + 1) * 8))
	fi
	case $kind in
	error) fault=$(with_part $first $count error) ;;
	intervals) steady=0 fault=$(with_part $first $count error) ;;
	delay) pick 1600 && fault=$(with_part $first $count delay % $((R % 40)) % $((R / 40))) ;;
	short) fault="0 $((size - 4 * 2048)) linear $DISK1 0" ;;
	esac
}

# base: the raw area as each run begins.
base() { dd if=/dev/zero bs=1M count=16 2>/dev/null | tr '\0' '\252' |
	dd of=$dev bs=1M seek=$FS_MIB oflag=direct conv=notrunc iflag=fullblock 2>/dev/null; }
raw_now() { dd if=$dev bs=1M skip=$FS_MIB count=16 iflag=direct 2>/dev/null | md5sum; }

# Not dm-flakey: that lets flushes fail too, also the file system's.
come_and_go() {
	while [ ! -e /tmp/stop ]; do
		sleep 0.3
		table "$good"
		sleep 0.2
		table "$fault"
	done
}

# same_results: of the origin's I/O, without us and with us, but for discards: some faults know of none, and
# one that would be refused may be dropped, with success, while a snapshot is kept. A fault that comes and
# goes must not show but where it is.
same_results() {
	local filter='!/^discard/' log from=$((first - (RAW >> 9)))
	[ $steady = 1 ] || filter='/^flush/ || !/^discard/ && ($2 + $3 <= from || $2 >= to)'
	for log in /tmp/io.without /tmp/io.with; do
		tr -d : <$log | awk -v from=$from -v to=$((from + count)) "$filter" >$log.seen
	done
	compared=$((compared + $(wc -l </tmp/io.with.seen)))
	diff /tmp/io.without.seen /tmp/io.with.seen || fail "the origin's results are others with us"
}

io() { iolog $seed 250 $dev $RAW $RAW_BYTES >$1; }

# The snapshot is what it was, or cannot be read and says why.
judge_snapshot() {
	local error
	error=$(info 0 error)
	if [ "$error" = 0 ] && hash_dev /dev/datto0 /tmp/now; then
		blkcmp extents $MNT/cow1 >/tmp/own1
		expect_same -x /tmp/own1 /tmp/before /tmp/now
		exact=$((exact + 1))
	elif [ "$(info 0 error)" = 0 ]; then
		fail "the snapshot cannot be read and has not failed"
	else
		dattoctl failure 0 | xargs
		[ $kind != delay ] || fail "the snapshot failed, and no I/O did"
		expect_fails dd if=/dev/datto0 of=/dev/null bs=4096 count=1 iflag=direct
		failed=$((failed + 1))
	fi
}

next_snapshot() {
	local ret
	if [ "$(info 0 error)" = 0 ]; then
		expect_ok dattoctl trans-inc 0
	else
		expect_ok dattoctl force-inc 0
	fi
	records write -n 20 -r $seed $MNT/data 8 >/dev/null
	expect_ok dattoctl trans-snap $MNT/cow2 0 24
	hash_dev /dev/datto0 /tmp/after
	blkcmp extents $MNT/cow2 >/tmp/own2
	cowmap check $MNT/cow1 $bytes
	cowmap runs $MNT/cow1 $bytes >/tmp/changed
	expect_same -x /tmp/changed -x /tmp/own1 -x /tmp/own2 /tmp/before /tmp/after
}

round() {
	local kind where fault first count steady=1
	pick 1000000000 && seed=$R
	expect_ok dattoctl setup $dev $MNT/cow1 0 24
	blkcmp extents $MNT/cow1 >/tmp/own1
	expect_ok dattoctl destroy 0
	base
	choose_fault
	say "round $rounds: $kind in $where, seed $seed"
	echo "$fault"

	# Without us; a COW file's place is good then.
	if [ $where = raw ] && [ $steady = 1 ]; then table "$fault"; fi
	io /tmp/io.without
	table "$good"
	without=$(raw_now)
	base
	sync
	expect_ok dattoctl setup $dev $MNT/cow1 0 24
	# The same place again, or the fault misses it.
	blkcmp extents $MNT/cow1 >/tmp/own1
	hash_dev /dev/datto0 /tmp/before
	table "$fault"
	rm -f /tmp/stop
	[ $kind != intervals ] || background come_and_go
	io /tmp/io.with
	if [ $where = cow ]; then
		records write -n 40 -b 64 -r $seed $MNT/data 8 >/dev/null
		sync
	fi
	touch /tmp/stop
	done_background
	table "$good"
	# A COW file's place is none of the origin's I/O.
	[ $where = raw ] || steady=1
	same_results
	[ $steady = 0 ] || expect_eq "what the origin holds" "$without" "$(raw_now)"
	ops=$((ops + $(wc -l </tmp/io.with)))
	errors=$((errors + $(grep -c -- '!' /tmp/io.with || true)))
	judge_snapshot
	next_snapshot
	expect_ok dattoctl destroy 0
	rm $MNT/cow1
	expect_untouched
	records verify $MNT/data
	rounds=$((rounds + 1))
}

echo "$good" | dm_create below
if [ $FS = xfs ]; then make_fs $dev -d size=${FS_MIB}m; else mkfs.ext4 -q -F -b 4096 $dev ${FS_MIB}m; fi
mount_fs $dev $MNT
random_file $MNT/data 8
sync
end=$((SECONDS + STRESS_SECONDS))
while :; do
	round
	[ $SECONDS -lt $end ] || break
done
umount $MNT
check_fs $dev
dmsetup remove below
echo "stat rounds with a fault: $rounds"
echo "stat operations on the origin: $ops"
echo "stat results compared with those without us: $compared"
counted "errors the origin gave" $errors $rounds
counted "snapshots that failed as they must" $failed $rounds
counted "snapshots that stayed exact" $exact $rounds
