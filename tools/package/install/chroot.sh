#!/bin/bash
# chroot.sh DEBIAN ROOT DIST OLDER WORK: in a mount name space of its own. Installs, upgrades, removes and purges the
# .debs of DIST, with OLDER as the version before them, on the root file system ROOT of Debian 11, 12 or 13, which stays
# as it is; and leaves in WORK a disk with the older version, and what machine.sh adds to it. DKMS builds here and not in
# the VM, where it would take half an hour.
set -Eeuo pipefail
trap 'echo "FAILED at line $LINENO: $BASH_COMMAND" >&2' ERR
debian=$1 base=$2 dist=$3 older=$4 work=$5
repo=$(realpath "$(dirname "$0")/../../..")
# shellcheck disable=SC2034,SC2154 source=tools/package/install/server.sh
. "$repo/tools/package/install/server.sh"

rm -rf "$work"
mkdir -p "$work/share"
make_server
(cd "$root" && names) >"$work/share/before"

say "installation"
layer older "/mnt/system/upper" "$base"
# shellcheck disable=SC2046
install $(debs "$older") 2>&1 | tee "$work/install.log"
if [ "$debian" = 13 ]; then
	lacks "$work/install.log" 'no Node'
	inside dbdctl --version
else
	has "$work/install.log" 'dbdctl: there is no Node here, and 20 or newer is needed'
	! inside dbdctl --version || fail "dbdctl runs without Node"
fi
eq "dpkg --audit" "" "$(inside dpkg --audit)"
for unit in $UNITS; do eq "$unit" enabled "$(inside systemctl is-enabled "$unit")"; done
modinfo=$(inside modinfo -k "$old" dattobd)
grep -q '^filename: .*/updates/dkms/' <<<"$modinfo" || fail "modinfo: $modinfo"
if [ "$debian" != 11 ]; then
	# With the key that is to be enrolled where Secure Boot is on. DKMS of Debian 11 makes none.
	grep -q "^signer: *$(inside openssl x509 -inform DER -noout -subject -nameopt multiline -in /var/lib/dkms/mok.pub |
		sed -n 's/^ *commonName *= //p')$" <<<"$modinfo" || fail "not signed with DKMS's key: $modinfo"
fi

say "what is in use of it"
echo 'options dattobd max_snap_devices=30' >>"$root/etc/modprobe.d/dattobd.conf"
mkdir -p "$root/etc/dbd/devices"
# As dbdctl persist leaves it; here, since an initramfs is made before the first boot.
echo minor=1 >"$root/etc/dbd/devices/$ROOT_UUID"
inside systemctl -q disable dbd-check.service
initrd "$old"
lacks "$work/initrd.list" dbd-reload

say "upgrade, and the initramfs with it"
layer newer /mnt/older/upper /mnt/system/upper "$base"
# shellcheck disable=SC2046
install $(debs "$dist") 2>&1 | tee "$work/upgrade.log"
has "$root/etc/modprobe.d/dattobd.conf" max_snap_devices=30
has "$root/etc/dbd/devices/$ROOT_UUID" minor=1
eq "dbd-reload.service" enabled "$(inside systemctl is-enabled dbd-reload.service)"
eq "dbd-check.service, which was disabled" disabled "$(inside systemctl is-enabled dbd-check.service || true)"
inside dkms status -m dattobd 2>/dev/null >"$work/dkms"
eq "versions that DKMS knows" "$(of "$dist")" "$(sed 's|^dattobd[/, ]*\([^,]*\),.*|\1|' "$work/dkms" | sort -u)"
has "$work/dkms" "$old.*: installed"
tree_has_only() { [ "$(cd "$root" && find usr/src var/lib/dkms -maxdepth 2 -name "*$1*")" = "" ] || fail "$1 is still there"; }
tree_has_only "$(of "$older")"
initrd "$old"
for path in dbd/dbd-reload "etc/dbd/devices/$ROOT_UUID" scripts/local-premount/dbd dattobd.ko; do
	has "$work/initrd.list" "$path"
done
# For the VM, which upgrades by itself, but for the compiler's work.
(cd "$root" && tar -cf "$work/share/dkms.tar" var/lib/dkms/dattobd lib/modules/"$old"/{updates,modules.*})

say "a kernel that is not supported is left alone"
layer unsupported /mnt/newer/upper /mnt/older/upper /mnt/system/upper "$base"
for other in 5.15.0-1-amd64 6.13.0-1-amd64 7.3.4+deb13-amd64; do
	mkdir -p "$root/lib/modules/$other" "$root/usr/src/linux-headers-$other/include"
	ln -s "/usr/src/linux-headers-$other" "$root/lib/modules/$other/build"
	: >"$root/boot/config-$other"
	# As the kernel's own package does it, and as DKMS when ours is installed.
	inside /etc/kernel/postinst.d/dkms "$other"
	eq "built for $other" "" "$(find "$root/lib/modules/$other" -name 'dattobd*')"
done
inside dpkg -i "/tmp/dist/$(basename "$dist"/dattobd-dkms_*_all.deb)"
eq "dpkg --audit" "" "$(inside dpkg --audit)"
eq "built for others" "" "$(find "$root"/lib/modules/{5.15,6.13,7.3}* -name 'dattobd*')"

if [ "$debian" = 11 ]; then
	say "the module is signed by hand"
	layer signed /mnt/newer/upper /mnt/older/upper /mnt/system/upper "$base"
	# As it is written there, but that the kernel running is not the server's.
	sed -n '/^openssl req/p; /^\/.*sign-file /p' "$repo/docs/security.md" |
		sed "s/\$(uname -r)/$old/; s/modinfo -n/modinfo -k $old -n/" >"$root/tmp/sign"
	eq "commands" 2 "$(wc -l <"$root/tmp/sign")"
	eq "signer before" "" "$(inside modinfo -k "$old" -F signer dattobd)"
	inside sh -ec 'cd /tmp && . ./sign'
	eq "signer" "module signing" "$(inside modinfo -k "$old" -F signer dattobd)"
fi

if [ "$debian" = 12 ]; then
	say "another kernel"
	layer kernel /mnt/newer/upper /mnt/older/upper /mnt/system/upper "$base"
	install linux-image-6.12-amd64 linux-headers-6.12-amd64
	new=$(basename "$(ls -d "$root"/lib/modules/6.12*)")
	inside dkms status -m dattobd -k "$new" 2>/dev/null | grep ': installed'
	initrd "$new"
	for path in dbd/dbd-reload "etc/dbd/devices/$ROOT_UUID" scripts/local-premount/dbd dattobd.ko; do
		has "$work/initrd.list" "$path"
	done
	(cd "$root" && tar -cf "$work/share/kernel.tar" boot/*"$new" initrd.img* vmlinuz* lib/modules/"$new" \
		var/lib/dkms/dattobd etc/kernel)
	echo "$new" >"$work/share/kernel"
fi

say "removal keeps the configuration, and what was disabled"
layer removed /mnt/newer/upper /mnt/older/upper /mnt/system/upper "$base"
apt -y remove $PACKAGES
initrd "$old"
lacks "$work/initrd.list" dbd-reload
lacks "$work/initrd.list" dattobd.ko
eq "modules" "" "$(find "$root"/lib/modules/ "$root/var/lib/dkms" -name 'dattobd*')"
has "$root/etc/dbd/devices/$ROOT_UUID" minor=1
has "$root/etc/modprobe.d/dattobd.conf" max_snap_devices=30
inside dpkg -i "/tmp/dist/$(basename "$dist"/dattobd-utils_*_amd64.deb)"
eq "dbd-reload.service" enabled "$(inside systemctl is-enabled dbd-reload.service)"
eq "dbd-check.service" disabled "$(inside systemctl is-enabled dbd-check.service || true)"

say "purge leaves nothing"
mkdir -p "$root/var/lib/update-img/journals"
apt -y purge $PACKAGES
listing "$work/after"
diff "$work/before" "$work/after" || fail "something is left, or was changed"
eq "dpkg's files" "" "$(find "$root/var/lib/dpkg" -name '*dattobd*')"

say "the disk of a VM"
layer disk /mnt/older/upper /mnt/system/upper "$base"
# Back to what a first installation leaves.
rm -r "$root/etc/dbd"
inside systemctl -q enable dbd-check.service
echo "UUID=$DATA_UUID /data ext4 defaults 0 2" >>"$root/etc/fstab"
mkdir "$root/data"
# What takes room and time, and nobody needs there.
rm -rf "$root"/usr/src/linux-* "$root"/usr/lib/gcc "$root"/usr/share/{doc,man,locale,perl,python3,info}
cp "$root/boot/vmlinuz-$old" "$root/boot/initrd.img-$old" "$work/"
echo "$old" >"$work/old"
umount -l "$root/dev" "$root/proc"
umount "$root"/tmp/{dist,older} "$root"/{tmp,var/cache,var/lib/apt/lists}
mke2fs -q -t ext4 -U "$ROOT_UUID" -d "$root" "$work/root.disk" 1100M
truncate -s 256M "$work/data.disk"
mke2fs -q -t ext4 -U "$DATA_UUID" "$work/data.disk"
cp "$dist"/dattobd-{dkms_*_all,utils_*_amd64}.deb "$work/share/"
say "the chroot has passed"
