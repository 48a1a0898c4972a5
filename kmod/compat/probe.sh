#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
#   probe.sh LIST HEADER COMPILER...
#
# Compiles each probe of LIST with COMPILER and its flags and writes HEADER, which
# defines each macro as 1, or as 0 where the compiler made just the objection that
# the list allows. Any other objection means that the question was not answered:
# then there is no HEADER and the exit status is not 0.

set -eu
LC_ALL=C
export LC_ALL
list=$1 header=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
rm -f "$header"

stop() {
	printf 'dattobd: %s\n' "$*" >&2
	exit 1
}

# The stanzas, as MACRO.c and MACRO.allowed; their order in `macros`.
macro=
while IFS= read -r line || [ -n "$line" ]; do
	case $line in
	'# '*) ;;
	'') macro= ;;
	'error: '*) printf '%s\n' "${line#error: }" >>"$work/$macro.allowed" ;;
	*)
		if [ -n "$macro" ]; then
			printf '%s\n' "$line" >>"$work/$macro.c"
		else
			macro=$line
			[ ! -e "$work/$macro.c" ] || stop "$list has two probes for $macro"
			printf '%s\n' "$macro" >>"$work/macros"
			printf '#line 1 "%s"\n' "probe of $macro" >"$work/$macro.c"
			: >"$work/$macro.allowed"
		fi
		;;
	esac
done <"$list"

# Whether a warning is an error is not for the kernel's configuration to say.
xargs -P "$(nproc 2>/dev/null || echo 1)" -I @MACRO@ sh -c '
	base=$1
	shift
	if "$@" -fsyntax-only "$base.c" >"$base.log" 2>&1; then : >"$base.yes"; fi
' sh "$work/@MACRO@" "$@" -Wno-error -Werror=implicit-function-declaration \
	-Werror=incompatible-pointer-types -Werror=int-conversion <"$work/macros"

for macro in $(cat "$work/macros"); do
	base=$work/$macro
	if [ -e "$base.yes" ]; then
		answer=1
	elif grep -q 'error:' "$base.log" && ! grep 'error:' "$base.log" | grep -Evqf "$base.allowed"; then
		answer=0
	else
		cat "$base.log" >&2
		stop "the probe for $macro failed, but not with an error that $list expects"
	fi
	printf '#define %s %s\n' "$macro" "$answer"
done >"$work/have.h"
mv "$work/have.h" "$header"
