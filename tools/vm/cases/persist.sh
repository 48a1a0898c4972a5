# dbdctl persist: tracked again at each boot by what boot/ installs, through udev's rule and as the
# units do it; increments chained over all of them; the machine going down with the file system mounted;
# a crash between a transition and its record; GRUB's write; a device that is no longer to be tracked.
# fs: ext4 xfs
# boots: 3
# timeout: 300
# slow: yes

bytes=$(dev_bytes $DISK1)
keep=$PWD

# /etc is not on the disk that is tracked, and the guest's does not outlive it.
begin_boot() {
	make -s -C /repo/boot BUILD=$keep install
	mkdir -p /etc/modprobe.d
	echo "install dattobd /sbin/insmod $KO" >/etc/modprobe.d/dbd.conf
	[ ! -d $keep/etc ] || cp -rT $keep/etc /etc/dbd
}
end_boot() {
	rm -rf $keep/etc
	cp -rT /etc/dbd $keep/etc
	sync
}
reload() { /usr/lib/dbd/dbd-reload "$@" 2>&1; }

# says TEXT STATUS ARGUMENT...: what dbd-reload prints, and its exit status
says() {
	local text=$1 want=$2 got=0 out
	shift 2
	out=$(reload "$@") || got=$?
	echo "dbd-reload $* -> $got: $out"
	[ $got = $want ] && grep -qF -- "$text" <<<"$out" || fail "expected $want: $text"
}

by_uuid() {
	mkdir -p /dev/disk/by-uuid
	ln -sfn $DISK1 /dev/disk/by-uuid/$(cat $keep/fs-uuid)
}

note_snapshot() {
	hash_dev /dev/datto0 $keep/hash$1
	blkcmp extents $MNT/cow$1 >$keep/own$1.runs
}
next_snapshot() {
	dbdctl transition-to-snapshot $MNT/cow$1 0
	note_snapshot $1
	expect_eq "record" /cow$1 "$(readlink $MNT/.dbd/live)"
	expect_no_file $MNT/.dbd/next
}
expect_covered() {
	cowmap check $MNT/cow$1 $bytes
	cowmap runs $MNT/cow$1 $bytes >changed.runs
	expect_same -x changed.runs -x own$1.runs -x own$2.runs hash$1 hash$2
	expect_differ -x own$1.runs -x own$2.runs hash$1 hash$2
}

begin_boot
case $BOOT in
1)
	blkid -s UUID -o value $DISK1 >fs-uuid
	random_file $MNT/data 16
	mkdir -p $MNT/boot/grub
	printf '%-1024s' '# GRUB Environment Block' >$MNT/boot/grub/grubenv
	sync
	blkcmp extents $MNT/boot/grub/grubenv >grubenv.runs
	dbdctl setup-snapshot --persist -f 64 $DISK1 $MNT/cow1 0
	note_snapshot 1
	grep -qx minor=0 /etc/dbd/devices/$(cat fs-uuid) || fail "nothing in /etc/dbd/devices"
	expect_eq "persistent" true "$(dbdctl info --json 0 | jq .device.persistent)"
	dbdctl transition-to-incremental 0
	records write -t 1 -b 512 $MNT/data 16
	next_snapshot 2
	expect_covered 1 2
	say "the machine goes down in snapshot mode, the file system mounted"
	records write -t 1 -b 512 -r 2 $MNT/data 16
	;;
2)
	say "udev"
	! grep -q ^dattobd /proc/modules || fail "the module is loaded"
	/lib/systemd/systemd-udevd --daemon
	udevadm trigger --action=add --subsystem-match=block
	udevadm settle
	expect_device 0 4 0
	expect_eq "bdev" $DISK1 "$(info 0 bdev)"
	says "$DISK1 is tracked already, as minor 0" 0
	says "waits for its file system to be mounted" 0 --check
	udevadm control --exit
	[ $FS = xfs ] || repair_fs $DISK1
	mount_fs $DISK1 $MNT
	expect_device 0 2 0
	expect_eq "cow" /cow2 "$(info 0 cow)"
	says "is tracked with /cow2, snapshot 2" 0 --check
	mount -o remount,ro $MNT
	says "is tracked with /cow2, snapshot 2" 0 --check
	mount -o remount,rw $MNT
	records write -t 1 -b 512 -r 3 $MNT/data 16
	next_snapshot 3
	expect_covered 2 3
	say "as if it went down just before the record was replaced"
	dbdctl transition-to-incremental 0
	records write -t 1 -b 512 -r 4 $MNT/data 16
	ln -sfn /cow2 $MNT/.dbd/live
	ln -sfn /cow3 $MNT/.dbd/next
	umount $MNT
	;;
3)
	say "GRUB writes before there is a driver"
	printf '%-1024s' '# GRUB Environment Block: recordfail' |
		dd of=$DISK1 bs=4096 seek=$(cut -d' ' -f1 grubenv.runs) conv=notrunc,fsync 2>/dev/null
	say "no device yet; another device; the unit"
	says "is not there yet" 0
	says "is not there" 0 --check
	expect_eq "of a device without a file system" "" "$(reload /dev/loop0)"
	by_uuid
	says "$DISK1 is tracked, as minor 0" 0
	says "tracked already" 0 $DISK1
	say "copies of the file system are not tracked in its place"
	dd if=$DISK1 of=/tmp/copy.img bs=1M count=8 2>/dev/null
	copy=$(losetup -f --show /tmp/copy.img)
	says "$copy is a copy of what is to be tracked" 0 $copy
	echo kind=loop >>/etc/dbd/devices/$(cat fs-uuid)
	says "$copy is left alone: $DISK1, which is tracked, has the same UUID" 0 $copy
	losetup -d $copy
	sed -i /kind/d /etc/dbd/devices/$(cat fs-uuid)
	mount_fs $DISK1 $MNT
	expect_device 0 2 0
	says "/cow3 is its COW file now" 0 --check
	expect_eq "record" /cow3 "$(readlink $MNT/.dbd/live)"
	expect_no_file $MNT/.dbd/next
	rm $MNT/cow2
	grep -q recordfail $MNT/boot/grub/grubenv || fail "GRUB's write is not there"
	records write -t 1 -b 512 -r 5 $MNT/data 16
	next_snapshot 4
	expect_covered 3 4

	say "too late, and known"
	umount $MNT
	unload_module
	mount_fs $DISK1 $MNT
	says "mounted read-write already" 1
	says "$DISK1 is not tracked" 1 --check
	umount $MNT
	says "$DISK1 is tracked, as minor 0" 0
	mount_fs $DISK1 $MNT
	expect_device 0 4 -22
	says "has failed: " 1 --check

	say "destroyed, and set up again: still persistent"
	dbdctl destroy 0
	says "" 0
	rm $MNT/cow4
	dbdctl setup-snapshot -f 64 $DISK1 $MNT/cow5 1
	expect_eq "persistent" true "$(dbdctl info --json 1 | jq .device.persistent)"
	expect_eq "record" /cow5 "$(readlink $MNT/.dbd/live)"

	say "no longer, but an old initramfs does not know"
	mv /etc/dbd/devices /tmp/initramfs
	mkdir /etc/dbd/devices
	dbdctl persist --off 1
	expect_no_file $MNT/.dbd/live
	umount $MNT
	unload_module
	says "tracked, as minor 1" 0 -c /tmp/initramfs $DISK1
	says "" 0 $DISK1
	mount_fs $DISK1 $MNT
	expect_device 1 4 -2
	says "$DISK1 is no longer to be tracked" 0 --check
	expect_untouched

	say "without a driver; what cannot be understood"
	unload_module
	rm /etc/modprobe.d/dbd.conf
	says "the driver is not there" 3 -c /tmp/initramfs $DISK1
	echo minor=many >/tmp/initramfs/$(cat fs-uuid)
	says "cannot be understood" 1 -c /tmp/initramfs $DISK1
	says "usage" 2 --nonsense
	load_module
	;;
esac
end_boot
