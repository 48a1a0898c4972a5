#!/bin/bash
# rpm.sh DEBIAN ROOT DIST OLDER WORK: as chroot.sh, for the .rpms, with Debian's own rpm and DKMS, and a dracut that only says
# that it was called.
set -Eeuo pipefail
trap 'echo "FAILED at line $LINENO: $BASH_COMMAND" >&2' ERR
debian=$1 base=$2 dist=$3 older=$4 work=$5
repo=$(realpath "$(dirname "$0")/../../..")
# shellcheck disable=SC2034,SC2154 source=tools/package/install/server.sh
. "$repo/tools/package/install/server.sh"

mkdir -p "$work"
make_server

say "the .rpm: installation, upgrade, removal"
layer rpm /mnt/system/upper "$base"
# DKMS builds for the kernel that runs; a chroot's is another.
mv "$root/usr/bin/uname" "$root/usr/bin/uname.real"
printf '#!/bin/sh\n[ "$*" = -r ] && echo %s || exec uname.real "$@"\n' "$old" >"$root/usr/bin/uname"
chmod 755 "$root/usr/bin/uname"
mkdir -p "$root/etc/dbd/devices"
echo minor=1 >"$root/etc/dbd/devices/$ROOT_UUID"
printf '#!/bin/sh\necho "$*" >>/tmp/dracut\n' >"$root/usr/bin/dracut"
chmod 755 "$root/usr/bin/dracut"
rpm() { command rpm --root "$root" --dbpath /var/lib/rpm "$@"; }
rpms() {
	# Debian's dpkg knows what they need, rpm does not.
	rpm --nodeps "$@"
	eq "dracut" "--force --regenerate-all" "$(cat "$root/tmp/dracut")"
	rm "$root/tmp/dracut"
}
rpms --install "$older"/dattobd-{dkms-*.noarch,utils-*.x86_64}.rpm
inside dkms status -m dattobd | grep "$(of "$older").*$old.*: installed"
for unit in $UNITS; do eq "$unit" enabled "$(inside systemctl is-enabled "$unit")"; done
inside systemctl -q disable dbd-check.service
rpms --upgrade "$dist"/dattobd-{dkms-*.noarch,utils-*.x86_64}.rpm
eq "DKMS" "dattobd/$(of "$dist"), $old, x86_64: installed" "$(inside dkms status -m dattobd)"
inside modinfo -k "$old" -F filename dattobd | grep /updates/dkms/
eq "dbd-reload.service" enabled "$(inside systemctl is-enabled dbd-reload.service)"
eq "dbd-check.service" disabled "$(inside systemctl is-enabled dbd-check.service || true)"
inside dbdctl --version
rpm --verify --nodeps dattobd-dkms dattobd-utils
rpms --erase dattobd-utils dattobd-dkms
has "$root/etc/dbd/devices/$ROOT_UUID" minor=1
rm -r "$root/etc/dbd" "$root/usr/bin/dracut" "$root"/var/lib/rpm
mv "$root/usr/bin/uname.real" "$root/usr/bin/uname"
listing "$work/after"
# Directories that other packages own where rpm is at home are nobody's here.
diff <(grep -v ' d [0-9]* $' "$work/before") <(grep -v ' d [0-9]* $' "$work/after") || fail "something is left, or was changed"
say "the .rpm has passed"
