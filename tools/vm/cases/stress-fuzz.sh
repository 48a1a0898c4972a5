# Random and hostile calls, see guest/fuzz.c, under I/O and mounts that come and go: each is answered with
# an errno, nobody without privilege gets further than EPERM, and nothing is left that no call asked for.
# disks: 128M 128M
# start: module
# timeout: 200
# dmesg-allow: (I/O error|Buffer I/O|EXT4-fs (error|warning)|XFS ).*(datto|loop)

. /share/guest/stress.sh 25
choose_fs
for disk in $DISK1 $DISK2; do
	make_fs_4k $disk
done
mount_fs $DISK1 $MNT
mount_fs $DISK2 /mnt/b
for dir in $MNT /mnt/b; do
	mkdir -p $dir/dir/deep
	ln -s dir $dir/link
	echo content >$dir/file
	echo content >$dir/spare
	# Records of a COW file, see IOCTL_RESUME: good ones and others.
	ln -s /cow0 $dir/live
	ln -s /cow1 $dir/next
	ln -s /endless $dir/endless
	ln -s /dir/deep $dir/to-dir
	ln -s /../../dev/null $dir/outside
done
random_file $MNT/data 16
places=$(mktemp -d)
background records write -m direct -t 100000 -p 20 -b 256 -r $STRESS_SEED $MNT/data 16 >/dev/null
fuzz -s $STRESS_SEED -t $STRESS_SECONDS -d $places $DISK1 $MNT $DISK2 /mnt/b >/tmp/fuzz.log 2>&1 &
fuzz=$!
wait_for 60 [ -e $places/ready ]
find $places | sort >/tmp/before.places
mounts=0
while kill -0 $fuzz 2>/dev/null; do
	# While it goes on a call may hold it for a moment.
	umount /mnt/b 2>/dev/null && sleep 0.$((RANDOM % 10)) && mount_fs $DISK2 /mnt/b && mounts=$((mounts + 1))
	jq -e .version /proc/datto-info >/dev/null || fail "/proc/datto-info: $(cat /proc/datto-info)"
	sleep 0.$((RANDOM % 10))
done
status=0
wait $fuzz || status=$?
cat /tmp/fuzz.log
expect_eq "exit status of fuzz" 0 $status
counted "mounts meanwhile" $mounts
end_background

say "what is left"
find $places | sort | diff /tmp/before.places - || fail "a call made or removed something"
expect_no_file /cow0
jq -r '.devices[].minor' /proc/datto-info | while read -r minor; do expect_ok dattoctl destroy $minor; done
expect_untouched
for dir in $MNT /mnt/b; do
	expect_eq "a file that was there" content "$(cat $dir/file)"
	[ -d $dir/dir/deep ] || fail "$dir/dir/deep is gone"
	ls -la $dir
	# None is kept from being removed.
	find $dir -mindepth 1 -maxdepth 1 -type f ! -name data -delete
done
records verify $MNT/data
umount $MNT
umount /mnt/b
check_fs $DISK1
check_fs $DISK2
