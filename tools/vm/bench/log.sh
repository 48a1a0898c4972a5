# What the write-intent log costs: random direct writes of 4 KiB to a file on a tracked file system, with the log
# and without, in alternating rounds; regions that are in the log by now, and the first write to each, apart. And files
# created, each 100 of them synced: that fills the file system's own log, whose head is noted in the COW file.
#
#   npm run bench:log -- [--kernel NAME] [--env FS=xfs] [--env ROUNDS=6] [--env SECONDS_EACH=5]
#   npm run bench:log -- --count-instructions --env RAM=y ...
#
# Prints the medians over all rounds, and how the log compares to none. On an emulated machine rounds scatter by more
# than the log costs in the steady state. The second form has a disk in memory and counts instructions
# (1000 to the microsecond), which scatter less; no disk's time hides them, so that the log looks dearer than on a disk.
set -Eeuo pipefail
. /share/guest/lib.sh
FS=${FS:-ext4} MIB=256 rounds=${ROUNDS:-6} seconds=${SECONDS_EACH:-5}

# measure LOG NAME ARGUMENT...
measure() {
	local log=$1 name=$2
	shift 2
	echo "$name $log $(latency "$@" -r $RANDOM $MNT/data)" | tee -a results
}

# metadata LOG
metadata() {
	local begin end i j n=0 directory=$MNT/files
	mkdir $directory
	begin=$EPOCHREALTIME
	for ((i = 0; i < 20; i++)); do
		for ((j = 0; j < 100; j++)); do : >$directory/$((n++)); done
		sync -f $directory
	done
	end=$EPOCHREALTIME
	echo "metadata $1 $((n * 1000000 / (${end/./} - ${begin/./})))" | tee -a results
	rm -r $directory
}

round() {
	local log=$1
	echo $log >/sys/module/dattobd/parameters/intent_log
	expect_ok dattoctl setup $DISK1 $MNT/cow 0 16 >&2
	expect_ok dattoctl trans-inc 0 >&2
	measure $log first-touch-1 -f 0 -n $((MIB / 2))
	measure $log first-touch-32 -q 32 -f $((MIB / 2)) -n $((MIB / 2))
	measure $log steady-1 -t $seconds
	measure $log steady-32 -q 32 -t $seconds
	metadata $log
	expect_ok dattoctl destroy 0 >&2
}

# The middle one, or the mean of both.
median() { sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

# of NAME LOG COLUMN
of() { awk -v name="$1" -v log_="$2" -v col="$3" '$1 == name && $2 == log_ { print $col }' results | median; }

if [ -n "${RAM:-}" ]; then
	modprobe null_blk nr_devices=1 gb=1 memory_backed=1 irqmode=0
	DISK1=/dev/nullb0
fi
load_module intent_idle_seconds=3600
make_fs $DISK1
mount_fs $DISK1 $MNT
random_file $MNT/data $MIB
: >results
for ((i = 0; i < rounds; i++)); do
	if [ $((i % 2)) = 0 ]; then order="N Y"; else order="Y N"; fi
	for log in $order; do
		# Each write drops a page that is in the cache, once.
		echo 1 >/proc/sys/vm/drop_caches
		round $log
	done
done
umount $MNT
unload_module
printf '\n%-32s%12s%12s%10s\n' "medians of $rounds rounds" "no log" "log" "ratio"
# compare NAME COLUMN WHAT
compare() {
	awk -v what="$1 $3" -v off="$(of $1 N $2)" -v on="$(of $1 Y $2)" \
		'BEGIN { printf "%-32s%12.0f%12.0f%10.3f\n", what, off, on, on / off }'
}
for name in first-touch-1 first-touch-32 steady-1 steady-32; do
	compare $name 3 "writes a second"
	compare $name 4 "mean latency, us"
	compare $name 5 "99th percentile, us"
done
compare metadata 3 "files a second"
