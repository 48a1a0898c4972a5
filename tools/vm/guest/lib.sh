# Helpers for cases. Sourced under `set -Eeuo pipefail`: a command that fails ends the case.

export LC_ALL=C
# mkfs.xfs makes file systems of less than 300 MB only for tests, which tell it so.
export TEST_DIR=yes TEST_DEV=yes QA_CHECK_FS=yes
KO=/share/guest/dattobd.ko
MNT=/mnt/a

say() { echo "== $* (${SECONDS} s)"; }

fail() {
	echo "FAILED at ${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}: $*"
	exit 1
}

# expect_errno NAME COMMAND...: the command prints just this errno's name.
expect_errno() {
	local want=$1 got
	shift
	got=$("$@" 2>&1) || true
	echo "$* -> $got"
	[ "$got" = "$want" ] || {
		echo "FAILED at ${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}: $*: expected $want, got $got"
		exit 1
	}
}

expect_ok() {
	local got
	got=$("$@" 2>&1) || true
	echo "$* -> $got"
	[ "$got" = OK ] || {
		echo "FAILED at ${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}: $*: expected OK, got $got"
		exit 1
	}
}

# expect_eq WHAT WANT GOT
expect_eq() {
	[ "$2" = "$3" ] || {
		echo "FAILED at ${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}: $1: expected '$2', got '$3'"
		exit 1
	}
}

# expect_fails COMMAND...: a non-zero exit status.
expect_fails() {
	local out
	if out=$("$@" 2>&1); then
		echo "FAILED at ${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}: $* succeeded: $out"
		exit 1
	fi
	echo "$* -> $out"
}

# expect_reason ERRNO TEXT ARGUMENT...: dattoctl is refused, and the driver says this about it.
expect_reason() {
	local want="$1${2:+ $2}" got
	shift 2
	got=$(dattoctl -r "$@" 2>&1 || true)
	got=${got/$'\n'/ }
	echo "$* -> $got"
	[ "$got" = "$want" ] || {
		echo "FAILED at ${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}: $*: expected $want"
		exit 1
	}
}

# One field of INFO: info MINOR FIELD
info() { dattoctl info "$1" "$2"; }

# expect_device MINOR STATE ERROR, as INFO and as /proc/datto-info say it.
expect_device() {
	expect_eq "state and error of $1" "$2 $3" "$(dattoctl info "$1" state error)"
	expect_eq "state and error of $1 in /proc" "$2 $3" \
		"$(jq -r ".devices[] | select(.minor == $1) | \"\(.state) \(.error // 0)\"" /proc/datto-info)"
}

# proc_field MINOR KEY; an absent key is 0.
proc_field() { jq -r ".devices[] | select(.minor == $1) | .$2 // 0" /proc/datto-info; }

# Nothing of this minor is visible anywhere.
expect_no_device() {
	[ ! -e "/dev/datto$1" ] || fail "/dev/datto$1 exists"
	[ ! -e "/sys/class/block/datto$1" ] || fail "/sys/class/block/datto$1 exists"
	expect_errno ENOENT dattoctl info "$1"
	expect_eq "devices $1 in /proc" "" "$(jq -r ".devices[] | select(.minor == $1) | .minor" /proc/datto-info)"
}

expect_no_file() { [ ! -e "$1" ] || fail "$1 exists: $(ls -l "$1")"; }

# As if nothing had ever been asked of the driver: no device, and it can be unloaded.
expect_untouched() {
	local users
	expect_eq "devices in /proc" 0 "$(jq '.devices | length' /proc/datto-info)"
	expect_eq "lowest free minor" 0 "$(dattoctl free)"
	! compgen -G '/dev/datto[0-9]*' && ! compgen -G '/sys/class/block/datto*' || fail "there are nodes"
	read -r users </sys/module/dattobd/refcnt
	expect_eq "users of the module" 0 "$users"
}

load_module() { insmod "$KO" "$@"; }

unload_module() { rmmod dattobd; }

# make_fs DEVICE: a fresh file system of the kind that this run is about.
make_fs() {
	local device=$1
	shift
	wipefs -qa "$device"
	case $FS in
	ext[234]) mkfs.$FS -q -F "$@" "$device" ;;
	xfs) mkfs.xfs -q -f "$@" "$device" ;;
	*) fail "no file system $FS" ;;
	esac
}

mount_fs() {
	mkdir -p "$2"
	mount -t "$FS" "$1" "$2"
}

# Mounts a snapshot or an image for reading, without the journal being replayed into it.
mount_snapshot() {
	local options=ro,noload
	[ "$FS" = ext4 ] || options=ro,norecovery,nouuid
	mkdir -p "$2"
	mount -t "$FS" -o "$options" "$1" "$2"
}

# No problem in the file system of an unmounted device or image.
check_fs() {
	case $FS in
	ext[234]) e2fsck -fn "$1" ;;
	xfs) xfs_repair -n "$1" ;;
	esac >/tmp/fsck.log 2>&1 || {
		cat /tmp/fsck.log
		fail "the file system on $1 is damaged"
	}
}

# What an administrator runs on an unmounted device: it may write.
repair_fs() {
	case $FS in
	ext4) e2fsck -fy "$1" ;;
	xfs) xfs_repair "$1" ;;
	esac >/tmp/fsck.log 2>&1 || [ $? = 1 ] || {
		cat /tmp/fsck.log
		fail "the file system on $1 cannot be repaired"
	}
}

# As check_fs, for an image of a frozen file system. A frozen XFS has a log that is to be replayed, and
# no tool counts right before that: a copy is mounted first.
check_image() {
	if [ "$FS" != xfs ]; then
		check_fs "$1"
		return
	fi
	cp --sparse=always "$1" "$1.replayed"
	mkdir -p /mnt/replay
	mount -t xfs -o loop,nouuid "$1.replayed" /mnt/replay
	umount /mnt/replay
	check_fs "$1.replayed"
	rm "$1.replayed"
}

# dm_create NAME [OPTION...]: table on stdin; there is no udev here to make the node.
dm_create() {
	local name=$1
	shift
	dmsetup create --noudevsync "$@" "$name"
	dmsetup mknodes "$name"
}

dev_bytes() { blockdev --getsize64 "$1"; }

# Mode for records while a file system is frozen. In 5.10 before 5.10.229 an io_uring write that waits for the freeze
# keeps those from ending that the freeze waits for (upstream 1d60d74e8526): fsfreeze(8) hangs as well.
uring_or_direct() {
	case $(uname -v) in
	*' 5.10.'[0-9][-~]* | *' 5.10.'[0-9][0-9][-~]* | *' 5.10.1'* | *' 5.10.2'[01][0-9]* | *' 5.10.22'[0-8]*) echo direct ;;
	*) echo uring ;;
	esac
}

drop_caches() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

# hash_dev DEVICE FILE: what each block of the device holds now.
hash_dev() { blkcmp hash "$1" >"$2"; }

# expect_same [-x RUNS]... A B: devices or hash files are equal except in these runs of blocks.
expect_same() {
	local out
	if ! out=$(blkcmp cmp "$@"); then
		echo "$out" | head -20
		fail "blocks differ: blkcmp cmp $*"
	fi
}

# expect_differ A B: for showing that a comparison is able to fail.
expect_differ() {
	local status=0
	blkcmp cmp "$@" >/dev/null || status=$?
	expect_eq "blkcmp cmp $*" 1 $status
}

# wait_for SECONDS COMMAND...: until the command succeeds; longer where all is slower.
wait_for() {
	local end=$((SECONDS + $1 * ${SLOWDOWN:-1}))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || fail "not within the time: $*"
		sleep 0.2
	done
}

# background COMMAND...: beside the case, until done_background or end_background.
BACKGROUND=()
background() {
	"$@" &
	BACKGROUND+=($!)
}

# all_done PID...: waits for each of them; one that has failed fails the case.
all_done() {
	local pid status
	for pid in "$@"; do
		status=0
		wait "$pid" || status=$?
		[ $status = 0 ] || fail "process $pid, in the background, ended with status $status"
	done
}

# Waits for what was begun by background.
done_background() {
	all_done "${BACKGROUND[@]}"
	BACKGROUND=()
}

# The same for what would go on: it ends, successfully, by SIGTERM, and must not have ended before.
end_background() {
	local pid early=
	for pid in "${BACKGROUND[@]}"; do
		kill "$pid" 2>/dev/null || early+=" $pid"
	done
	done_background
	[ -z "$early" ] || fail "in the background, ended too early:$early"
}

# Free memory in KiB when all that can be dropped was, with the pages on the CPUs' own lists: without
# those it swings by 20 MiB. Asked for until it grows no more, since some frees are deferred.
mem_free() {
	local last=0 now still=0
	while [ $still -lt 4 ]; do
		drop_caches
		sleep 0.5
		now=$(awk '/^MemFree:/ { kib = $2 } / count:/ { kib += 4 * $2 } END { print kib }' /proc/meminfo /proc/zoneinfo)
		still=$((still + 1))
		[ "$now" -le $((last + 512)) ] || still=0
		[ "$now" -le $last ] || last=$now
	done
	echo $last
}

# random_file PATH MIB: a file full of records, which neither repeat nor compress.
random_file() { records fill -r "$(cksum <<<"$1" | cut -c1-6)" "$1" "$2"; }

# log_much DIRECTORY: several MiB of log. After 2 MiB XFS's mark of the mount is gone.
log_much() {
	local i j
	for ((i = 0; i < 300; i++)); do
		mkdir "$1/much$BOOT.$i"
		for ((j = 0; j < 40; j++)); do : >"$1/much$BOOT.$i/$j"; done
		sync -f "$1"
	done
}
