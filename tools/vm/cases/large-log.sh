# 64 GiB, whose write-intent log has three pages: the first cannot be written when the log is emptied at an unmount. A
# mount right after it writes to regions of the others, as to the journal in the middle of the device.
# disks: 64G
# fs: ext4
# start: module
# timeout: 120
# dmesg-allow: (I/O error|Buffer I/O error).*(dm-0|origin)

origin=/dev/mapper/origin
sectors=$(blockdev --getsz $DISK1)
good() { echo "0 $sectors linear $DISK1 0"; }
# without BLOCK...: these blocks of 4096 bytes give errors
without() {
	local at=0 block
	for block in "$@"; do
		echo "$at $((block * 8 - at)) linear $DISK1 $at"
		echo "$((block * 8)) 8 error"
		at=$((block * 8 + 8))
	done
	echo "$at $((sectors - at)) linear $DISK1 $at"
}
table() { dmsetup suspend origin && dmsetup load origin && dmsetup resume origin; }

good | dm_create origin
make_fs $origin -b 4096 -E lazy_journal_init=1,nodiscard
mount_fs $origin $MNT
expect_ok dattoctl setup $origin $MNT/cow 0 200
# On the device: a block of the COW file.
block() {
	local first blocks left=$1
	while read -r first blocks; do
		[ $left -ge $blocks ] || { echo $((first + left)); return; }
		left=$((left - blocks))
	done </tmp/own
}
blkcmp extents $MNT/cow >/tmp/own
# Behind header and index, twice three blocks.
log=$((1 + sectors / 8 * 8 / 4096))
pages="$(block $log) $(block $((log + 3)))"
dd if=$origin bs=4096 skip=${pages% *} count=1 iflag=direct status=none | head -c 8 | od -An -tx1
expect_ok dattoctl trans-inc 0
for i in 1 2 3 4; do
	mkdir $MNT/dir$i
	sync $MNT/dir$i
done
without $(printf '%s\n' $pages | sort -n) | table
umount $MNT
good | table
mount_fs $origin $MNT
dmesg | grep "the map cannot be saved" || fail "the log was emptied"
expect_device 0 2 0
mkdir $MNT/last
sync $MNT/last
umount $MNT
wait_for 10 eval 'dmesg | grep -c "dormant" | grep -qx 2'
expect_ok dattoctl destroy 0
dmsetup remove origin
unload_module
