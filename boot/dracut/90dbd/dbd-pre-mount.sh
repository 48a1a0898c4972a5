#!/bin/sh
# Sourced before the root file system is checked and mounted. Whatever goes wrong here costs a full
# backup, not the boot.
# shellcheck disable=SC2154 # root is dracut's

/usr/lib/dbd/dbd-reload >/dev/null
case "$root" in
block:/dev/*)
	/usr/lib/dbd/dbd-reload "${root#block:}" >/dev/null
	;;
esac
:
