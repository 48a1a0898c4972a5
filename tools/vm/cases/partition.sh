# A partition is tracked: writes to its neighbour are not its business, writes through the whole disk
# that touch it are, also where they begin before it.
# disks: 512M
# start: module

# The second partition begins at 200 MiB and a bit, so that blocks of disk and partition do not line up.
sfdisk -q $DISK1 <<<$'start=2048,size=200M\nstart=411656,size=200M'
one=${DISK1}1 two=${DISK1}2
make_fs $one
# Nothing of its own to do, so that an idle file system is idle.
make_fs $two -E lazy_itable_init=0,lazy_journal_init=0
mount_fs $one /mnt/b
mount_fs $two $MNT
random_file $MNT/data 32
random_file /mnt/b/data 32
sync
# Blocks outside any file system structure's interest: raw writes below go there.
blkcmp extents $MNT/data >/tmp/data.runs
read -r start count </tmp/data.runs

expect_ok dattoctl setup $two $MNT/cow 0 64
blkcmp extents $MNT/cow >/tmp/cow.runs
expect_eq "size" "$(blockdev --getsz $two)" "$(cat /sys/class/block/datto0/size)"
hash_dev /dev/datto0 /tmp/before

say "the neighbour"
sleep 6
sync
idle=$(info 0 nr_changed_blocks)
records write -t 3 /mnt/b/data 32
sync -f /mnt/b/data
expect_eq "blocks changed by writes to the neighbour" "$idle" "$(info 0 nr_changed_blocks)"

say "the whole disk, inside the partition"
seek=$((411656 + start * 8))
dd if=/dev/urandom of=$DISK1 bs=512 seek=$((seek + 4)) count=16 oflag=direct conv=notrunc 2>/dev/null
changed=$(($(info 0 nr_changed_blocks) - idle))
[ $changed -ge 3 ] || fail "8 KiB at an odd place through the whole disk changed $changed blocks"
say "the whole disk, from before the partition into it"
dd if=/dev/zero of=$DISK1 bs=8192 seek=$((411656 / 16)) count=1 oflag=direct conv=notrunc 2>/dev/null
hash_dev /dev/datto0 /tmp/after
expect_same -x /tmp/cow.runs /tmp/before /tmp/after
hash_dev $two /tmp/origin
expect_differ -x /tmp/cow.runs /tmp/before /tmp/origin

say "under load"
# The superblock was overwritten above in part; put the snapshot's back, as a restore would.
dd if=/dev/datto0 of=$two bs=4096 count=1 oflag=direct conv=notrunc 2>/dev/null
records write -m direct -t 4 $MNT/data 32
hash_dev /dev/datto0 /tmp/after
expect_same -x /tmp/cow.runs /tmp/before /tmp/after
expect_ok dattoctl destroy 0
expect_no_file $MNT/cow
umount $MNT /mnt/b
