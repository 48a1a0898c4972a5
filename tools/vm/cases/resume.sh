# A device taken up again by the record on its file system: whatever its mode was, through the crash
# between a transition and its record, after a power cut in snapshot mode; and what is no record.
# fs: ext4 xfs
# boots: 2
# power: cut
# timeout: 200
# slow: xfs

bytes=$(dev_bytes $DISK1)
live=$MNT/.dbd/live next=$MNT/.dbd/next
record() { ln -sfn "$2" "$1"; }

# The machine is taken down in order, as far as the driver sees it.
reboot_module() {
	sync
	umount $MNT
	unload_module
	load_module
}

resume() {
	expect_ok dattoctl resume $DISK1 /.dbd/live 0 /.dbd/next
	expect_device 0 4 0
	expect_eq "cow" /.dbd/live "$(info 0 cow)"
}

# taken_up COW SEQID
taken_up() {
	resume
	mount_fs $DISK1 $MNT
	expect_device 0 2 0
	expect_eq "cow" $1 "$(info 0 cow)"
	expect_eq "seqid" $2 "$(info 0 seqid)"
	expect_fails rm -f $MNT$1
}

# refused ERROR
refused() {
	resume
	mount_fs $DISK1 $MNT
	expect_device 0 4 $1
	expect_ok dattoctl destroy 0
}

# next_snapshot N: as hash N; its own blocks as own N
next_snapshot() {
	if [ $1 = 1 ]; then
		expect_ok dattoctl setup $DISK1 $MNT/cow1 0 64
	else
		expect_ok dattoctl trans-snap $MNT/cow$1 0
	fi
	hash_dev /dev/datto0 hash$1
	blkcmp extents $MNT/cow$1 >own$1.runs
}

# The map of cow$1 covers all that differs between snapshots $1 and $2.
expect_covered() {
	cowmap check $MNT/cow$1 $bytes
	cowmap runs $MNT/cow$1 $bytes >changed.runs
	expect_same -x changed.runs -x own$1.runs -x own$2.runs hash$1 hash$2
	expect_differ -x own$1.runs -x own$2.runs hash$1 hash$2
}

if [ $BOOT = 2 ]; then
	say "a power cut in snapshot mode"
	load_module
	taken_up /cow3 3
	[ "$(stat -c %s $MNT/cow3)" -lt $((20 << 20)) ] || fail "the data area was not given back"
	next_snapshot 4
	expect_covered 3 4
	exit
fi

mkdir $MNT/.dbd
random_file $MNT/data 16
sync
say "a snapshot becomes incremental"
next_snapshot 1
record $live /cow1
info 0 uuid >uuid
records write -t 1 -b 512 $MNT/data 16
reboot_module
taken_up /cow1 1
expect_eq "uuid" "$(cat uuid)" "$(info 0 uuid)"
[ "$(stat -c %s $MNT/cow1)" -lt $((20 << 20)) ] || fail "the data area was not given back"
records write -t 1 -b 512 -r 2 $MNT/data 16
record $next /cow2
next_snapshot 2
expect_covered 1 2

say "between a transition and its record, both lead somewhere"
reboot_module
taken_up /cow2 2
say "the first counts as long as it is not finished"
record $live /cow2
record $next /cow1
reboot_module
taken_up /cow2 2
say "and another that could be taken up as well can be no more"
dd if=$MNT/cow2 of=$MNT/other bs=4096 iflag=direct oflag=direct 2>/dev/null
flags() { od -An -tu4 -j76 -N4 $MNT/other | tr -d ' '; }
expect_eq "flags" 4 "$(flags)"
record $next /other
reboot_module
taken_up /cow2 2
echo 3 >/proc/sys/vm/drop_caches
expect_eq "flags" 0 "$(flags)"
rm -f $MNT/other
record $next /cow3
next_snapshot 3
expect_covered 2 3

say "the second is not of the first one's series: it is not looked at"
record $live /cow1
reboot_module
refused -22
say "a record that leads to nothing, one that is no link, none; the second alone is of no use"
record $live /none
reboot_module
refused -116
rm $live
touch $live
reboot_module
refused -22
rm $live
record $next /cow3
reboot_module
refused -2
expect_untouched

say "calls that are refused"
nr=$(printf '%x' $((0x9143)))
size=30
expect_errno EINVAL dattoctl resume $DISK1 /.dbd/live 0
umount $MNT
expect_errno EINVAL dattoctl resume $DISK1 "" 0
expect_errno ENOENT dattoctl resume /dev/none /.dbd/live 0
expect_errno EFAULT dattoctl badptr resume
expect_errno EINVAL dattoctl words $nr $size 1 0 0 0 0 0 0 0 0 0 0
expect_errno EINVAL dattoctl words $nr $size 0 0 0 0 0 0 0 0 0 0 1
expect_errno E2BIG dattoctl words $nr $((size + 4)) 0 0 0 0 0 0 0 0 0 0 0 1
mount_fs $DISK1 $MNT
rm -f $MNT/cow*
for n in 1 2 3; do
	next_snapshot $n
	record $live /cow$n
	[ $n = 3 ] || expect_ok dattoctl trans-inc 0
	records write -t 1 -b 512 -r 2$n $MNT/data 16
done
sync
records write -m direct -t 600 -b 64 -r 31 $MNT/data 16 &
sleep 3
