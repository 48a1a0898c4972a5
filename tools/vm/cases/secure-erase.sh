# Secure erase, which no disk of QEMU takes: a disk in RAM does, made for this. What it erases is saved while a
# snapshot is kept, and counts as changed.
# start: module
# timeout: 240

. /share/guest/proof.sh
insmod /share/guest/erasable.ko
wait_for 5 test -b /dev/erasable
mkfs.ext4 -q -F /dev/erasable 64m
mount_fs /dev/erasable $MNT
records write -m direct -n 200 -b 512 -o $((64 << 20)) /dev/erasable 0
sync
prove_begin /dev/erasable $MNT 0 24
# Whole blocks, and pieces of them: the disk's sectors have 512 bytes.
erase() { blkdiscard -f -s -o $(((64 << 20) + SEED * 4194304 + 512)) -l 1049088 /dev/erasable; }
prove "secure erase" erase
prove_end
expect_eq "bytes erased" $((2 * 1049088)) "$(cat /sys/module/erasable/parameters/erased)"
umount $MNT
check_fs /dev/erasable
rmmod erasable
