# The proof for one way of writing, or one kind of origin. Sourced after lib.sh.
#
#   prove_begin DEVICE MNT [MINOR [MIB]]   takes the first snapshot
#   prove NAME COMMAND...                  runs the command once while a snapshot is kept and once in
#                                          incremental mode: all bytes of the snapshot stay what they
#                                          were at its instant, and the map between this snapshot and
#                                          the next has every block in which they differ. The command
#                                          must change something, and is told SEED, another each time.
#   prove_end
#
# Left out of both are the blocks of the COW files, which the driver writes itself. Scratch files are
# kept by minor, so that several proofs can run at once.

SEED=0

# Snapshot $P_K and its blocks.
_p_note() {
	hash_dev "/dev/datto$P_MINOR" "$P_DIR/hash$P_K"
	blkcmp extents "$P_MNT/cow$P_K" >"$P_DIR/own$P_K"
}

prove_begin() {
	P_DEV=$1 P_MNT=$2 P_MINOR=${3:-0} P_K=1 P_DIR=/tmp/proof${3:-0} SEED=0
	rm -rf "$P_DIR"
	mkdir "$P_DIR"
	expect_ok dattoctl setup "$P_DEV" "$P_MNT/cow1" "$P_MINOR" "${4:-48}"
	_p_note
}

# prove_kept NAME COMMAND...: the first half of prove.
prove_kept() {
	local name=$1 skip="-x $P_DIR/own$P_K"
	shift
	say "$name while a snapshot is kept"
	SEED=$((SEED + 1))
	"$@"
	sync
	hash_dev "/dev/datto$P_MINOR" "$P_DIR/now"
	# shellcheck disable=SC2086
	expect_same $skip "$P_DIR/hash$P_K" "$P_DIR/now"
	expect_device "$P_MINOR" 3 0
}

# prove_marked NAME COMMAND...: the other.
prove_marked() {
	local name=$1 last=$P_K bytes
	shift
	bytes=$(dev_bytes "$P_DEV")
	expect_ok dattoctl trans-inc "$P_MINOR"
	say "$name in incremental mode"
	SEED=$((SEED + 1))
	"$@"
	P_K=$((P_K + 1))
	expect_ok dattoctl trans-snap "$P_MNT/cow$P_K" "$P_MINOR"
	_p_note
	cowmap check "$P_MNT/cow$last" "$bytes"
	cowmap runs "$P_MNT/cow$last" "$bytes" >"$P_DIR/changed"
	expect_same -x "$P_DIR/changed" -x "$P_DIR/own$last" -x "$P_DIR/own$P_K" "$P_DIR/hash$last" "$P_DIR/hash$P_K"
	expect_differ -x "$P_DIR/own$last" -x "$P_DIR/own$P_K" "$P_DIR/hash$last" "$P_DIR/hash$P_K"
	rm "$P_MNT/cow$last" "$P_DIR/hash$last" "$P_DIR/own$last"
}

prove() {
	prove_kept "$@"
	prove_marked "$@"
}

prove_end() {
	expect_device "$P_MINOR" 3 0
	expect_ok dattoctl destroy "$P_MINOR"
	expect_no_file "$P_MNT/cow$P_K"
}
