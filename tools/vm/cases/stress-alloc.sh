# Each allocation of each call fails in turn, then allocations and our own I/O at random under load: a call
# is refused and changes nothing, or succeeds; the origin's I/O never fails; a snapshot is exact or fails;
# the map has every change. The short form tries one allocation of 400. STRESS_CALLS says which calls,
# "random" being the second part, and STRESS_SHARE=K/N that only allocations n with n % N == K are tried.
# kernels: debug-*
# disks: 160M 64M
# start: module
# timeout: 2400
# dmesg-allow: (I/O error|Buffer I/O|EXT4-fs (error|warning)).*datto[01]|page allocation failure|FAULT_INJECTION

. /share/guest/stress.sh 40
shopt -s extglob
RANDOM=$STRESS_SEED
fault=/sys/kernel/debug
injected=0 refusals=0 rounds=0 failures=0 faults=0
bytes=$(dev_bytes $DISK1)

if [ $STRESS_SECONDS -lt 100 ]; then share=$((STRESS_SEED % 400))/400; else share=0/1; fi
share=${STRESS_SHARE:-$share}
shares=${share#*/} share=${share%/*}
echo "calls: ${STRESS_CALLS:-all}; allocations n with n % $shares = $share"
wanted() { [[ " ${STRESS_CALLS:-all} " = *" all "* || " $STRESS_CALLS " = *" $1 "* ]]; }

for kind in failslab fail_page_alloc; do
	echo N >$fault/$kind/ignore-gfp-wait
done
for kind in $fault/fail*/verbose; do echo 0 >$kind; done
echo 0 >$fault/fail_page_alloc/min-order

# Without a process, of which each takes a second here: $text, what /proc says of all devices.
look() {
	text=
	read -r -d '' text </proc/datto-info || true
	[[ $text == *'"version"'* ]] || fail "/proc/datto-info cannot be read: $text"
}
# The same but for what counts on when nobody calls.
look_still() {
	local counts='"@(nr_changed_blocks|cow_free)": +([0-9])'
	look
	text=${text//$counts/}
}
status() {
	look
	# shellcheck disable=SC2053
	[[ $text == $1 ]] || fail "expected $1: $text"
}
no_device() {
	status '!(*"minor"*)'
	expect_no_file /dev/datto0
	expect_no_file /dev/datto1
}
in_state() { status "*\"state\": $1*" && status '!(*"error"*)'; }

# each COMMAND...: every allocation fails once. What there has to be then, and what is done for the next
# try, say `refused`, `done_`, and `passed` after the last one, in which nothing fails.
each() {
	local n out before
	wanted $1 || return 0
	# The first one always: it tells whether there are any.
	for ((n = 1; ; n += 1 + ((share - n - 1) % shares + shares) % shares)); do
		look_still
		before=$text
		mapfile -t out < <(dattoctl -n$n "$@" || true)
		echo "$1, allocation $n: ${out[*]}"
		[ "${out[-1]}" = failed ] || break
		injected=$((injected + 1))
		case ${out[0]} in
		OK | [0-9]* | *=*) done_ ;;
		*)
			refusals=$((refusals + 1))
			look_still
			[ "$text" = "$before" ] || fail "a refused call changed $before to $text"
			refused
			;;
		esac
	done
	case ${out[0]} in
	OK | [0-9]* | *=*) passed ;;
	*) fail "$1 is refused, and no allocation failed" ;;
	esac
	echo "$1: less than $n allocations"
	[ $n -gt 1 ] || [ $1 = destroy ] || fail "$1 allocates nothing: nothing was tried"
}
none_done() {
	refused() { :; }
	done_() { :; }
	passed() { done_; }
}
undo() { expect_ok "$@" >/dev/null; }
change() { records write -n 40 -b 64 -r $RANDOM $MNT/data 32 >/dev/null; }

# first_snapshot MIB: of minor 0, in /cow, as /tmp/before.
first_snapshot() {
	undo dattoctl setup $DISK1 $MNT/cow 0 $1
	blkcmp extents $MNT/cow >/tmp/own1
	hash_dev /dev/datto0 /tmp/before
}
incremental() {
	first_snapshot 24
	undo dattoctl trans-inc 0
}
# gone: no device, and none of its files.
gone() {
	undo dattoctl destroy 0
	rm -f $MNT/cow $MNT/next
	expect_untouched
}

# What is free in a file system means nothing: a call that was refused may have had its COW file there.
free_blocks() {
	dumpe2fs $1 2>/dev/null | awk '/^  Free blocks: / {
		gsub(/[,:]/, "")
		for (i = 3; i <= NF; i++) { split($i "-" $i, run, "-"); print run[1], run[2] - run[1] + 1 }
	}'
}
# The snapshot is what it was.
prove_snapshot() {
	hash_dev /dev/datto0 /tmp/now
	expect_same -x /tmp/own1 /tmp/before /tmp/now
}
# prove_map COW NEXT: it has all that differs between /tmp/before and the snapshot that NEXT is of.
prove_map() {
	hash_dev /dev/datto0 /tmp/after
	blkcmp extents $2 >/tmp/own2
	free_blocks /dev/datto0 >/tmp/free
	cowmap check $1 $bytes
	cowmap runs $1 $bytes >/tmp/changed
	expect_same -x /tmp/changed -x /tmp/own1 -x /tmp/own2 -x /tmp/free /tmp/before /tmp/after
	expect_differ -x /tmp/own1 -x /tmp/own2 -x /tmp/free /tmp/before /tmp/after
}
# From incremental mode on.
prove_next() {
	in_state 2
	change
	undo dattoctl trans-snap $MNT/next 0 24
	prove_map $MNT/cow $MNT/next
}

make_fs $DISK1 -b 4096
make_fs $DISK2 -b 4096
mount_fs $DISK1 $MNT
mount_fs $DISK2 /mnt/b
random_file $MNT/data 32
sync

say "first snapshots"
none_done
refused() { no_device && expect_no_file $MNT/cow && expect_no_file /mnt/b/cow; }
done_() { undo dattoctl destroy 0; }
each setup $DISK1 $MNT/cow 0 16
expect_untouched
done_() {
	undo dattoctl destroy 0
	undo dattoctl destroy 1
}
each group $DISK1 $MNT/cow 0 16 $DISK2 /mnt/b/cow 1 16
expect_untouched

say "in snapshot mode"
none_done
first_snapshot 24
done_() { in_state 3; }
each info 0
each failure 0
each reconfigure 0 131072
each expand 1 0
each auto-expand 1 8 0
in_state 3
blkcmp extents $MNT/cow >/tmp/own1
change
prove_snapshot
gone

none_done
first_snapshot 24
change
done_() {
	in_state 2
	gone
	first_snapshot 24
	change
}
passed() { prove_next; }
each trans-inc 0
gone

say "after an overflow"
overflow() {
	first_snapshot 12
	records write -m direct -n 300 -b 256 -r $RANDOM $MNT/data 32 >/dev/null
	expect_eq "error" -27 "$(info 0 error)"
}
if wanted force-inc; then
	none_done
	overflow
	done_() {
		in_state 2
		gone
		overflow
	}
	passed() { prove_next; }
	each force-inc 0
	gone
fi

say "in incremental mode"
none_done
incremental
change
refused() { expect_no_file $MNT/next; }
done_() {
	in_state 3
	gone
	incremental
	change
}
passed() {
	in_state 3
	prove_map $MNT/cow $MNT/next
}
each trans-snap $MNT/next 0 24
gone

none_done
incremental
done_() {
	no_device
	rm -f $MNT/cow
	incremental
}
each destroy 0
in_state 2
gone

say "reload"
sealed() {
	umount $MNT
	unload_module
	load_module
}
# taken_up STATE: the device that was reloaded, by the mount.
taken_up() {
	mount_fs $DISK1 $MNT
	in_state $1
}
refused() { no_device; }
if wanted reload-inc; then
	incremental
	change
	sealed
	done_() {
		taken_up 2
		sealed
	}
	passed() {
		taken_up 2
		prove_next
	}
	each reload-inc $DISK1 /cow 0
	gone
fi
if wanted reload-snap; then
	first_snapshot 24
	change
	sealed
	done_() {
		taken_up 3
		sealed
	}
	passed() {
		taken_up 3
		change
		prove_snapshot
	}
	each reload-snap $DISK1 /cow 0
	gone
fi
if wanted resume; then
	ln -s /cow $MNT/live
	ln -s /next $MNT/record
	first_snapshot 24
	change
	sealed
	# What has been a snapshot is one no more.
	done_() {
		taken_up 2
		sealed
	}
	passed() {
		taken_up 2
		prove_next
	}
	each resume $DISK1 /live 0 /record
	gone
fi

# Only what the driver itself asks for: the filter wants its code among the callers.
ENOUGH=1000000
only_ours() {
	local start size
	start=$(cat /sys/module/dattobd/sections/.text)
	size=$(awk '$1 == "dattobd" { print $2 }' /proc/modules)
	for kind in failslab fail_page_alloc fail_make_request; do
		echo 0 >$fault/$kind/probability
		echo $start >$fault/$kind/require-start
		printf '0x%x' $((start + size)) >$fault/$kind/require-end
		echo 32 >$fault/$kind/stacktrace-depth
		# It counts down.
		echo $ENOUGH >$fault/$kind/times
	done
	# A write of the origin's that was held is sent by the driver, but not its own.
	local bounds
	mapfile -t bounds < <(grep -F '[dattobd]' /proc/kallsyms | sort |
		awk 'found { print $1; exit } $3 == "dbd_target_send" { print $1; found = 1 }')
	[ ${#bounds[@]} = 2 ] || fail "no dbd_target_send"
	echo 0x${bounds[0]} >$fault/fail_make_request/reject-start
	echo 0x${bounds[1]} >$fault/fail_make_request/reject-end
}

round() {
	local kinds=(failslab fail_page_alloc fail_make_request) choice percent left
	choice=${kinds[rounds % 3]}
	rounds=$((rounds + 1))
	percent=$((1 + RANDOM % 20))
	say "round $rounds: $choice, $percent %"
	first_snapshot 48
	only_ours
	echo $percent >$fault/$choice/probability
	for mode in direct buffered uring; do
		records write -m $mode -n 60 -b 256 -r $RANDOM $MNT/data 32 || fail "the origin's I/O fails"
	done
	sync
	echo 0 >$fault/$choice/probability
	left=$(cat $fault/$choice/times)
	echo "$((ENOUGH - left)) of them failed"
	faults=$((faults + ENOUGH - left))
	drop_caches
	records verify $MNT/data
	if [ "$(info 0 error)" = 0 ]; then
		prove_snapshot
		expect_ok dattoctl trans-inc 0
	else
		dattoctl failure 0 | xargs
		failures=$((failures + 1))
		expect_ok dattoctl force-inc 0
	fi
	expect_ok dattoctl trans-snap $MNT/next 0 48
	prove_map $MNT/cow $MNT/next
	gone
}

if wanted random; then
	end=$((SECONDS + STRESS_SECONDS))
	echo 1 >/sys/block/${DISK1##*/}/make-it-fail
	until [ $rounds -ge 3 ] && [ $SECONDS -ge $end ]; do round; done
	echo 0 >/sys/block/${DISK1##*/}/make-it-fail
	[ $faults -gt 0 ] || fail "nothing failed in $rounds rounds"
fi
umount $MNT
umount /mnt/b
check_fs $DISK1
check_fs $DISK2
echo "stat allocations that failed one by one: $injected"
echo "stat calls refused for it: $refusals"
echo "stat rounds with random failures: $rounds"
echo "stat random failures: $faults"
echo "stat snapshots that failed as they must: $failures"
