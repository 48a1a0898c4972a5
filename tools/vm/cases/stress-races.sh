# All calls against each other, by processes that get signals and are killed, see guest/fuzz.c, while file
# systems come and go, the devices below them too, the module is unloaded and loaded, and there is I/O.
# disks: 128M 128M 128M
# fs: ext4 xfs
# slow: xfs
# start: module
# timeout: 240
# dmesg-allow: (I/O error|Buffer I/O|EXT4-fs (error|warning)|XFS ).*datto|fuzz: attempt to access beyond end of device|I/O error, dev loop3, sector \d+ op 0x0:\(READ\)

. /share/guest/stress.sh 30
RANDOM=$STRESS_SEED
end=$((SECONDS + STRESS_SECONDS))
running() { [ $SECONDS -lt $end ]; }
nap() { sleep 0.$((RANDOM % 9))$((RANDOM % 9)); }
size=$(blockdev --getsz $DISK2)
make_dm() { echo "0 $size linear $DISK2 0" | dm_create race 2>/dev/null; }
# Detached it is still there: who reads it gets an error.
make_loop() { losetup /dev/loop3 $DISK3; }

# An origin in use is not removed: whatever else may be in the way, its I/O gives no error.
use() {
	local out
	out=$(records write -n 10 -b 64 -r $1 $2 8 2>&1) || [[ $out != *"Input/output error"* ]] ||
		fail "the origin's I/O fails: $out"
}

# come_and_go NAME DIRECTORY DEVICE MAKE REMOVE...: whatever is in the way of a step, the next round tries again.
come_and_go() {
	local name=$1 dir=$2 device=$3 make=$4 times=0 i=0 mounts=0
	RANDOM=$((STRESS_SEED + ${#name}))
	shift 4
	while running; do
		i=$((i + 1))
		[ "$(blockdev --getsz $device 2>/dev/null || echo 0)" != 0 ] || $make || true
		if mount_fs $device $dir 2>/dev/null; then
			mounts=$((mounts + 1))
			use $i $dir/data
			nap
			[ $((RANDOM % 3)) = 0 ] || umount $dir || true
			umount $dir 2>/dev/null || true
		fi
		if ! grep -q " $dir " /proc/mounts; then
			[ $((RANDOM % 4)) != 0 ] || destroy_all
			"$@" 2>/dev/null && times=$((times + 1)) || true
		fi
	done
	counted "devices removed ($name)" $times
	counted "mounts ($name)" $mounts
}

destroy_all() {
	local minor
	for minor in $(jq -r '.devices[].minor' /proc/datto-info 2>/dev/null); do
		dattoctl destroy $minor >/dev/null 2>&1 || true
	done
}

look() {
	while running; do
		if [ -e /proc/datto-info ]; then cat /proc/datto-info >/dev/null 2>&1 || true; fi
		dd if=/dev/datto$((RANDOM % 3)) of=/dev/null bs=1M count=4 iflag=direct 2>/dev/null || true
		nap
	done
}

make_dm
make_loop
for device in $DISK1 /dev/mapper/race /dev/loop3; do
	make_fs_4k $device
	# Records of COW files, for IOCTL_RESUME.
	mount_fs $device $MNT
	ln -s /cow0 $MNT/live
	ln -s /cow1 $MNT/next
	umount $MNT
done
mount_fs $DISK1 $MNT
random_file $MNT/data 16
mkdir -p /mnt/b /mnt/c
for mode in direct buffered mmap; do
	background records write -m $mode -t 100000 -p 20 -b 256 -r $STRESS_SEED $MNT/$mode 8 >/dev/null
done
others=()
come_and_go dm /mnt/b /dev/mapper/race make_dm dmsetup remove race &
others+=($!)
come_and_go loop /mnt/c /dev/loop3 make_loop losetup -d /dev/loop3 &
others+=($!)
look &
others+=($!)
fuzz -v $KO -s $STRESS_SEED -t $STRESS_SECONDS -d "$(mktemp -d)" $DISK1 $MNT /dev/mapper/race /mnt/b /dev/loop3 /mnt/c
sleep 1
wait_for 60 eval '! running'
all_done "${others[@]}"
end_background

say "what is left"
[ -e /proc/datto-info ] || load_module
destroy_all
expect_untouched
for mode in direct buffered mmap; do records verify $MNT/$mode; done
for dir in $MNT /mnt/b /mnt/c; do
	! grep -q " $dir " /proc/mounts || umount $dir
done
unload_module
load_module
check_fs $DISK1
check_fs $DISK2
check_fs $DISK3
