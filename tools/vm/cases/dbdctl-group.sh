# dbdctl setup-snapshot --group on the real driver: two disks and a loop device on a file of the first, at one
# instant, in whatever order they are given; all or none, and the message names the member that was refused.
# disks: 512M 256M
# timeout: 300

group_fails() {
	local code=$1 text=$2 got=0
	shift 2
	dbdctl setup-snapshot "$@" >/tmp/out 2>/tmp/err || got=$?
	cat /tmp/err
	[ "$got" = "$code" ] || fail "$*: exit code $got, not $code"
	grep -qF -- "$text" /tmp/err || fail "$*: no \"$text\""
	[ -s /tmp/out ] && fail "$*: $(cat /tmp/out) on stdout"
	expect_untouched
	expect_no_file $MNT/cow
	expect_no_file /mnt/b/cow
	expect_no_file /mnt/c/cow
}

mkdir -p /mnt/b /mnt/c
make_fs $DISK2
mount_fs $DISK2 /mnt/b
truncate -s 128M $MNT/image
loop=$(losetup -f --show $MNT/image)
make_fs $loop
mount_fs $loop /mnt/c
a=$DISK1:$MNT/cow b=$DISK2:/mnt/b/cow c=$loop:/mnt/c/cow

say "refused as a whole, before the call and after it"
for dry in "" --dry-run; do
	group_fails 1 "/mnt/c is a directory. Name a file that does not exist yet (EISDIR)" \
		$dry -f 16 --group $a:0 $b:1 $loop:/mnt/c:2
	group_fails 1 "/mnt/b/other is not on the file system of $loop" $dry --group $a $b $loop:/mnt/b/other
	group_fails 1 "are free on /mnt/c" $dry -f 4000 --group $c
	group_fails 1 "minor 1 is in the group twice" $dry --group $a:1 $b:1
	group_fails 1 "$DISK2 is in the group twice" $dry --group $b $b
	group_fails 1 "minor 24 is not below" $dry --group $a $b:24
	group_fails 4 "/dev/none does not exist" $dry --group $a /dev/none:/mnt/x $b
done
group_fails 2 "must be a device, the absolute path" --group $a $DISK2
fsfreeze -f /mnt/b
group_fails 5 "The driver says: $DISK2 cannot be tracked: its file system is frozen" --group $a $b
fsfreeze -u /mnt/b

say "the loop device before what it is on, else in the order given"
dbdctl setup-snapshot --group $a:3 $b:4 $c:5 --dry-run --json >/tmp/plan
expect_eq "freeze order" "[4,5,3]" "$(jq -c .freezeOrder /tmp/plan)"
expect_untouched
echo before | tee $MNT/word /mnt/b/word >/mnt/c/word
expect_eq "minors" "0 1 2" "$(dbdctl setup-snapshot -f 16MiB -c 4MiB --group $a $b $c --show | xargs)"
echo after | tee $MNT/word /mnt/b/word >/mnt/c/word
sync
for minor in 0 1 2; do
	expect_device $minor 3 0
	expect_eq "cache of $minor" $((4 << 20)) "$(info $minor cache_size)"
	expect_eq "COW file of $minor" $((16 << 20)) "$(info $minor falloc_size)"
	mount_snapshot /dev/datto$minor /mnt/snap
	expect_eq "word in $minor" before "$(cat /mnt/snap/word)"
	umount /mnt/snap
done
expect_eq "devices" "$DISK1 $DISK2 $loop" "$(dbdctl list --json | jq -r '.devices[].blockDevice' | xargs)"
if dbdctl setup-snapshot --group $a $b 2>/tmp/err; then fail "tracked twice"; fi
grep -F "$DISK1 is tracked already, as minor 0" /tmp/err
for device in $loop $DISK2 $DISK1; do dbdctl destroy $device; done
expect_untouched
umount /mnt/c
check_fs $loop
losetup -d $loop
umount /mnt/b
