# A COW file is removed, replaced or written to while it is made, and while it is finished: it cannot be, or the
# call fails. Else the driver would go on writing to blocks that are others' by then.
# disks: 512M
# fs: ext4 xfs
# start: module
# timeout: 300
# slow: xfs

size=$(blockdev --getsz $DISK1)
echo "0 $size delay $DISK1 0 0 $DISK1 0 300" | dm_create slow
if [ $FS = ext4 ]; then make_fs /dev/mapper/slow -E lazy_itable_init=0; else make_fs /dev/mapper/slow; fi
mount_fs /dev/mapper/slow $MNT

# attack FILE PID: until the process ends, everything that would take the file's blocks away. What succeeds is
# in /tmp/attacks, with the time.
attack() {
	: >/tmp/attacks
	: >$MNT/other
	while kill -0 $2 2>/dev/null; do
		if rm "$1" 2>/dev/null; then echo "$SECONDS rm" >>/tmp/attacks; fi
		if mv -f $MNT/other "$1" 2>/dev/null; then echo "$SECONDS mv" >>/tmp/attacks; fi
		if truncate -c -s 4096 "$1" 2>/dev/null; then echo "$SECONDS truncate" >>/tmp/attacks; fi
	done
	rm -f $MNT/other
	cat /tmp/attacks
}

# There is a moment between the file's being there and its being looked after.
say "while it is made"
sync
for kind in setup trans-snap; do
	case $kind in
	setup) call="setup /dev/mapper/slow $MNT/cow1 0 60" cow=$MNT/cow1 ;;
	trans-snap) call="trans-snap $MNT/cow2 0" cow=$MNT/cow2 ;;
	esac
	for try in 1 2 3; do
		dattoctl $call >/tmp/result &
		pid=$!
		wait_for 20 eval "[ -e $cow ] || ! kill -0 $pid 2>/dev/null"
		attack $cow $pid
		wait $pid || true
		echo "$call: $(cat /tmp/result)"
		[ "$(cat /tmp/result)" != OK ] || break
		expect_eq "result" EAGAIN "$(cat /tmp/result)"
		[ -s /tmp/attacks ] || fail "it is refused, and nobody did anything"
	done
	expect_eq "$kind" OK "$(cat /tmp/result)"
	[ ! -s /tmp/attacks ] || fail "$kind: succeeded, and so did $(cat /tmp/attacks)"
	expect_eq "links of $cow" 1 "$(stat -c %h $cow)"
	[ $kind != setup ] || expect_ok dattoctl trans-inc 0
done
expect_device 0 3 0
blkcmp extents $MNT/cow1 >/tmp/own1
blkcmp extents $MNT/cow2 >/tmp/own2
hash_dev /dev/datto0 /tmp/before
random_file $MNT/data 30
sync
hash_dev /dev/datto0 /tmp/after
expect_same -x /tmp/own1 -x /tmp/own2 /tmp/before /tmp/after

say "while it is finished"
rm $MNT/cow1
expect_ok dattoctl trans-inc 0
for ((i = 0; i < 40; i++)); do
	dd if=/dev/urandom of=$MNT/data bs=4096 count=1 seek=$((i * 190)) conv=notrunc status=none
done
sync
dattoctl trans-snap $MNT/cow3 0 >/tmp/result &
pid=$!
attack $MNT/cow2 $pid
wait $pid || true
ended=$SECONDS
expect_eq "result" OK "$(cat /tmp/result)"
# Right at the end the file is the user's.
while read -r at what; do
	[ $at -ge $((ended - 1)) ] || fail "$what succeeded ${ended} - $at s before the call was done"
done </tmp/attacks
expect_ok dattoctl destroy 0
umount $MNT
check_fs /dev/mapper/slow
