# No hibernation while a device is tracked, in whatever state: the kernel that is restored knows nothing of what was
# written after its memory was saved.
# disks: 512M 256M

grep -q disk /sys/power/state || {
	echo "this kernel cannot hibernate"
	exit 0
}
mkswap $DISK2 >/dev/null
swapon $DISK2
refused() {
	local got
	dmesg -C
	got=$( (echo disk >/sys/power/state) 2>&1) && fail "it hibernates"
	[[ $got == *busy* ]] || fail "refused otherwise: $got"
	dmesg | grep -q 'datto: no hibernation while a device is tracked' || fail "refused by somebody else"
}
expect_ok dattoctl setup $DISK1 $MNT/cow 0 32
refused
expect_ok dattoctl trans-inc 0
refused
umount $MNT
expect_device 0 0 0
refused
swapoff $DISK2
