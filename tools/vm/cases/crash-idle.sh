# The power is cut while nothing has been changed since the mount. An XFS would look unmounted then, had the driver not
# had it log something.
# fs: xfs
# disks: 320M
# boots: 3
# power: cut
# timeout: 200

make -s -C /repo/boot BUILD=$PWD install
[ ! -d etc ] || cp -rT etc /etc/dbd
mkdir -p /dev/disk/by-uuid
ln -sfn $DISK1 /dev/disk/by-uuid/$(blkid -s UUID -o value $DISK1)

if [ $BOOT = 1 ]; then
	random_file $MNT/data 8
	dbdctl setup-snapshot --persist -f 40 $DISK1 $MNT/cow 0
	dbdctl transition-to-incremental 0
	umount $MNT
	cp -rT /etc/dbd etc
	sync
else
	load_module
	/usr/lib/dbd/dbd-reload
	mount_fs $DISK1 $MNT
	expect_device 0 2 0
	# A file that is read has its access time changed.
	[ $BOOT = 2 ] || records verify $MNT/data
fi
