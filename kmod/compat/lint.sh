#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
#   lint.sh [DIR]
#
# Differences between kernels stay in compat/ and rest on probes: no version is
# compared, each macro that is used is probed for and each probe is used, and only
# in a form that -Wundef can see. DIR is the module's source.

set -eu
LC_ALL=C
export LC_ALL
cd "${1:-$(dirname "$0")/..}"
used='DBD_HAVE_[A-Za-z0-9_]*'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

complain() { # MESSAGE, offending lines on stdin
	lines=$(cat)
	[ -n "$lines" ] || return 0
	printf 'dattobd: %s\n%s\n' "$1" "$lines" >&2
	: >"$work/bad" # we are in a pipe's subshell
}

files=$(find . -name '*.[ch]' ! -name '*.mod.c' ! -path ./compat/have.h)
# shellcheck disable=SC2086
grep -nE 'LINUX_VERSION_CODE|KERNEL_VERSION *\(|LINUX_VERSION_(MAJOR|PATCHLEVEL|SUBLEVEL)' $files |
	complain 'kernel versions are compared; probe for the thing itself, in compat/probes.list:'
# shellcheck disable=SC2086
grep -nE '\bHAVE_|DBD_HAVE_' $(printf '%s\n' $files | grep -v '^\./compat/') /dev/null |
	complain 'feature code asks what the kernel has; that is for compat/:'
grep -n "$used" compat/*.[ch] | grep -v '^compat/have\.h:' |
	grep -vE ':#(if|elif) !?DBD_HAVE_[A-Z0-9_]+(( &&| \|\|) !?DBD_HAVE_[A-Z0-9_]+)*$' |
	complain 'a macro is used in another form than "#if DBD_HAVE_...":'

grep -E '^DBD_HAVE_' compat/probes.list | sort >"$work/probed"
ls compat/*.[ch] | grep -v 'have\.h' | xargs grep -ohE "$used" | sort -u >"$work/used"
comm -13 "$work/probed" "$work/used" | complain 'used in compat/ but not probed for:'
comm -23 "$work/probed" "$work/used" | complain 'probed for but used nowhere:'
[ ! -e "$work/bad" ]
