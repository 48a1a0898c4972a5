# Setting up a snapshot takes no time proportional to the device: 2 GiB and 64 GiB, both empty.
# disks: 2G 64G
# start: module
# timeout: 240

took() {
	local begin end
	begin=$(date +%s%N)
	expect_ok dattoctl setup "$1" "$2" 0
	end=$(date +%s%N)
	ms=$(((end - begin) / 1000000))
	begin=$(date +%s%N)
	expect_ok dattoctl trans-inc 0
	expect_ok dattoctl trans-snap "$2.2" 0
	end=$(date +%s%N)
	cycle=$(((end - begin) / 1000000))
	expect_ok dattoctl destroy 0
}
for disk in $DISK1 $DISK2; do
	make_fs $disk
	mount_fs $disk $MNT
	sync
	took $disk $MNT/warm
	rm $MNT/warm
	took $disk $MNT/cow
	echo "setup-snapshot of $(($(dev_bytes $disk) >> 30)) GiB: $ms ms; to incremental and to the next snapshot: $cycle ms"
	eval "ms_${disk##*/}=$ms"
	umount $MNT
done
eval "small=\$ms_${DISK1##*/} large=\$ms_${DISK2##*/}"
# 32 times the size; emulation is too rough for a tight bound.
[ "$large" -lt $((small * 8 + 2000)) ] || fail "setup: $small ms for 2 GiB, $large ms for 64 GiB"
