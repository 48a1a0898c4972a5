# A snapshot that has failed, and then one more: after the unmount nothing is written any more to where the COW file is.
# disks: 192M
# fs: ext4
# start: none
# timeout: 120
# dmesg-allow: (I/O error|Buffer I/O error).*datto0

# Of the place of the second COW file.
content() {
	while read -r first blocks; do
		dd if=$DISK1 bs=4096 skip=$first count=$blocks iflag=direct status=none
	done </tmp/own | md5sum
}
overflow() {
	records write -m direct -n 60 -b 512 -r 5 $MNT/data 48 >/dev/null
	wait_for 20 eval '[ "$(info 0 error)" = -27 ]'
}

load_module intent_idle_seconds=3
make_fs $DISK1
mount_fs $DISK1 $MNT
random_file $MNT/data 48
sync
expect_ok dattoctl setup $DISK1 $MNT/cow1 0 4
overflow
umount $MNT
mount_fs $DISK1 $MNT
expect_ok dattoctl force-inc 0
expect_ok dattoctl trans-snap $MNT/cow2 0 4
blkcmp extents $MNT/cow2 >/tmp/own
overflow
umount $MNT
expect_device 0 1 -27
before=$(content)
# Long enough for regions of the log to be closed.
sleep 8
expect_eq "the device's content" "$before" "$(content)"
expect_ok dattoctl destroy 0
unload_module
