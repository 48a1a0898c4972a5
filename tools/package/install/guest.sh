# In the VM: the packages are installed; the whole cycle with what they brought; purge leaves nothing.
set -Eeuo pipefail
trap 'echo "FAILED at $LINENO: $BASH_COMMAND"' ERR
FS=ext4
. /share/guest/lib.sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
PACKAGES="dattobd-dkms dattobd-utils"

# What the packages' names are in, but for what is not the machine's own.
traces() {
	find / -xdev \( -path /share -o -path /repo -o -path /node -o -path /proc -o -path /sys -o -path /tmp -o -path /mnt \) -prune \
		-o \( -name '*dattobd*' -o -name '*dbdctl*' -o -name '*update-img*' \) -print
}

say "what the packages brought"
traces >/tmp/before || true
tar -xf /repo/build/install.tar -C /
expect_eq "state" "install ok installed" "$(dpkg-query -Wf '${Status}' dattobd-utils)"
expect_eq "configuration" "" "$(dpkg --audit)"

say "no Node"
expect_fails dbdctl list | grep 'dbdctl: there is no Node here, and 20 or newer is needed'

say "the module that DKMS built"
export DATTOBD_NODE=/node/node
dbdctl doctor | tee /tmp/doctor || true
grep 'Load it: modprobe dattobd' /tmp/doctor
modprobe dattobd
modinfo -n dattobd | grep /updates/dkms/
# With the key that is to be enrolled where Secure Boot is on.
modinfo -F signer dattobd | grep .
openssl x509 -inform DER -noout -subject -in /var/lib/dkms/mok.pub
grep -x dattobd /usr/lib/modules-load.d/dattobd.conf

say "nobody looks at a snapshot"
/lib/systemd/systemd-udevd --daemon
make_fs "$DISK1"
mount_fs "$DISK1" "$MNT"
udevadm trigger --action=add --settle "$DISK1"
udevadm info "$DISK1" | grep ID_FS_UUID=
dd if=/dev/urandom of=$MNT/one bs=1M count=20 status=none
dbdctl setup-snapshot "$DISK1" $MNT/.datto1 0
udevadm settle
udevadm info /dev/datto0 | tee /tmp/udev
grep SYSTEMD_READY=0 /tmp/udev
! grep -E 'ID_FS|by-uuid' /tmp/udev || fail "blkid has looked at the snapshot"
expect_eq "by-uuid" "" "$(find /dev/disk -lname '*datto*')"

say "the cycle"
truncate -s 0 /tmp/image
update-img --full --verify /dev/datto0 /tmp/image
dbdctl transition-to-incremental 0
dd if=/dev/urandom of=$MNT/two bs=1M count=5 status=none
dbdctl transition-to-snapshot $MNT/.datto2 0
update-img --verify /dev/datto0 $MNT/.datto1 /tmp/image
mkdir -p /mnt/image /mnt/snapshot
mount -o ro,noload,loop /tmp/image /mnt/image
cmp $MNT/one /mnt/image/one
cmp $MNT/two /mnt/image/two
umount /mnt/image
dbdctl metrics | grep 'dattobd_device_snapshot_seqid{minor="0",device="'"$DISK1"'"} 2'
dbdctl destroy 0
umount $MNT
pkill -x systemd-udevd

say "purge"
# shellcheck disable=SC2086
dpkg --purge $PACKAGES
! grep -q '^dattobd ' /proc/modules || fail "the module is still loaded"
traces >/tmp/after || true
diff /tmp/before /tmp/after || fail "something is left"
expect_eq "module" "" "$(find /lib/modules/ -name 'dattobd*')"
say "done"
