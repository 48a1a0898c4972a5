# The queue of the origin's disk is frozen again and again, by changing its scheduler, its number of
# requests and its limits, while writes are held and the instant is waited for. Nothing hangs.
# disks: 192M
# timeout: 200

random_file $MNT/a 24
random_file $MNT/b 24
sync
queue=/sys/block/${DISK1##*/}/queue
schedulers=$(tr -d '[]' <$queue/scheduler)
echo "schedulers: $schedulers"
limit=$(cat $queue/max_sectors_kb)
(
	trap 'exit 0' TERM
	i=0
	while true; do
		for scheduler in $schedulers; do
			echo $scheduler >$queue/scheduler
			echo $((16 + i % 3 * 16)) >$queue/nr_requests 2>/dev/null || true
			echo $((i % 2 ? 64 : limit)) >$queue/max_sectors_kb
			echo $((i % 2 * 2)) >$queue/nomerges
			i=$((i + 1))
			echo $i >/tmp/changes
			sleep 0.02
		done
	done
) &
changer=$!
background records write -m direct -b 512 -t 3000 -r 1 $MNT/a 24
background records write -m $(uring_or_direct) -b 64 -t 3000 -r 2 $MNT/b 24
for round in 1 2 3; do
	expect_ok dattoctl setup $DISK1 $MNT/cow1 0 64
	blkcmp extents $MNT/cow1 >/tmp/own
	hash_dev /dev/datto0 /tmp/before
	sleep 1
	hash_dev /dev/datto0 /tmp/after
	expect_same -x /tmp/own /tmp/before /tmp/after
	expect_ok dattoctl trans-inc 0
	expect_ok dattoctl trans-snap $MNT/cow2 0
	expect_device 0 3 0
	expect_ok dattoctl destroy 0
	rm $MNT/cow1
done
kill $changer
wait $changer
end_background
echo "$(cat /tmp/changes) changes of the queue"
[ "$(cat /tmp/changes)" -gt 20 ] || fail "the queue was hardly changed"
echo $limit >$queue/max_sectors_kb
echo 0 >$queue/nomerges
for f in a b; do records verify $MNT/$f; done
