#!/bin/bash
# What root.sh has each boot do; in the guest, as root, with the tracked file system as its root.
set -Eeuo pipefail
trap 'echo "FAILED at line $LINENO: $BASH_COMMAND"' ERR
boot=$(cat boot)
dbdctl() { /run/node/node /run/repo/packages/ctl/bin/dbdctl.js "$@"; }
say() { echo "== boot $boot: $*"; }
field() { dbdctl info --json 0 | /run/node/node -p "JSON.parse(require('fs').readFileSync(0)).device.$1"; }
fail() { echo "FAILED: $*"; exit 1; }
eq() { [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"; }

# The journal of the device's last hours in one line each.
tracked() {
	dmesg | grep datto || true
	cat /run/initramfs/dbd.log 2>/dev/null || true
	eq state "active incremental" "$(field state)"
	eq "COW file" "$1" "$(field cowFile)"
	eq "seq id" "$2" "$(field seqId)"
	systemctl --no-pager --full status dbd-reload.service dbd-check.service || fail "the units"
}
note() {
	sync
	blkcmp hash /dev/datto0 >"hash$1"
	blkcmp extents /cow$1 >own$1.runs
}
covered() {
	local size
	size=$(blockdev --getsize64 /dev/vda)
	cowmap check /cow$1 $size
	cowmap runs /cow$1 $size >changed.runs
	blkcmp cmp -x changed.runs -x own$1.runs -x own$2.runs hash$1 hash$2 | head -20
	say "changed blocks: $(awk '{ n += $2 } END { print n }' changed.runs)"
	! blkcmp cmp -x own$1.runs -x own$2.runs hash$1 hash$2 >/dev/null || fail "nothing differs"
}
next() {
	dbdctl transition-to-snapshot /cow$1 0
	note $1
	covered $(($1 - 1)) $1
	dbdctl transition-to-incremental 0
}

if [ $boot = 1 ]; then
	say "the initramfs knew of a device that has no record yet"
	dbdctl list
	eq state "unverified incremental" "$(field state)"
	dbdctl destroy 0
	dbdctl setup-snapshot -f 100 --persist /dev/vda /cow1 0
	eq persistent true "$(field persistent)"
	note 1
	dbdctl transition-to-incremental 0
else
	last=$((boot - 1))
	tracked /cow$last $last
	next $boot
	rm -f /cow$last "hash$last" own$last.runs
	say "passed"
fi
records write -t 1 -b 512 -r 7$boot /var/data 16 2>/dev/null || { records fill -r 1 /var/data 16; records write -n 200 /var/data 16; }
if [ -e cut ]; then
	setsid records write -m direct -t 600 -b 64 -r 31 /var/data 16 >/dev/null 2>&1 &
fi
