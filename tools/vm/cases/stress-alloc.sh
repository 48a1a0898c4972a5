# Each allocation of each call fails in turn, then allocations and our own I/O at random under load: a call
# is refused and changes nothing, or succeeds; the origin's I/O never fails; a snapshot is exact or fails;
# the map has every change.
# kernels: debug-*
# disks: 160M
# start: module
# timeout: 600
# dmesg-allow: (I/O error|Buffer I/O|EXT4-fs (error|warning)).*datto0|page allocation failure|FAULT_INJECTION

. /share/guest/stress.sh 40
RANDOM=$STRESS_SEED
fault=/sys/kernel/debug
injected=0 refusals=0 rounds=0 failures=0

for kind in failslab fail_page_alloc; do
	echo N >$fault/$kind/ignore-gfp-wait
done
for kind in $fault/fail*/verbose; do echo 0 >$kind; done
echo 0 >$fault/fail_page_alloc/min-order
make_fs $DISK1
mount_fs $DISK1 $MNT
random_file $MNT/data 32
sync

# each COMMAND...: every allocation fails once. `refused` and `done_` say what there has to be then.
each() {
	local n out
	for ((n = 1; ; n++)); do
		mapfile -t out < <(dattoctl -n$n "$@" || true)
		echo "$1, allocation $n: ${out[*]}"
		case ${out[0]} in
		OK | [0-9]* | *=*) done_ ;;
		*)
			refusals=$((refusals + 1))
			refused
			;;
		esac
		[ "${out[-1]}" = failed ] || break
		injected=$((injected + 1))
	done
	echo "$1: $((n - 1)) allocations"
	[ $n -gt 1 ] || [ $1 = destroy ] || fail "$1 allocates nothing: nothing was tried"
}

# Without a process, of which each takes a second here: status DEVICES, what /proc says of them.
status() {
	local text
	read -r -d '' text </proc/datto-info || true
	# shellcheck disable=SC2053
	[[ $text == $1 ]] || fail "expected $1: $text"
}
no_device() {
	status '!(*"minor"*)'
	expect_no_file /dev/datto0
}
in_state() { status "*\"state\": $1*" && status '!(*"error"*)'; }

undo() { expect_ok "$@" >/dev/null; }
refused() { no_device && expect_no_file $MNT/cow; }
done_() { undo dattoctl destroy 0; }
each setup $DISK1 $MNT/cow 0 16
expect_untouched
each group $DISK1 $MNT/cow 0 16
expect_untouched

expect_ok dattoctl setup $DISK1 $MNT/cow 0 24
refused() { in_state 3; }
done_() { in_state 3; }
each info 0
each failure 0
each reconfigure 0 131072
each expand 1 0
each auto-expand 1 8 0
expect_device 0 3 0
again() {
	undo dattoctl destroy 0
	undo dattoctl setup $DISK1 $MNT/cow 0 24
}
done_() { again; }
each trans-inc 0

undo dattoctl trans-inc 0
refused() {
	in_state 2
	expect_no_file $MNT/next
}
done_() {
	again
	undo dattoctl trans-inc 0
}
each trans-snap $MNT/next 0 24
done_() {
	no_device
	again
	undo dattoctl trans-inc 0
}
each destroy 0
expect_device 0 2 0

say "reload"
sealed() {
	umount $MNT
	unload_module
	load_module
}
refused() { no_device; }
done_() {
	mount_fs $DISK1 $MNT
	in_state 2
	sealed
}
sealed
each reload-inc $DISK1 /cow 0
expect_untouched
mount_fs $DISK1 $MNT
rm -f $MNT/cow

# Only what the driver itself asks for: the filter wants its code among the callers.
only_ours() {
	local start size
	start=$(cat /sys/module/dattobd/sections/.text)
	size=$(awk '$1 == "dattobd" { print $2 }' /proc/modules)
	for kind in failslab fail_page_alloc fail_make_request; do
		echo $start >$fault/$kind/require-start
		printf '0x%x' $((start + size)) >$fault/$kind/require-end
		echo 32 >$fault/$kind/stacktrace-depth
		echo -1 >$fault/$kind/times
		echo ${1:-0} >$fault/$kind/probability
	done
}
end=$((SECONDS + STRESS_SECONDS))
bytes=$(dev_bytes $DISK1)
echo 1 >/sys/block/${DISK1##*/}/make-it-fail
while :; do
	rounds=$((rounds + 1))
	kinds=(failslab fail_page_alloc fail_make_request)
	kind=${kinds[RANDOM % 3]}
	percent=$((1 + RANDOM % 20))
	say "round $rounds: $kind, $percent %"
	expect_ok dattoctl setup $DISK1 $MNT/cow1 0 48
	blkcmp extents $MNT/cow1 >/tmp/own1
	hash_dev /dev/datto0 /tmp/before
	only_ours 0
	echo $percent >$fault/$kind/probability
	for mode in direct buffered uring; do
		records write -m $mode -n 60 -b 256 -r $RANDOM $MNT/data 32 || fail "the origin's I/O fails"
	done
	sync
	only_ours 0
	drop_caches
	records verify $MNT/data
	if [ "$(info 0 error)" = 0 ]; then
		hash_dev /dev/datto0 /tmp/now
		expect_same -x /tmp/own1 /tmp/before /tmp/now
		expect_ok dattoctl trans-inc 0
	else
		dattoctl failure 0 | xargs
		failures=$((failures + 1))
		expect_ok dattoctl force-inc 0
	fi
	expect_ok dattoctl trans-snap $MNT/cow2 0 48
	hash_dev /dev/datto0 /tmp/after
	blkcmp extents $MNT/cow2 >/tmp/own2
	cowmap check $MNT/cow1 $bytes
	cowmap runs $MNT/cow1 $bytes >/tmp/changed
	expect_same -x /tmp/changed -x /tmp/own1 -x /tmp/own2 /tmp/before /tmp/after
	expect_ok dattoctl destroy 0
	rm $MNT/cow1
	[ $SECONDS -lt $end ] || break
done
echo 0 >/sys/block/${DISK1##*/}/make-it-fail
umount $MNT
check_fs $DISK1
echo "stat allocations that failed one by one: $injected"
echo "stat calls refused for it: $refusals"
echo "stat rounds with random failures: $rounds"
echo "stat snapshots that failed as they must: $failures"
