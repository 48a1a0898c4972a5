# A device that was reloaded, and whose mount is not followed by itself, is taken up by the next call. If the file system is frozen by
# then, nothing may wait for its thaw: the call has the driver's locks, and who is to thaw may need another call. Here a snapshot
# that was lost in a crash has old blocks to give back.
# fs: ext4 xfs
# boots: 2
# power: cut
# timeout: 200
# slow: xfs

case $BOOT in
1)
	random_file $MNT/data 16
	sync
	expect_ok dattoctl setup $DISK1 $MNT/cow1 0 64
	ln -s /cow1 $MNT/live
	sync
	records write -m direct -t 600 -b 64 -r 1 $MNT/data 16 &
	sleep 3
	;;
2)
	bytes=$(dev_bytes $DISK1)
	load_module may_hook_syscalls=0
	expect_ok dattoctl resume $DISK1 /live 0
	mount_fs $DISK1 $MNT
	expect_device 0 4 0
	expect_eq "size" $((64 << 20)) "$(stat -c %s $MNT/cow1)"
	fsfreeze -f $MNT
	dattoctl reconfigure 0 >/tmp/answer &
	call=$!
	late=
	(wait_for 10 [ -s /tmp/answer ]) || late="$(cat /proc/$call/stat /proc/$call/wchan)"
	fsfreeze -u $MNT
	wait $call || true
	echo "answer: $(cat /tmp/answer)"
	[ -z "$late" ] || fail "it waited for the thaw: $late"
	expect_ok dattoctl reconfigure 0
	expect_device 0 2 0
	expect_eq "cow" /cow1 "$(info 0 cow)"
	records write -m direct -n 40 -b 64 -r 2 $MNT/data 16
	expect_ok dattoctl trans-snap $MNT/cow2 0 64
	cowmap check $MNT/cow1 $bytes
	expect_device 0 3 0
	expect_ok dattoctl destroy 0
	;;
esac
