# A mount that takes long and is killed meanwhile, as by a time limit at boot: it is there all the same, and nothing is lost.
# disks: 192M
# fs: ext4 xfs
# slow: xfs
# start: module
# timeout: 120

size=$(blockdev --getsz $DISK1)
slow=/dev/mapper/slow
# table READ_DELAY_MS
table() {
	dmsetup suspend slow
	echo "0 $size delay $DISK1 0 $1 $DISK1 0 0" | dmsetup load slow
	dmsetup resume slow
}
echo "0 $size delay $DISK1 0 0 $DISK1 0 0" | dm_create slow
make_fs $slow
# killed WHAT: a mount, while it reads
killed() {
	local i
	for i in 3 6 9; do
		say "$1, killed after 0.$i s"
		table 150
		echo 3 >/proc/sys/vm/drop_caches
		mount -t $FS $slow $MNT &
		sleep 0.$i
		kill -9 $! || true
		wait $! || true
		table 0
		mountpoint -q $MNT || mount_fs $slow $MNT
		expect_ok dattoctl trans-snap $MNT/cow2 0 24
		expect_device 0 3 0
		expect_ok dattoctl destroy 0
		mountpoint -q $MNT && umount $MNT
		mount_fs $slow $MNT
		rm -f $MNT/cow $MNT/cow2
		$1
	done
}
begin() {
	expect_ok dattoctl setup $slow $MNT/cow 0 24
	expect_ok dattoctl trans-inc 0
	umount $MNT
}
dormant() { begin; }
reloaded() {
	begin
	unload_module
	load_module
	expect_ok dattoctl reload-inc $slow /cow 0
}
for what in dormant reloaded; do
	mountpoint -q $MNT || mount_fs $slow $MNT
	rm -f $MNT/cow
	$what
	killed $what
	expect_ok dattoctl destroy 0
done
dmsetup remove slow
unload_module
