# An unmount and a destroy that end at the same time, in many ways: the file system is going when the destroy
# begins, and looks for the driver when that is in the middle of things.
# disks: 192M
# fs: ext4
# start: module
# timeout: 240

size=$(blockdev --getsz $DISK1)
echo "0 $size delay $DISK1 0 0 $DISK1 0 20" | dm_create slow
slow=/dev/mapper/slow
make_fs $slow -E lazy_itable_init=0

# Everything is on its way to the disk when the unmount begins.
begin() {
	mount_fs $slow $MNT
	# Left by a destroy that came when there was no file system any more.
	rm -f $MNT/cow
	expect_ok dattoctl setup $slow $MNT/cow 0 24 >/dev/null
	head -c 1M /dev/urandom >$MNT/data
}
now() { echo $((${EPOCHREALTIME/./} / 1000)); }

begin
from=$(now)
umount $MNT
took=$(($(now) - from))
expect_ok dattoctl destroy 0
echo "an unmount takes $took ms"
for i in $(seq 26); do
	begin
	umount $MNT &
	sleep 0.$(printf %03d $((took * i / 26 % 1000)))
	expect_ok dattoctl destroy 0
	wait $!
done
dmsetup remove slow
unload_module
