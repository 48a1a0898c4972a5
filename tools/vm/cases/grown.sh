# A device that is made larger while it is tracked: what is new is seen by nobody, so there is no next snapshot; the present
# one stays what it was, also when its COW file is given blocks behind the old end.
# fs: ext4 xfs
# disks: 512M
# start: module

MIB=2048
dm_create grown <<<"0 $((256 * MIB)) linear $DISK1 0"
device=/dev/mapper/grown
if [ $FS = ext4 ]; then make_fs $device -b 4096; else make_fs $device; fi
mount_fs $device $MNT
random_file $MNT/data 60
random_file $MNT/full 110
expect_ok dattoctl setup $device $MNT/cow1 0 24
hash_dev /dev/datto0 /tmp/before
blkcmp extents $MNT/cow1 >/tmp/own

dmsetup reload grown --table "0 $((440 * MIB)) linear $DISK1 0"
dmsetup resume grown
case $FS in
ext4) resize2fs $device ;;
xfs) xfs_growfs $MNT ;;
esac
expect_eq "size of the device" $((440 << 20)) "$(dev_bytes $device)"

say "the COW file grows to where the device was not"
size=$(info 0 falloc_size)
for _ in 1 2 3; do dattoctl -r expand 40 0 || true; done | tee /tmp/grow
grep -Eq '^OK|none of the 10240 blocks' /tmp/grow || fail "it was not tried"
records write -m direct -n 40 -b 256 -r 3 $MNT/data 60
random_file $MNT/new 40
sync
expect_device 0 3 0
[ "$(info 0 falloc_size)" -ge $size ] || fail "the COW file has shrunk"
expect_eq "size of the snapshot" $((256 << 20)) "$(dev_bytes /dev/datto0)"
blkcmp extents $MNT/cow1 | awk '$1 < 65536' >/tmp/own
hash_dev /dev/datto0 /tmp/now
expect_same -x /tmp/own /tmp/before /tmp/now

say "no next snapshot"
expect_ok dattoctl trans-inc 0
got=$(dattoctl -r trans-snap $MNT/cow2 0 24 || true)
[[ $got == EINVAL*"its size has changed since tracking began"* ]] || fail "trans-snap: $got"
expect_no_file $MNT/cow2
expect_device 0 2 0

say "dormant and back, reloaded"
umount $MNT
mount_fs $device $MNT
expect_device 0 2 0
expect_errno EINVAL dattoctl trans-snap $MNT/cow2 0 24
umount $MNT
unload_module
load_module
expect_ok dattoctl reload-inc $device /cow1 0
mount_fs $device $MNT
dattoctl failure 0 | grep "its COW file cannot be" || fail "it was taken up"
expect_ok dattoctl destroy 0

say "begun anew"
rm -f $MNT/cow1
expect_ok dattoctl setup $device $MNT/cow1 0 24
expect_eq "size of the snapshot" $((440 << 20)) "$(dev_bytes /dev/datto0)"
expect_ok dattoctl destroy 0
records verify $MNT/data
