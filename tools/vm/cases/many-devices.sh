# All 24 minors at once: each device set up, written, compared, taken through a cycle and destroyed; the
# 25th finds no minor.
# disks: 1G
# timeout: 400
# slow: yes

N=24
for i in $(seq 0 $((N - 1))); do
	truncate -s 24M $MNT/image$i
	dev[i]=$(losetup -f --show $MNT/image$i)
	mkfs.ext4 -q -F -E lazy_itable_init=0 ${dev[i]}
	mkdir -p /mnt/l$i
	mount ${dev[i]} /mnt/l$i
	records fill -r $i /mnt/l$i/data 4
done
sync
free_before=$(mem_free)
say "setup"
for i in $(seq 0 $((N - 1))); do
	expect_eq "lowest free minor" $i "$(dattoctl free)"
	expect_ok dattoctl setup ${dev[i]} /mnt/l$i/cow $i 10
	blkcmp extents /mnt/l$i/cow >/tmp/own$i
	hash_dev /dev/datto$i /tmp/hash$i
done
say "no more of them"
expect_errno ENOENT dattoctl free
expect_errno EINVAL dattoctl setup $DISK1 $MNT/cow 24
expect_errno EBUSY dattoctl setup $DISK1 $MNT/cow 23
expect_no_file $MNT/cow
expect_eq "devices in /proc" $N "$(jq '.devices | length' /proc/datto-info)"

say "all are written at once"
for i in $(seq 0 $((N - 1))); do
	records write -r $((100 + i)) -n 20 -b 64 /mnt/l$i/data 4 >/dev/null &
	writers[i]=$!
done
wait "${writers[@]}"
sync
for i in $(seq 0 $((N - 1))); do
	hash_dev /dev/datto$i /tmp/now
	expect_same -x /tmp/own$i /tmp/hash$i /tmp/now 2>/dev/null
	expect_differ -x /tmp/own$i /tmp/hash$i ${dev[i]} 2>/dev/null
	expect_eq "state and error of $i" "3 0" "$(info $i state) $(info $i error)"
done
taken=$((free_before - $(mem_free)))
echo "$N snapshots take $taken KiB, $((taken / N)) each"
# 2 MiB each are set aside for old blocks.
[ $taken -lt $((N * 4096)) ] || fail "$taken KiB for $N snapshots"

say "a cycle, the minors in another order"
for i in $(seq $((N - 1)) -1 0); do
	expect_ok dattoctl trans-inc $i
	records write -r $((200 + i)) -n 5 -b 64 /mnt/l$i/data 4 >/dev/null
	expect_ok dattoctl trans-snap /mnt/l$i/cow2 $i
	blkcmp extents /mnt/l$i/cow2 >>/tmp/own$i
	hash_dev /dev/datto$i /tmp/now
	cowmap runs /mnt/l$i/cow $(dev_bytes ${dev[i]}) >/tmp/changed
	expect_same -x /tmp/changed -x /tmp/own$i /tmp/hash$i /tmp/now 2>/dev/null
done
say "destroy"
for i in $(seq 0 2 $((N - 1))) $(seq 1 2 $((N - 1))); do
	expect_ok dattoctl destroy $i
	expect_no_file /mnt/l$i/cow2
done
expect_untouched
for i in $(seq 0 $((N - 1))); do
	records verify /mnt/l$i/data >/dev/null
	umount /mnt/l$i
	check_fs ${dev[i]}
	losetup -d ${dev[i]}
done
