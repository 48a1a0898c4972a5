# No change is missed: over two full cycles under load, each block that differs between one snapshot
# and the next is marked in the COW file between them.
# fs: ext4 xfs
# timeout: 240
# slow: xfs

bytes=$(dev_bytes $DISK1)
random_file $MNT/a 48
random_file $MNT/b 48
sync
# All the time, across the transitions too.
background records write -m buffered -t 3000 -b 64 -r 31 $MNT/a 48
background records write -m direct -t 3000 -b 512 -r 32 $MNT/b 48

# Once saved, blocks are a map too: changes in snapshot mode are seen as well as those after it.
expect_ok dattoctl setup $DISK1 $MNT/cow1 0 160
hash_dev /dev/datto0 /tmp/hash1
blkcmp extents $MNT/cow1 >/tmp/own1.runs
for k in 1 2; do
	say "cycle $k"
	expect_ok dattoctl trans-inc 0
	for i in $(seq 30); do head -c 20000 /dev/urandom >$MNT/f$k-$i; done
	[ $k = 1 ] || rm $MNT/f1-*
	sleep 2
	n=$((k + 1))
	expect_ok dattoctl trans-snap $MNT/cow$n 0
	hash_dev /dev/datto0 /tmp/hash$n
	blkcmp extents $MNT/cow$n >/tmp/own$n.runs
	cowmap check $MNT/cow$k $bytes
	cowmap runs $MNT/cow$k $bytes >/tmp/changed$k.runs
	expect_same -x /tmp/changed$k.runs -x /tmp/own$k.runs -x /tmp/own$n.runs /tmp/hash$k /tmp/hash$n
	expect_differ -x /tmp/own$k.runs -x /tmp/own$n.runs /tmp/hash$k /tmp/hash$n
	cowmap -d runs $MNT/cow$k $bytes | cmp - /tmp/changed$k.runs
	rm $MNT/cow$k
	expect_device 0 3 0
done
say "and the last snapshot is still exact"
hash_dev /dev/datto0 /tmp/again
expect_same -x /tmp/own3.runs /tmp/hash3 /tmp/again
expect_ok dattoctl destroy 0
end_background
for f in a b; do records verify $MNT/$f; done
