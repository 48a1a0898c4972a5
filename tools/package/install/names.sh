# shellcheck shell=bash disable=SC2034
# Sourced, on the host and in the VM.
PACKAGES="dattobd-dkms dattobd-utils"
UNITS="dbd-reload.service dbd-check.service"
ROOT_UUID=4f2d1c5e-6a77-4d3b-9d56-0f1e2d3c4b5a
DATA_UUID=7d1e0b52-93c4-4f0d-8a51-5c6b7a89d0e1

# All files below . by whose names they would be ours, and those that are there by what we do.
names() {
	find . -xdev \( -path ./proc -o -path ./dev -o -path ./sys -o -path ./tmp -o -path ./run/share -o -path ./run/repo -o -path ./run/node \
		-o -path ./var/log \) -prune \
		-o \( -name '*dattobd*' -o -name '*dbdctl*' -o -name '*update-img*' -o -name '*dbd-*' -o -name dbd -o -name '*90dbd' \) -print |
		sort
}
