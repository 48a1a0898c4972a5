#!/bin/bash
# The backup cycle twice over on a busy ext4, each command as a user would type it, and the proof of
# each image. Runs in a VM, or on the machine itself (see demo.mjs); told by its environment where
# things are: DISK1 the origin, DISK2 the place for backups, KO the module, GUEST tools/vm/guest.
set -Eeuo pipefail
trap 'echo "FAILED at ${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND"' ERR
: "${GUEST:=/share/guest}" "${MODULE:=$KO}" "${DATA:=/mnt/data}" "${BACKUP:=/mnt/backup}" "${IMAGE_MOUNT:=/mnt/image}"
FS=ext4
. "$GUEST/lib.sh"
. "$GUEST/activity.sh"
KO=$MODULE
IMAGE=$BACKUP/disk.img

# paint CODE TEXT: in colour where somebody looks at it.
paint() {
	if [ "${COLOUR:-0}" = 1 ]; then printf '\033[%sm%s\033[0m\n' "$1" "$2"; else printf '%s\n' "$2"; fi
}
heading() {
	echo
	paint 1 "$*"
	echo
}
tell() { paint 2 "$*"; }

# Shows a command and what it prints.
run() {
	paint 36 "# $*"
	"$@"
}

in_background() { tell "(meanwhile: $*)"; }

finish() {
	local status=$?
	trap - EXIT ERR
	set +e
	[ $status = 0 ] || cat /proc/datto-info 2>/dev/null
	touch $ACTIVITY/stop 2>/dev/null
	pkill -x records 2>/dev/null
	wait
	umount "$IMAGE_MOUNT" 2>/dev/null
	if grep -q '^dattobd ' /proc/modules; then
		dattoctl destroy 0 >/dev/null 2>&1
		rmmod dattobd
	fi
	umount "$DATA" 2>/dev/null
	umount "$BACKUP" 2>/dev/null
	exit $status
}

# prove COW_FILE [CHANGED]: see own_blocks.
prove() {
	tell "Proof:"
	own_blocks "$@"
	blkcmp cmp -x $ACTIVITY/own "$IMAGE" /dev/datto0 2>&1 || fail "the image differs from the snapshot"
	tell "the image equals the snapshot on every block outside the COW files' own"
	run e2fsck -fn "$IMAGE" 2>&1
	mkdir -p "$IMAGE_MOUNT"
	run mount -o ro,noload,loop "$IMAGE" "$IMAGE_MOUNT"
	check_activity "$IMAGE_MOUNT"
	umount "$IMAGE_MOUNT"
}

trap finish EXIT
mkdir -p "$DATA" "$BACKUP" $ACTIVITY

heading "A file system to back up, a place for the backup, the driver"
run mkfs.ext4 -q -F "$DISK1"
run mount "$DISK1" "$DATA"
mkfs.ext4 -q -F "$DISK2"
run mount "$DISK2" "$BACKUP"
run insmod "$KO"
start_activity "$DATA"
in_background "five programs write files below $DATA, all the time from here to the end"

heading "1. First snapshot"
note_activity before
run dbdctl setup-snapshot -f 80 "$DISK1" "$DATA/.datto1" 0
note_activity after
run ls -l /dev/datto0
run cat /proc/datto-info
heading "2. Full copy"
run update-img --full /dev/datto0 "$IMAGE"
prove "$DATA/.datto1"

for cycle in 1 2; do
	old=$DATA/.datto$cycle new=$DATA/.datto$((cycle + 1))
	heading "Cycle $cycle: 3. Only track changes"
	run dbdctl transition-to-incremental 0
	[ ! -e /dev/datto0 ] || fail "/dev/datto0 is still there"
	change_quiet_files "$DATA" $((cycle + 1))
	in_background "the writers go on; 40 more files are made"
	sleep 3
	heading "Cycle $cycle: 4. Next snapshot"
	note_activity before
	run dbdctl transition-to-snapshot "$new" 0
	note_activity after
	run cat /proc/datto-info
	tell "The image is of the last snapshot:"
	run cmp "$IMAGE" /dev/datto0 && fail "nothing changed since the last snapshot"
	heading "Cycle $cycle: 5. Bring the image up to date"
	cowmap runs "$old" "$(dev_bytes "$DISK1")" >$ACTIVITY/changed
	run update-img /dev/datto0 "$old" "$IMAGE"
	prove "$new" $ACTIVITY/changed
	heading "Cycle $cycle: 6. The old COW file has served"
	run rm "$old"
done

heading "The end"
run dbdctl destroy 0
stop_activity
run rmmod dattobd
run umount "$DATA"
umount "$BACKUP"
run e2fsck -fn "$DISK1" 2>&1
expect_eq "left in /dev" "" "$(ls /dev | grep datto || true)"
heading "Two cycles done: each image was the snapshot's, block for block and file for file."
