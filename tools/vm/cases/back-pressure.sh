# The COW file lies where writing is slow, and the origin where it is fast: old blocks wait in memory up to
# the limit that was asked for, then the writers wait. Nothing fails and nothing is lost.
# disks: 256M
# start: none
# timeout: 300

size=$(blockdev --getsz $DISK1)

# What the device is from now on: table on stdin. The file system is not asked.
table() {
	dmsetup load origin
	dmsetup suspend --nolockfs origin
	dmsetup resume origin
}

# slow FILE MS: from now on each write to the file takes so long.
slow() {
	local table at=0 first count
	table=
	# In order on the device, as sectors.
	while read -r first count; do
		first=$((first * 8)) count=$((count * 8))
		[ $first -le $at ] || table+="$at $((first - at)) linear $DISK1 $at"$'\n'
		table+="$first $count delay $DISK1 $first 0 $DISK1 $first $2"$'\n'
		at=$((first + count))
	done < <(blkcmp extents "$1" | sort -n)
	table+="$at $((size - at)) linear $DISK1 $at"
	echo "$table" | table
}

# free_now: KiB, with what lies on the CPUs' own lists
free_now() { awk '/^MemFree:/ { k = $2 } / count:/ { k += 4 * $2 } END { print k }' /proc/meminfo /proc/zoneinfo; }

# run LIMIT_MIB MS: $taken becomes the KiB of memory that were gone at the worst moment.
run() {
	local before lowest now writer
	# Without the log: each region's first write would wait for one in the slow place.
	load_module saved_memory_mib=$1 intent_log=0
	echo "0 $size linear $DISK1 0" | dm_create origin
	make_fs /dev/mapper/origin -b 4096 -E lazy_itable_init=0
	mount_fs /dev/mapper/origin $MNT
	random_file $MNT/data 90
	sync
	expect_ok dattoctl setup /dev/mapper/origin $MNT/cow 0 100
	blkcmp extents $MNT/cow >/tmp/own
	hash_dev /dev/datto0 /tmp/before
	before=$(mem_free) lowest=$before
	slow $MNT/cow $2
	# Direct, so that no page cache is in the way of what is measured.
	records write -m direct -b 2048 -n 90 -r 5 $MNT/data 90 >/dev/null &
	writer=$!
	while kill -0 $writer 2>/dev/null; do
		now=$(free_now)
		[ "$now" -ge $lowest ] || lowest=$now
		sleep 0.1
	done
	wait $writer
	echo "0 $size linear $DISK1 0" | table
	taken=$((before - lowest))
	echo "saved_memory_mib=$1: $taken KiB were taken at the most, $(($(info 0 nr_changed_blocks) * 4)) KiB were saved in all"
	expect_device 0 3 0
	hash_dev /dev/datto0 /tmp/after
	expect_same -x /tmp/own /tmp/before /tmp/after
	expect_ok dattoctl destroy 0
	records verify $MNT/data
	umount $MNT
	check_fs /dev/mapper/origin
	dmsetup remove origin
	unload_module
}

say "16 MiB"
run 16 3000
small=$taken
say "64 MiB"
run 64 8000
large=$taken
# The writer's own buffer and the requests on their way take a few MiB.
[ $small -lt $(((16 + 12) * 1024)) ] || fail "$small KiB were taken with a limit of 16 MiB"
[ $large -lt $(((64 + 16) * 1024)) ] || fail "$large KiB were taken with a limit of 64 MiB"
[ $large -gt $(((16 + 16) * 1024)) ] || fail "memory was not the limit: $large KiB were taken with 64 MiB"
