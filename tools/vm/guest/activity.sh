# A busy file system whose state at an instant can be proved afterwards. Sourced after lib.sh.
#
#   quiet/     files that rest; their checksums are taken beforehand
#   churn/     write i makes a file, notes its checksum, renames it into place, and removes the one
#              of KEPT writes ago: an instant shows a window of consecutive files, each with the
#              checksum noted for it
#   ring       records in a fixed order: an instant shows all up to some write and none after it
#   random-*   sectors that say what they are, overwritten at random

KEPT=40
SLOTS=500
ACTIVITY=/tmp/activity

# A fresh state of the resting files and a manifest of them.
change_quiet_files() {
	local dir=$1/quiet round=$2 i
	mkdir -p "$dir"
	rm -f "$dir"/round$((round - 2))-*
	for i in $(seq 40); do
		head -c $((RANDOM * 2)) /dev/urandom >"$dir/round$round-$i"
	done
	(cd "$1" && md5sum quiet/*) >$ACTIVITY/quiet
}

churn() {
	local dir=$1 i=0 sum
	mkdir -p "$dir"
	while [ ! -e $ACTIVITY/stop ]; do
		i=$((i + 1))
		head -c $((RANDOM % 60000)) /dev/urandom >"$dir/new"
		sum=$(md5sum <"$dir/new")
		# Noted before it can be seen under its name.
		echo "$i ${sum%% *}" >>$ACTIVITY/churn
		mv "$dir/new" "$dir/$i"
		[ $i -le $KEPT ] || rm "$dir/$((i - KEPT))"
		# Busy, but not so much that emulation does nothing else.
		sleep 0.2
		echo $i >$ACTIVITY/churn.done.new
		mv $ACTIVITY/churn.done.new $ACTIVITY/churn.done
	done
}

start_activity() {
	rm -rf $ACTIVITY
	mkdir -p $ACTIVITY
	touch $ACTIVITY/own.last
	change_quiet_files "$1" 1
	churn "$1/churn" &
	CHURN=$!
	background records ring -p 20 -t 100000 "$1/ring" $SLOTS $ACTIVITY/ring >/dev/null
	background records write -m buffered -p 50 -t 100000 -b 64 -r 71 "$1/random-buffered" 8 >/dev/null
	background records write -m direct -p 50 -t 100000 -b 256 -r 72 "$1/random-direct" 16 >/dev/null
	background records write -m mmap -p 50 -t 100000 -b 32 -r 73 "$1/random-mmap" 8 >/dev/null
	wait_for 60 eval '[ "$(cat '$ACTIVITY'/churn.done 2>/dev/null || echo 0)" -gt 5 ] && [ -s '$ACTIVITY'/ring ]'
}

stop_activity() {
	touch $ACTIVITY/stop
	end_background
	all_done $CHURN
}

# note_activity before|after: how far the writers are, around the moment of a snapshot.
note_activity() {
	cat $ACTIVITY/churn.done >$ACTIVITY/churn.$1
	sed 's/^0*//' $ACTIVITY/ring >$ACTIVITY/ring.$1
	[ "$1" = after ] || cp $ACTIVITY/quiet $ACTIVITY/quiet.expected
}

# own_blocks COW_FILE [CHANGED]: runs of blocks that are, or were and have not been written since, a COW
# file's. What those hold means nothing outside the driver, so an image need not have it. To be called
# once a snapshot, its COW file being as large as it ever is then; CHANGED are the runs that the
# last COW file marks: such blocks have been written by the file system, and the image must have them.
own_blocks() {
	touch $ACTIVITY/own
	awk 'FILENAME == ARGV[1] { for (b = $1; b < $1 + $2; b++) changed[b] = 1; next }
		{ for (b = $1; b < $1 + $2; b++) if (!(b in changed)) print b, 1 }' \
		"${2:-/dev/null}" $ACTIVITY/own.last $ACTIVITY/own >$ACTIVITY/own.new
	blkcmp extents "$1" >$ACTIVITY/own.last
	cat $ACTIVITY/own.last $ACTIVITY/own.new >$ACTIVITY/own
}

# check_activity DIR: it holds the state of one instant between the two notes. Prints what it found.
check_activity() {
	local dir=$1 low high got first last name torn count=0
	(cd "$dir" && md5sum --quiet -c $ACTIVITY/quiet.expected) || fail "resting files changed"
	expect_eq "resting files" "$(wc -l <$ACTIVITY/quiet.expected)" "$(ls "$dir/quiet" | wc -l)"
	echo "$(wc -l <$ACTIVITY/quiet.expected) resting files: checksums as before the snapshot"

	low=$(cat $ACTIVITY/churn.before) high=$(($(cat $ACTIVITY/churn.after) + 1))
	last=$(ls "$dir/churn" | grep -vx new | sort -n | tail -1)
	first=$(ls "$dir/churn" | grep -vx new | sort -n | head -1)
	[ "$last" -ge "$low" ] && [ "$last" -le "$high" ] || fail "newest file is $last, expected $low to $high"
	awk -v a="$first" -v b="$last" 'a <= $1 && $1 <= b { print $2 "  churn/" $1 }' $ACTIVITY/churn >$ACTIVITY/churn.expected
	(cd "$dir" && md5sum --quiet -c $ACTIVITY/churn.expected) || fail "a file being made is not what it was"
	count=$((last - first + 1))
	expect_eq "files noted" $count "$(wc -l <$ACTIVITY/churn.expected)"
	[ $count -ge $KEPT ] && [ $count -le $((KEPT + 1)) ] || [ "$last" -le $KEPT ] || fail "$count files in the window"
	expect_eq "files in the window" $count "$(ls "$dir/churn" | grep -vcx new)"
	echo "$count files being made and removed, $first to $last (then at $low to $high): each with its checksum"

	low=$(cat $ACTIVITY/ring.before) high=$(($(cat $ACTIVITY/ring.after) + 1))
	got=$(records ring-verify "$dir/ring" $SLOTS)
	[ "$got" -ge "$low" ] && [ "$got" -le "$high" ] || fail "the ring ends at write $got, expected $low to $high"
	echo "ordered writes: all up to number $got (then at $low to $high), none after it"
	for name in buffered direct mmap; do
		# A copy into a mapping waits within a sector when its page is being frozen.
		[ $name = mmap ] && torn=1 || torn=0
		got=$(records verify -x $torn "$dir/random-$name")
		echo "random $name writes: $got, none misplaced, at most $torn torn"
	done
}
