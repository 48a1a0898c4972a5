#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Compiles a copy of the module with W=1 for each usable set of kernel headers on
# this machine, with sparse when that is installed; and lets checkpatch.pl read
# the source, $CHECKPATCH or what comes with those headers. Any warning fails.

set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
checked=0 failed=0

# verdict NAME STATUS: what was said is in the log; a warning is a failure too.
verdict() {
	checked=$((checked + 1))
	if [ "$2" = 0 ] && ! grep -Eq 'warning:|error:' "$work/log"; then
		echo "PASS $1"
	else
		cat "$work/log"
		echo "FAIL $1"
		failed=$((failed + 1))
	fi
}

cp -R . "$work/kmod"
find "$work/kmod" \( -name '*.o' -o -name '*.ko' -o -name '.*.cmd' -o -name '.built-for' \) -delete
if command -v sparse >/dev/null; then
	sparse='C=1 CHECK=sparse'
else
	sparse=
	echo 'SKIP sparse: not installed'
fi
for dir in /lib/modules/*/build /usr/src/linux-headers-*; do
	[ -e "$dir/Makefile" ] && [ -e "$dir/include/generated/autoconf.h" ] || continue
	readlink -f "$dir"
done | sort -u >"$work/headers"
while read -r dir; do
	status=0
	# shellcheck disable=SC2086
	make -C "$work/kmod" KDIR="$dir" W=1 $sparse -j"$(nproc)" >"$work/log" 2>&1 </dev/null || status=$?
	with=${sparse:+ and sparse}
	if grep -q 'sparse is not available or not up to date' "$work/log"; then
		with=' (sparse is too old for it)'
	fi
	verdict "W=1$with for $dir" $status
	[ -n "${CHECKPATCH:-}" ] || [ ! -e "$dir/scripts/checkpatch.pl" ] || CHECKPATCH=$dir/scripts/checkpatch.pl
done <"$work/headers"
[ -s "$work/headers" ] || echo 'SKIP compiling: no kernel headers are installed'

if [ -n "${CHECKPATCH:-}" ] && command -v perl >/dev/null; then
	status=0
	# ALLOC_WITH_SIZEOF asks for what only the newest kernels have.
	find . -name '*.[ch]' ! -name '*.mod.c' ! -path ./compat/have.h -exec \
		perl "$CHECKPATCH" --no-tree --quiet --ignore ALLOC_WITH_SIZEOF -f {} + >"$work/log" 2>&1 || status=$?
	verdict "checkpatch: $CHECKPATCH" $status
else
	echo 'SKIP checkpatch: CHECKPATCH=PATH says where checkpatch.pl is'
fi
echo "$checked checked, $failed failed"
[ "$checked" != 0 ] && [ "$failed" = 0 ]
