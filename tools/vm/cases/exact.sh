# The snapshot does not change while its origin is being overwritten in every way there is.
# fs: ext4 xfs
# slow: xfs
# timeout: 200

random_file $MNT/a 48
random_file $MNT/b 48
random_file $MNT/c 48
for i in $(seq 200); do echo "file $i" >$MNT/small$i; done
sums=$(cd $MNT && md5sum a b c small*)
sync

expect_ok dattoctl setup $DISK1 $MNT/cow 0 200
blkcmp extents $MNT/cow >/tmp/cow.runs
# Nobody writes yet, so this is read from the origin itself: what the snapshot has to stay.
hash_dev /dev/datto0 /tmp/before

say "overwriting"
background records write -m buffered -t 12 -r 11 $MNT/a 48
background records write -m direct -t 12 -r 12 -b 2048 $MNT/b 48
background records write -m mmap -t 12 -r 13 $MNT/c 48
change_small_files() {
	for i in $(seq 100); do
		rm $MNT/small$i
		head -c 5000 /dev/urandom >$MNT/new$i
		mv $MNT/small$((100 + i)) $MNT/moved$i
	done
	sync
}
background change_small_files
say "reading the snapshot meanwhile"
hash_dev /dev/datto0 /tmp/during
expect_same -x /tmp/cow.runs /tmp/before /tmp/during
done_background
sync
hash_dev /dev/datto0 /tmp/after
expect_same -x /tmp/cow.runs /tmp/before /tmp/after
say "through the page cache as well"
blkcmp hash -c /dev/datto0 >/tmp/cached
expect_same -x /tmp/cow.runs /tmp/before /tmp/cached

say "the comparison can fail: the origin did change"
drop_caches
hash_dev $DISK1 /tmp/origin
expect_differ -x /tmp/cow.runs /tmp/before /tmp/origin
for f in a b c; do records verify $MNT/$f; done

say "the files of that moment"
mount_snapshot /dev/datto0 /mnt/snap
expect_eq "checksums" "$sums" "$(cd /mnt/snap && md5sum a b c small*)"
umount /mnt/snap
expect_device 0 3 0
expect_ok dattoctl destroy 0
for f in a b c; do records verify $MNT/$f; done
