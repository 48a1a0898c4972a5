# shellcheck shell=bash disable=SC2034,SC2154
# Sourced, in a mount name space of its own: a Debian server in a chroot. Uses $debian, $base, $dist, $older, $work, $repo.

# shellcheck source=boot/test/machine.sh
. "$repo/boot/test/machine.sh"
# shellcheck source=tools/package/install/names.sh
. "$repo/tools/package/install/names.sh"

say() { echo "== Debian $debian: $* ($SECONDS s)"; }
fail() {
	echo "FAILED: $*" >&2
	exit 1
}
eq() { [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"; }
has() { grep -q -- "$2" "$1" || fail "$1 lacks $2"; }
lacks() { ! grep -- "$2" "$1" || fail "$1 has $2"; }

# layer NAME BELOW...: $root is from now on a copy of the first one below, with all there is in a system at work.
mount -t tmpfs tmpfs /mnt
mkdir /mnt/cache /mnt/lists
layer() {
	local name=$1 below
	shift
	below=$(IFS=: && echo "$*")
	root=/mnt/$name/root
	mkdir -p "/mnt/$name"/{upper,work,root}
	mount -t overlay -o "lowerdir=$below,upperdir=/mnt/$name/upper,workdir=/mnt/$name/work" overlay "$root"
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs tmpfs "$root/tmp"
	mount --bind /mnt/cache "$root/var/cache"
	mount --bind /mnt/lists "$root/var/lib/apt/lists"
	mkdir "$root/tmp/dist" "$root/tmp/older"
	mount --bind "$dist" "$root/tmp/dist"
	mount --bind "$older" "$root/tmp/older"
}
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }
# The mirror of a suite may be old.
apt() { inside apt-get -qq -o Acquire::Check-Valid-Until=false -o Dpkg::Use-Pty=0 "$@"; }
install() { apt -y --no-install-recommends install "$@"; }
# debs DIRECTORY: as an administrator names them.
debs() { (cd "$1" && printf "/tmp/${1##*/}/%s " dattobd-dkms_*_all.deb dattobd-utils_*_amd64.deb); }
of() { dpkg-deb --field "$1"/dattobd-dkms_*_all.deb Version | sed 's/^1://; s/-1$//; s/~/-/'; }
initrd() { inside lsinitramfs "/boot/initrd.img-$1" >"$work/initrd.list"; }

# listing FILE: all there is, and what /etc says, but for what is dpkg's, apt's or a log.
listing() {
	(
		cd "$root" || exit
		find . \( -path ./proc -o -path ./dev -o -path ./sys -o -path ./tmp -o -path ./run -o -path ./var/cache -o -path ./var/log \
			-o -path ./var/lib/apt -o -path ./var/lib/dpkg -o -path './var/lib/dkms/mok.*' -o -name __pycache__ \) -prune -o -printf '%p %y %m %l\n'
		find etc -type f -exec sha256sum {} +
	) | sort >"$1"
}

# make_server: with DKMS, systemd and an initramfs; $old is its kernel, and $work/before all there is.
make_server() {
	say "a server"
	layer system "$base"
	old=$(basename "$(ls -d "$root"/lib/modules/*-amd64)")
	machine_initramfs "$root"
	if [ "$debian" = 12 ]; then
		# Where it has its second kernel.
		sed -n 's|^deb \(.*\)/debian bookworm main$|deb \1/debian-security bookworm-security main|p' \
			"$root"/etc/apt/sources.list | tee "$root/etc/apt/sources.list.d/security.list" | grep -q . || fail "no mirror"
	fi
	apt update
	nodejs=()
	[ "$debian" != 13 ] || nodejs=(nodejs)
	install dkms openssl systemd-sysv initramfs-tools dbus "${nodejs[@]}"
	machine_settle "$root" "$ROOT_UUID"
	inside update-initramfs -c -k "$old" >/dev/null
	initrd "$old"
	lacks "$work/initrd.list" dbd-reload
	listing "$work/before"
}
