# update-img on the real driver, with what it must not take and with what goes wrong half way: message and exit code
# of each; the image stays as it was, or the same command goes on where it ended.
# disks: 256M 640M
# timeout: 600

IMAGE=/mnt/backup/disk.img

# refused CODE TEXT ARGUMENT...: before anything is written.
refused() {
	local code=$1 text=$2 got=0
	shift 2
	update-img "$@" >/tmp/out 2>/tmp/err </dev/null || got=$?
	cat /tmp/err
	[ "$got" = "$code" ] || fail "$*: exit code $got, not $code"
	grep -qF -- "$text" /tmp/err || fail "$*: no \"$text\""
	[ ! -s /tmp/out ] || fail "$*: $(cat /tmp/out) on stdout"
	expect_no_file $IMAGE.journal
	expect_eq "state of the image" "$state" "$(stat -c '%y %z %s %b' $IMAGE)"
}

random_file $MNT/data 60
mkfs.ext4 -q -F -m 0 $DISK2
mkdir -p /mnt/backup /mnt/part
mount $DISK2 /mnt/backup
dbdctl setup-snapshot -f 48MiB $DISK1 $MNT/.datto1 0

say "no space half way, then there is some"
head -c $(($(df --output=avail -B1M /mnt/backup | tail -1) - 30))M /dev/zero >/mnt/backup/filler
got=0
update-img --full /dev/datto0 $IMAGE >/tmp/out 2>/tmp/err || got=$?
cat /tmp/err
expect_eq "exit code" 9 $got
expect_eq "stdout" "" "$(cat /tmp/out)"
grep -q 'cannot write the image at byte .*ENOSPC: no space left' /tmp/err || fail "no ENOSPC"
grep -q 'run the same command again' /tmp/err || fail "no advice"
[ -s $IMAGE.journal ] || fail "no journal"
rm /mnt/backup/filler
update-img --full --verify /dev/datto0 $IMAGE
expect_no_file $IMAGE.journal
blkcmp extents $MNT/.datto1 >/tmp/own
expect_same -x /tmp/own $IMAGE /dev/datto0

say "an image on a block device, whose journal is elsewhere"
size=$(dev_bytes $DISK1)
truncate -s $((size + 4096)) /mnt/backup/large
block=$(losetup -f --show /mnt/backup/large)
got=0
update-img --full /dev/datto0 $block 2>/tmp/err || got=$?
cat /tmp/err
expect_eq "exit code" 1 $got
grep -q "With --resize only its first $size bytes are used" /tmp/err || fail "no word of --resize"
losetup -d $block
truncate -s $size /mnt/backup/large
block=$(losetup -f --show /mnt/backup/large)
update-img --full --verify /dev/datto0 $block
expect_same -x /tmp/own $block /dev/datto0

dbdctl transition-to-incremental 0
random_file $MNT/more 10
dbdctl transition-to-snapshot $MNT/.datto2 0
sum=$(md5sum <$IMAGE)
state=$(stat -c '%y %z %s %b' $IMAGE)
cow=$MNT/.datto1

say "snapshots that are none"
mkfifo /tmp/fifo
for path in $DISK1 /dev/null /tmp /tmp/fifo $cow; do
	refused 4 "it is not a snapshot device. Give /dev/datto<minor>" $path $cow $IMAGE
done
refused 4 "ENOENT" /dev/datto7 $cow $IMAGE

say "COW files"
refused 1 "it is not a regular file" /dev/datto0 /tmp $IMAGE
refused 1 "it is not a regular file" /dev/datto0 /tmp/fifo $IMAGE
refused 1 "ENOENT" /dev/datto0 /tmp/none $IMAGE
: >/tmp/empty
refused 8 "expected 4096 bytes, found 0 bytes" /dev/datto0 /tmp/empty $IMAGE
head -c 100000 $cow >/tmp/short
refused 8 "found 100000 bytes" /dev/datto0 /tmp/short $IMAGE
cp --sparse=always $cow /tmp/foreign
dd if=/dev/urandom of=/tmp/foreign bs=1 seek=32 count=16 conv=notrunc status=none
refused 7 "The file is of another series" /dev/datto0 /tmp/foreign $IMAGE
refused 8 "the driver has not finished it" /dev/datto0 $MNT/.datto2 $IMAGE

say "images on the device itself: a file, a loop device, a file system on a partition of one"
truncate -s $size $MNT/copy
refused 1 "the device that the snapshot is of: each block written there would go into the COW file" \
	/dev/datto0 $cow $MNT/copy
loop=$(losetup -f --show $MNT/copy)
refused 1 "it is on $DISK1, the device that the snapshot is of" /dev/datto0 $cow $loop
losetup -d $loop
truncate -s 100M $MNT/disk
echo 'start=2048' | sfdisk -q $MNT/disk
loop=$(losetup -fP --show $MNT/disk)
wait_for 10 [ -b ${loop}p1 ]
mkfs.ext4 -q -F ${loop}p1
mount ${loop}p1 /mnt/part
truncate -s $size /mnt/part/copy
refused 1 "it is on $DISK1, the device that the snapshot is of" /dev/datto0 $cow /mnt/part/copy
refused 1 "it is on $DISK1, the device that the snapshot is of" --full /dev/datto0 /mnt/part/new
umount /mnt/part
losetup -d $loop
refused 1 "it is the device that the snapshot is of" /dev/datto0 $cow $DISK1

say "images that cannot be written"
refused 1 "it is neither a regular file nor a block device" /dev/datto0 $cow /mnt/backup
refused 1 "it is neither a regular file nor a block device" /dev/datto0 $cow /tmp/fifo
refused 1 "use --resize" /dev/datto0 $cow /tmp/short
refused 1 "it does not exist" /dev/datto0 $cow /mnt/backup/none
losetup -d $block
mount -o remount,ro /mnt/backup
refused 6 "EROFS: read-only file system" /dev/datto0 $cow $IMAGE
mount -o remount,rw /mnt/backup
block=$(losetup -f --show /mnt/backup/large)
expect_eq "image" "$sum" "$(md5sum <$IMAGE)"

say "interrupted: 130, and the same command goes on"
update-img --bwlimit 1MiB /dev/datto0 $cow $IMAGE >/tmp/out 2>/tmp/err &
pid=$!
wait_for 60 [ -s $IMAGE.journal ]
sleep 2
kill -INT $pid
got=0
wait $pid || got=$?
cat /tmp/err
expect_eq "exit code" 130 $got
[ -s $IMAGE.journal ] || fail "no journal"
update-img --verify /dev/datto0 $cow $IMAGE
expect_no_file $IMAGE.journal
blkcmp extents $MNT/.datto2 >>/tmp/own
expect_same -x /tmp/own $IMAGE /dev/datto0
update-img --verify --bwlimit 1MiB /dev/datto0 $cow $block >/tmp/out 2>/tmp/err &
pid=$!
journal=/var/lib/update-img/${block#/}
journal=${journal%/*}-${block##*/}.journal
wait_for 60 [ -s $journal ]
kill -KILL $pid
wait $pid || true
update-img --verify /dev/datto0 $cow $block
expect_no_file $journal
expect_same -x /tmp/own $block /dev/datto0
losetup -d $block

say "a snapshot that has failed: the driver's words"
dd if=/dev/urandom of=$MNT/data bs=1M count=60 conv=notrunc,fsync status=none
expect_eq "error" -27 "$(info 0 error)"
state=$(stat -c '%y %z %s %b' $IMAGE)
refused 1 "the snapshot has failed with EFBIG (-27): the COW file is full" /dev/datto0 $cow $IMAGE
dbdctl list 2>&1 >/dev/null | grep -F "minor 0 has failed: the COW file is full"
got=0
dbdctl transition-to-incremental 0 2>/tmp/err || got=$?
cat /tmp/err
expect_eq "exit code" 1 $got
grep -qF "has failed: the COW file is full" /tmp/err || fail "not in the driver's words"
dbdctl transition-to-incremental --force 0
dbdctl destroy 0
umount /mnt/backup
expect_untouched
