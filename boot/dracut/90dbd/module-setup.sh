#!/bin/bash
# Puts into the initramfs what tracks the root file system again before it is mounted.
# shellcheck disable=SC2154 # moddir is dracut's

check() {
	compgen -G '/etc/dbd/devices/*-*' >/dev/null || return 255
	require_binaries /usr/lib/dbd/dbd-reload || return 1
}

depends() {
	return 0
}

installkernel() {
	hostonly='' instmods dattobd
}

install() {
	local file
	inst_binary /usr/lib/dbd/dbd-reload
	for file in /etc/dbd/devices/*-*; do
		inst_simple "$file"
	done
	inst_hook pre-mount 10 "$moddir/dbd-pre-mount.sh"
}
