#!/bin/sh
# host.sh ROOT DIST TAR, in a mount name space of its own: installs the packages of DIST over the root file system
# ROOT, which stays as it is, and packs what that changed. DKMS builds here and not in the VM, where it would take long.
set -eu
root=$1 dist=$2 tar=$3
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o "lowerdir=$root,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/root
mount -t proc proc /mnt/root/proc
mount --rbind /dev /mnt/root/dev
mount -t tmpfs tmpfs /mnt/root/tmp
mount -t tmpfs tmpfs /mnt/root/var/cache
mount -t tmpfs tmpfs /mnt/root/var/lib/apt
mkdir /mnt/root/tmp/dist /mnt/root/var/lib/apt/lists
mount --bind "$dist" /mnt/root/tmp/dist
# The mirror of a suite may be old.
install() {
	chroot /mnt/root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Check-Valid-Until=false "$@"
}
install update
install -y --no-install-recommends install dkms openssl
# As an administrator does it.
# shellcheck disable=SC2046
install -y --no-install-recommends install $(cd "$dist" && printf '/tmp/dist/%s ' dattobd-dkms_*_all.deb dattobd-utils_*_amd64.deb)
chroot /mnt/root dkms status
# A kernel that is not supported is no failure.
chroot /mnt/root sh -c 'dkms build -m dattobd -v "$1" -k 5.15.0-1-amd64; status=$?; [ $status = 77 ] || [ $status = 9 ]' sh \
	"$(ls /mnt/root/usr/src | sed -n 's/^dattobd-//p')"
tar -C /mnt/upper -cf "$tar" --exclude=./var/cache --exclude=./var/lib/apt .
