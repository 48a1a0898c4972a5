# What the stress cases share. Sourced after lib.sh. STRESS_SEED, from which all random choices come, and
# STRESS_SECONDS are given by test:stress; else they are those of the short form.

STRESS_SEED=${STRESS_SEED:-1}
STRESS_SECONDS=${STRESS_SECONDS:-${1:-40}}
echo "seed $STRESS_SEED, $STRESS_SECONDS s"

# counted NAME NUMBER [TRIES]: for the report. A long run in which there was none of them has not shown what it
# is for; a slow machine may have come to but a few tries.
counted() {
	echo "stat $1: $2"
	[ "$2" -gt 0 ] || [ "$STRESS_SECONDS" -lt 100 ] || [ "${3:-25}" -lt 25 ] || fail "no $1"
}

# For a case that makes its file systems itself and is not run for each kind.
choose_fs() {
	FS=ext4
	[ $((STRESS_SEED % 2)) = 1 ] || FS=xfs
	echo "on $FS"
}

# make_fs_4k DEVICE [OPTION...]: with blocks of 4096 bytes, however small the device is.
make_fs_4k() {
	local device=$1 size=4096
	shift
	[ $FS != xfs ] || size=size=4096
	make_fs $device -b $size "$@"
}
