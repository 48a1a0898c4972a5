# Origins of every kind: LVM linear and striped, dm-crypt, md RAID1 and RAID5, sectors of 4096 bytes, a
# loop device, SCSI with UNMAP, null_blk with discard. Each with a file system and the same proof.
# disks: 96M 96M 96M
# start: module
# timeout: 500

. /share/guest/proof.sh
# There is no udev here to make nodes or to wait for.
export MDADM_NO_UDEV=1
lvm_config='activation { udev_sync=0 udev_rules=0 verify_udev_operations=1 monitoring=0 }
	devices { obtain_device_list_from_udev=0 use_devicesfile=0 scan="/dev" } global { use_lvmpolld=0 }'
lvm() { command lvm "$1" --config "$lvm_config" -q -q "${@:2}"; }

# One way of writing after the other, over the same blocks and others.
load() {
	records write -r $SEED -n 12 -b 64 $MNT/data 12
	records write -r $SEED -m direct -n 12 -b 512 $MNT/data 12
	fallocate -z -o $((SEED * 65536)) -l 300k $MNT/data
	rm -f $MNT/last
	[ ! -e $MNT/gone ] || mv $MNT/gone $MNT/last
	random_file $MNT/gone 2
	sync
	[ "$TRIM" = no ] || fstrim $MNT
}

# check WHAT FS DEVICE [yes: it takes discards]
check() {
	local what=$1 device=$3
	FS=$2 TRIM=${4:-no}
	say "$what: $FS on $device"
	make_fs $device
	mount_fs $device $MNT
	random_file $MNT/data 12
	sync
	prove_begin $device $MNT 0 24
	prove "$what" load
	prove_end
	records verify $MNT/data
	umount $MNT
	check_fs $device
}

say "LVM"
lvm vgcreate vg $DISK1 $DISK2 $DISK3
lvm lvcreate -Zn -Wn -an -L 80M -n linear vg $DISK1
lvm lvcreate -Zn -Wn -an -i 2 -I 16k -L 80M -n striped vg $DISK2 $DISK3
lvm lvchange -ay vg
dmsetup mknodes
check "LVM linear" ext4 /dev/mapper/vg-linear yes
check "LVM striped, 16 KiB" xfs /dev/mapper/vg-striped yes
lvm vgchange -an vg
lvm vgremove -y vg
wipefs -qa $DISK1 $DISK2 $DISK3

say "dm-crypt"
head -c 32 /dev/urandom >/tmp/key
cryptsetup open --type plain --cipher aes-cbc-plain64 --key-size 256 --key-file /tmp/key $DISK1 crypt
dmsetup mknodes
check "dm-crypt" xfs /dev/mapper/crypt
dmsetup remove crypt

say "md"
mdadm --quiet --create /dev/md0 --run --assume-clean --metadata=1.2 --bitmap=none --level=1 --raid-devices=2 $DISK1 $DISK2
check "RAID1" xfs /dev/md0
mdadm --quiet --stop /dev/md0
mdadm --quiet --create /dev/md0 --run --assume-clean --metadata=1.2 --bitmap=none --level=5 --chunk=16 --raid-devices=3 $DISK1 $DISK2 $DISK3
check "RAID5, 16 KiB chunks" ext4 /dev/md0
mdadm --quiet --stop /dev/md0
mdadm --zero-superblock $DISK1 $DISK2 $DISK3

say "sectors of 4096 bytes"
mkfs.ext4 -q -F $DISK1
mount_fs $DISK1 /mnt/b
truncate -s 64M /mnt/b/image
loop=$(losetup -f -b 4096 --show /mnt/b/image)
expect_eq "sector" 4096 "$(blockdev --getss $loop)"
check "loop, 4096-byte sectors" ext4 $loop yes
losetup -d $loop
umount /mnt/b

# scsi DEVICE_OPTIONS...: a device in RAM; its name in $scsi
scsi_begin() {
	modprobe -a sd_mod
	modprobe scsi_debug dev_size_mb=64 ndelay=1 "$@"
	wait_for 20 eval 'ls /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/* >/dev/null 2>&1'
	scsi=/dev/$(basename /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/*)
	wait_for 5 test -b $scsi
}
scsi_end() { wait_for 20 rmmod scsi_debug; }
scsi_begin sector_size=4096
expect_eq "sector" 4096 "$(blockdev --getss $scsi)"
check "SCSI, 4096-byte sectors" xfs $scsi
scsi_end
scsi_begin lbpu=1 lbpws=1 lbprz=1
check "SCSI with UNMAP" ext4 $scsi yes
scsi_end

say "null_blk"
modprobe null_blk nr_devices=0
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
# Named like its index, 0: 5.10 takes the device's name from the index, 6.1 and later from the item.
null=/sys/kernel/config/nullb/nullb0
mkdir $null
echo 64 >$null/size
echo 1 >$null/memory_backed
echo 1 >$null/discard
echo 1 >$null/power
nullb=/dev/nullb0
wait_for 5 test -b $nullb
check "null_blk with discard" ext4 $nullb yes
echo 0 >$null/power
rmdir $null
rmmod null_blk
