# The snapshot is the state at one instant: a program writes in a fixed order without a pause, and the
# snapshot holds all that it wrote up to some write and nothing of a later one.
# fs: ext4 xfs
# slow: xfs
# timeout: 200

SLOTS=2000
records ring -m buffered -t 300 $MNT/buffered $SLOTS /tmp/buffered.log &
records ring -m direct -t 300 $MNT/direct $SLOTS /tmp/direct.log &
records ring -s -t 300 $MNT/synced $SLOTS /tmp/synced.log &
sleep 2

number() { sed 's/^0*//' "$1" | sed 's/^$/0/'; }

for round in 1 2 3; do
	say "round $round"
	for kind in buffered direct synced; do number /tmp/$kind.log >/tmp/$kind.low; done
	expect_ok dattoctl setup $DISK1 $MNT/cow 0 128
	for kind in buffered direct synced; do number /tmp/$kind.log >/tmp/$kind.high; done
	sleep 1
	mount_snapshot /dev/datto0 /mnt/snap
	for kind in buffered direct synced; do
		got=$(records ring-verify /mnt/snap/$kind $SLOTS)
		low=$(cat /tmp/$kind.low) high=$(cat /tmp/$kind.high)
		echo "$kind: $low <= $got <= $((high + 1))"
		[ "$got" -ge "$low" ] || fail "$kind: write $low had returned before the snapshot, which ends at $got"
		[ "$got" -le $((high + 1)) ] || fail "$kind: write $got was after the snapshot"
	done
	sleep 1
	drop_caches
	for kind in buffered direct synced; do
		records ring-verify /mnt/snap/$kind $SLOTS
	done
	umount /mnt/snap
	expect_device 0 3 0
	expect_ok dattoctl destroy 0
done
