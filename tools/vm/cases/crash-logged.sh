# The power is cut when the file system has logged so much since it was mounted that XFS's mark of the mount is gone: the
# device is taken up all the same.
# fs: ext4 xfs
# slow: ext4
# disks: 320M
# boots: 2
# power: cut
# timeout: 300

bytes=$(dev_bytes $DISK1)
if [ $BOOT = 1 ]; then
	random_file $MNT/data 16
	expect_ok dattoctl setup $DISK1 $MNT/cow1 0 64
	hash_dev /dev/datto0 hash1
	blkcmp extents $MNT/cow1 >own1.runs
	expect_ok dattoctl trans-inc 0
	log_much $MNT
	records write -m direct -t 600 -b 64 -p 20 -r 7 $MNT/data 16 &
	(for ((i = 0; ; i++)); do mkdir $MNT/on.$i && sync -f $MNT; done) &
	sleep 3
else
	load_module
	expect_ok dattoctl reload-inc $DISK1 /cow1 0
	mount_fs $DISK1 $MNT
	expect_device 0 2 0
	expect_ok dattoctl trans-snap $MNT/cow2 0
	hash_dev /dev/datto0 hash2
	blkcmp extents $MNT/cow2 >own2.runs
	cowmap check $MNT/cow1 $bytes
	cowmap runs $MNT/cow1 $bytes >changed.runs
	expect_same -x changed.runs -x own1.runs -x own2.runs hash1 hash2
	expect_ok dattoctl destroy 0
fi
