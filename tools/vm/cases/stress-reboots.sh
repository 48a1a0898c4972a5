# Twenty clean reboots in a row, in incremental and in snapshot mode, with the file system unmounted, remounted
# read-only or mounted; increments chained through all of them.
# disks: 128M 256M
# fs: ext4 xfs
# slow: yes
# start: module
# boots: 21
# timeout: 120

. /share/guest/stress.sh
[ $BOOT = 1 ] || load_module
unmounted() { umount $MNT; }
read_only() {
	sync
	mount -o remount,ro $MNT
}
mounted() { sync; }
END_OF_BOOT="unmounted read_only mounted"
. /share/guest/chain.sh
