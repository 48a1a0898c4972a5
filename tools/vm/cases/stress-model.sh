# The model check of the data path, see guest/model/main.c: no sector of any snapshot is another than the
# writers' records say, no map lacks a block, no updated image differs. STRESS_SEED replays its choices.
# disks: 226493952 384M
# fs: ext4 xfs
# slow: xfs
# start: module
# timeout: 300
# dmesg-allow: (I/O error|Buffer I/O|EXT4-fs (error|warning)|XFS ).*datto0

FS_MIB=192
. /share/guest/stress.sh 30
block=4096
[ $((STRESS_SEED % 4)) != 3 ] || block=1024
if [ $FS = xfs ]; then
	make_fs $DISK1 -b size=$block -d size=${FS_MIB}m,agcount=2
else
	mkfs.ext4 -q -F -b $block $DISK1 ${FS_MIB}m
fi
mount_fs $DISK1 $MNT
mkfs.ext4 -q -F $DISK2
mkdir -p /mnt/backup
mount $DISK2 /mnt/backup
model -d $DISK1 -m $MNT -f $FS -r $((FS_MIB << 20)) -i /mnt/backup/image -t $STRESS_SECONDS -s $STRESS_SEED
expect_untouched
umount /mnt/backup
umount $MNT
check_fs $DISK1
