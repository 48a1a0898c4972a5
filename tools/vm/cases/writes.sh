# Every way there is of writing is seen: through the file system, to the device behind it, and through a
# partition that lies on it. The last block of the device is partial and the first of a section.
# disks: 100664832
# fs: ext4 xfs
# start: module
# timeout: 400
# slow: xfs

. /share/guest/proof.sh
FS_MIB=72
RAW=$((FS_MIB << 20)) # from here on the device is nobody's
bytes=$(dev_bytes $DISK1)
expect_eq "blocks in front of the partial one, in sections" 0 $((bytes / 4096 % 4096))
if [ $FS = xfs ]; then
	make_fs $DISK1 -d size=${FS_MIB}m
else
	mkfs.ext4 -q -F $DISK1 ${FS_MIB}m
fi
mount_fs $DISK1 $MNT
random_file $MNT/data 16
records write -m direct -n 200 -b 512 -o $RAW $DISK1 0
sync
prove_begin $DISK1 $MNT 0 24

by_file() { records write -r $SEED -n 60 -b 64 "$@" $MNT/data 16; }
by_device() { records write -r $SEED -n 30 -b 64 -o $RAW "$@" $DISK1 0; }
zero_range() { fallocate -z -o $((SEED * 98304 + 512)) -l 777k $MNT/data; }
zero_out() { blkdiscard -f -z -o $((RAW + SEED * 65536)) -l 1M $DISK1; }
# BLKDEV_ZERO_NOUNMAP, which dattobd took for a mark of its own.
zero_out_in_place() { fallocate -z -o $((RAW + SEED * 65536 + 512)) -l 1M $DISK1; }
# Dropped while a snapshot is kept.
discard() { blkdiscard -f -o $((RAW + (16 << 20) + SEED * 65536)) -l 1M $DISK1; }
# To the very end, by one write of 5.5 sectors of a block and more in front of them.
tail_end() {
	local sector=$((bytes / 512 - 12))
	head -c 6144 /dev/urandom >/tmp/tail
	dd if=/tmp/tail of=$DISK1 bs=512 seek=$sector oflag=direct conv=notrunc 2>/dev/null
	dd if=$DISK1 bs=512 skip=$sector iflag=direct 2>/dev/null | cmp - /tmp/tail
}
# A few MiB in one request, over blocks saved and not saved.
large() { records write -r $SEED -m direct -u 1 -n 3 -b 8192 -o $RAW $DISK1 0; }
by_partition() {
	blkpg add $DISK1 1 $((RAW / 512 + 7)) 40000
	wait_for 5 test -b ${DISK1}1
	records write -r $SEED -m direct -u 1 -n 30 -b 64 ${DISK1}1 0
	blkpg del $DISK1 1
}
# Requests that the layer below has to cut into pieces of a page.
by_pieces() {
	local limit=/sys/block/${DISK1##*/}/queue/max_sectors_kb old
	old=$(cat $limit)
	echo 4 >$limit
	records write -r $SEED -m direct -u 1 -n 8 -b 1024 -o $RAW $DISK1 0
	echo "$old" >$limit
}

for mode in buffered direct mmap dsync range uring; do
	prove "file, $mode" by_file -m $mode
done
prove "file, each write flushed" by_file -s
for mode in direct uring; do
	prove "device, $mode, sectors" by_device -m $mode -u 1
done
prove "device, buffered and mapped" eval 'by_device -m buffered && by_device -m mmap -r 9'
prove "device, FUA" by_device -m dsync
prove "requests of several MiB" large
prove "requests that are split below" by_pieces
prove "a partition on the device" by_partition
prove "the last, partial block" tail_end
prove "zero range of a file" zero_range
prove "write zeroes" zero_out
prove "write zeroes, never unmapping" zero_out_in_place
prove "discard" discard
prove_end
records verify $MNT/data
umount $MNT
check_fs $DISK1
