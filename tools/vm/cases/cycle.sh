# The whole cycle through its states, and what INFO and /proc/datto-info say in each of them.
# fs: ext4 xfs
# disks: 512M

expect_untouched
expect_eq "the empty list" "$(printf '{\n\t"version": "%s",\n\t"devices": [\n\n\t]\n}' "$(cat /sys/module/dattobd/version)")" \
	"$(cat /proc/datto-info)"
expect_eq "mode of the control node" "600 character special file" "$(stat -c '%a %F' /dev/datto-ctl)"
expect_eq "mode of /proc/datto-info" 444 "$(stat -c %a /proc/datto-info)"

random_file $MNT/data 40
sync

say "setup"
expect_ok dattoctl setup $DISK1 $MNT/.cow1 0 64
expect_device 0 3 0
expect_eq "seqid" 1 "$(info 0 seqid)"
expect_eq "cow" /.cow1 "$(info 0 cow)"
expect_eq "bdev" $DISK1 "$(info 0 bdev)"
expect_eq "cache" 314572800 "$(info 0 cache_size)"
expect_eq "file size" $((64 << 20)) "$(info 0 falloc_size)"
expect_eq "version" 1 "$(info 0 version)"
uuid=$(info 0 uuid)
[ "$uuid" != 00000000000000000000000000000000 ] || fail "no uuid"
changed=$(info 0 nr_changed_blocks)
# Text as dattobd 0.12.1 prints it, tab for tab; then what it does not have.
expect_eq "/proc/datto-info" "$(printf '{\n\t"version": "%s",\n\t"devices": [\n\t\t{\n\t\t\t"minor": 0,\n\t\t\t"cow_file": "/.cow1",\n\t\t\t"block_device": "%s",\n\t\t\t"max_cache": 314572800,\n\t\t\t"fallocate": 67108864,\n\t\t\t"cow_size_current": 67108864,\n\t\t\t"seq_id": 1,\n\t\t\t"uuid": "%s",\n\t\t\t"version": 1,\n\t\t\t"nr_changed_blocks": N,\n\t\t\t"state": 3,\n\t\t\t"cow_free": N\n\t\t}\n\t]\n}' \
	"$(cat /sys/module/dattobd/version)" $DISK1 "$uuid")" \
	"$(sed -E 's/"(nr_changed_blocks|cow_free)": [0-9]*/"\1": N/' /proc/datto-info)"
echo "changed right after setup: $changed"

say "the snapshot's node"
[ -b /dev/datto0 ] || fail "no node"
expect_eq "size" "$(blockdev --getsz $DISK1)" "$(cat /sys/class/block/datto0/size)"
expect_eq "size by ioctl" "$(dev_bytes $DISK1)" "$(dev_bytes /dev/datto0)"
expect_eq "read-only" 1 "$(cat /sys/class/block/datto0/ro)"
expect_eq "logical block" "$(blockdev --getss $DISK1)" "$(blockdev --getss /dev/datto0)"
expect_eq "minor number" 0 "$(stat -c %T /dev/datto0)"
grep -q ' datto$' /proc/devices || fail "the major is not called datto"
expect_fails dd if=/dev/zero of=/dev/datto0 bs=4096 count=1 oflag=direct
mount_snapshot /dev/datto0 /mnt/snap
cmp $MNT/data /mnt/snap/data
umount /mnt/snap

say "to incremental"
expect_ok dattoctl trans-inc 0
expect_device 0 2 0
[ ! -e /dev/datto0 ] || fail "the node is still there"
expect_eq "uuid" "$uuid" "$(info 0 uuid)"
expect_eq "seqid" 1 "$(info 0 seqid)"
random_file $MNT/more 5
sync
before=$(info 0 nr_changed_blocks)
[ "$before" -ge 1280 ] || fail "5 MiB were written, but only $before blocks changed"

say "to the next snapshot"
expect_ok dattoctl trans-snap $MNT/.cow2 0
expect_device 0 3 0
[ -b /dev/datto0 ] || fail "no node"
expect_eq "uuid" "$uuid" "$(info 0 uuid)"
expect_eq "seqid" 2 "$(info 0 seqid)"
expect_eq "cow" /.cow2 "$(info 0 cow)"
expect_eq "file size as the last time" $((64 << 20)) "$(info 0 falloc_size)"
cowmap check $MNT/.cow1 "$(dev_bytes $DISK1)"
cowmap -d check $MNT/.cow1 "$(dev_bytes $DISK1)"
expect_eq "header" "3 1 $uuid" "$(cowmap header $MNT/.cow1 | sed -n 's/^\(flags\|seqid\|uuid\)=//p' | xargs)"
mount_snapshot /dev/datto0 /mnt/snap
cmp $MNT/more /mnt/snap/more
umount /mnt/snap
rm $MNT/.cow1

say "destroy"
expect_ok dattoctl destroy 0
expect_no_device 0
expect_no_file $MNT/.cow2
expect_untouched
