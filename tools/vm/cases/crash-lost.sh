# A COW file that was not taken up, or that has no log any more, is not believed after the next crash either, however much
# the file system has logged since: boots in which the reload is refused, or is without a log, end with a power cut.
# fs: ext4 xfs
# slow: yes
# disks: 320M
# boots: 4
# power: cut
# timeout: 300

case $BOOT in
1)
	random_file $MNT/data 16
	expect_ok dattoctl setup $DISK1 $MNT/cow1 0 64
	expect_ok dattoctl trans-inc 0
	records write -n 50 -b 64 -r $BOOT $MNT/data 16
	sync
	;;
2)
	say "as what it is not"
	load_module
	expect_ok dattoctl reload-snap $DISK1 /cow1 0
	mount_fs $DISK1 $MNT
	dattoctl failure 0 | grep "taken up" || fail "it was taken up"
	log_much $MNT
	records write -m direct -n 20 -b 64 -r $BOOT $MNT/data 16
	;;
3)
	say "as it is, too late"
	load_module
	expect_ok dattoctl reload-inc $DISK1 /cow1 0
	mount_fs $DISK1 $MNT
	dattoctl failure 0 | grep "taken up" || fail "the changes of a whole boot are in no map"
	expect_ok dattoctl destroy 0
	rm -f $MNT/cow1
	expect_ok dattoctl setup $DISK1 $MNT/cow2 0 64
	expect_ok dattoctl trans-inc 0
	umount $MNT
	unload_module
	say "without a log"
	load_module intent_log=N
	expect_ok dattoctl reload-inc $DISK1 /cow2 0
	mount_fs $DISK1 $MNT
	expect_device 0 2 0
	log_much $MNT
	records write -m direct -n 20 -b 64 -r $BOOT $MNT/data 16
	;;
4)
	load_module
	expect_ok dattoctl reload-inc $DISK1 /cow2 0
	mount_fs $DISK1 $MNT
	dattoctl failure 0 | grep "taken up" || fail "changes that were not logged are in no map"
	expect_ok dattoctl destroy 0
	;;
esac
