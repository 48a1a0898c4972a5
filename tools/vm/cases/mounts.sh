# Every way of mounting and unmounting is followed; what is not the end or the beginning of the file
# system changes nothing.
# fs: ext4 xfs
# disks: 512M 512M
# timeout: 300

expect_ok dattoctl setup $DISK1 $MNT/cow 0 64
expect_ok dattoctl trans-inc 0

for api in old new; do
	say "$api interface: mount, remount read-only, read-write"
	umount $MNT
	expect_device 0 0 0
	mntapi $api mount $FS $DISK1 $MNT
	expect_device 0 2 0
	echo $api >$MNT/$api
	mntapi $api remount $MNT ro
	expect_device 0 0 0
	mntapi $api remount $MNT rw
	expect_device 0 2 0
	say "$api interface: mounted read-only first"
	umount $MNT
	mntapi $api mount $FS $DISK1 $MNT ro
	expect_device 0 0 0
	grep -qx $api $MNT/$api
	mntapi $api remount $MNT rw
	expect_device 0 2 0
	expect_fails rm -f $MNT/cow
done

say "a bind mount is not the end of it"
mkdir -p /mnt/bind /mnt/second
mount --bind $MNT /mnt/bind
umount /mnt/bind
expect_device 0 2 0
mount --bind $MNT /mnt/bind
umount $MNT
expect_device 0 2 0
mount -t $FS $DISK1 /mnt/second
expect_device 0 2 0
umount /mnt/bind
expect_device 0 2 0
umount /mnt/second
expect_device 0 0 0
mount_fs $DISK1 $MNT
expect_device 0 2 0

say "another mount namespace: its umount changes nothing here, ours nothing there"
unshare -m bash -c "umount $MNT"
expect_device 0 2 0
unshare -m --propagation private sleep 30 &
sleeper=$!
wait_for 10 eval '[ "$(readlink /proc/$sleeper/ns/mnt)" != "$(readlink /proc/self/ns/mnt)" ]'
umount $MNT
expect_device 0 2 0
kill $sleeper
wait $sleeper || true
wait_for 10 eval '[ "$(info 0 state)" = 0 ]'
expect_device 0 0 0
mount_fs $DISK1 $MNT

say "a lazy umount ends it when the last user goes"
echo x >$MNT/held
exec 9>>$MNT/held
umount -l $MNT
expect_device 0 2 0
echo y >&9
exec 9>&-
expect_device 0 0 0
mount_fs $DISK1 $MNT
expect_device 0 2 0
expect_eq "written after the lazy umount" "$(printf 'x\ny')" "$(cat $MNT/held)"

say "a failed umount changes nothing"
exec 9>>$MNT/held
expect_fails umount $MNT
exec 9>&-
expect_device 0 2 0

say "two devices: each for itself"
make_fs $DISK2
mount_fs $DISK2 /mnt/b
expect_ok dattoctl setup $DISK2 /mnt/b/cow 1 48
umount $MNT
expect_device 0 0 0
expect_device 1 3 0
umount /mnt/b
expect_device 1 1 0
mount_fs $DISK1 $MNT
expect_device 0 2 0
expect_device 1 1 0
mount_fs $DISK2 /mnt/b
expect_device 1 3 0
expect_ok dattoctl destroy 1

say "mount and umount in a row, while others ask"
(while :; do cat /proc/datto-info >/dev/null; dattoctl info 0 >/dev/null; dattoctl reconfigure 0 >/dev/null || true; done) &
asker=$!
for i in $(seq 6); do
	umount $MNT
	mount_fs $DISK1 $MNT
	echo $i >$MNT/count
done
kill $asker
wait $asker 2>/dev/null || true
expect_device 0 2 0
expect_eq "the last count" 6 "$(cat $MNT/count)"

say "destroy while mounted read-only: nothing is left but the file"
mount -o remount,ro $MNT
expect_device 0 0 0
expect_ok dattoctl destroy 0
expect_untouched
mount -o remount,rw $MNT
rm -f $MNT/cow
expect_no_file $MNT/cow
