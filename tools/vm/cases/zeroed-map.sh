# With nodelalloc ext4 zeroes some blocks behind one that it writes for the first time. Behind the last block of the index are the
# write-intent log and the driver's map, which are written raw: should the transition fail after that, they count again.
# disks: 512M
# start: none
# slow: yes

load_module intent_idle_seconds=1
make_fs $DISK1 -b 4096
mkdir -p $MNT
mount -t ext4 -o nodelalloc $DISK1 $MNT
expect_ok dattoctl setup $DISK1 $MNT/cow1 0 64
expect_ok dattoctl trans-inc 0
filefrag -v $MNT/cow1
read -r start count < <(blkcmp extents $MNT/cow1 | tail -1)
# The map's last block, and the file's, is that of the device's last 128 MiB.
map() { dd if=$DISK1 bs=4096 skip=$((start + count - 1)) count=1 iflag=direct status=none | md5sum; }
zeros=$(head -c 4096 /dev/zero | md5sum)
saved() { [ "$(map)" != "$zeros" ]; }
dd if=/dev/urandom of=$DISK1 bs=4096 seek=$(($(blockdev --getsize64 $DISK1) / 4096 - 1)) count=1 oflag=direct conv=notrunc status=none
wait_for 60 saved
before=$(map)
expect_ok dattoctl trans-snap $MNT/cow2 0 64
cowmap runs $MNT/cow1 "$(dev_bytes $DISK1)" | tail -1
expect_eq "the map behind the index" "$before" "$(map)"
expect_ok dattoctl destroy 0
umount $MNT
check_fs $DISK1
