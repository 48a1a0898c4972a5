# Module parameters, minors, several devices at a time, paths that need escaping in JSON.
# disks: 512M 256M 256M
# start: none

P=/sys/module/dattobd/parameters
load_module debug=1
expect_eq "parameters" "1 1 24" "$(cat $P/debug) $(cat $P/may_hook_syscalls) $(cat $P/max_snap_devices)"
expect_eq "mode of debug" 644 "$(stat -c %a $P/debug)"
echo 0 >$P/debug
for name in may_hook_syscalls max_snap_devices cow_max_memory_default cow_fallocate_percentage_default; do
	expect_eq "mode of $name" 444 "$(stat -c %a $P/$name)"
done
grep -q '^0\.12\.1' /sys/module/dattobd/version || fail "version $(cat /sys/module/dattobd/version)"
expect_fails load_module
unload_module

say "defaults given at load"
load_module max_snap_devices=2 cow_max_memory_default=10485760 cow_fallocate_percentage_default=20
for disk in $DISK1 $DISK2 $DISK3; do
	make_fs $disk
	mount_fs $disk /mnt/${disk##*/}
done
one=/mnt/${DISK1##*/} two=/mnt/${DISK2##*/} three=/mnt/${DISK3##*/}
expect_eq "free" 0 "$(dattoctl free)"
expect_ok dattoctl setup $DISK1 $one/cow 0
expect_eq "cache" 10485760 "$(info 0 cache_size)"
# 20 % of 512 MiB, of which /proc shows whole MiB.
expect_eq "fallocate in /proc" $((102 << 20)) "$(proc_field 0 fallocate)"
size=$(info 0 falloc_size)
[ "$size" -ge $((102 << 20)) ] && [ "$size" -le $((103 << 20)) ] || fail "COW file of $size bytes"

say "minors"
expect_eq "free" 1 "$(dattoctl free)"
expect_errno EINVAL dattoctl setup $DISK2 $two/cow 2
expect_ok dattoctl setup $DISK2 $two/cow 1
expect_errno ENOENT dattoctl free
expect_errno EBUSY dattoctl setup $DISK3 $three/cow 1
expect_eq "devices in /proc" "0 1" "$(jq -r '.devices[].minor' /proc/datto-info | xargs)"
[ "$(info 0 uuid)" != "$(info 1 uuid)" ] || fail "two series with one uuid"
expect_ok dattoctl destroy 0
expect_eq "free" 0 "$(dattoctl free)"
expect_device 1 3 0
expect_ok dattoctl setup $DISK3 $three/cow 0
expect_eq "device of minor 0" $DISK3 "$(info 0 bdev)"
expect_eq "node's size" "$(blockdev --getsz $DISK3)" "$(cat /sys/class/block/datto0/size)"
expect_ok dattoctl destroy 0
expect_ok dattoctl destroy 1
expect_untouched

say "paths in JSON"
name=$'a "quoted" \\ back\nslash\ttab'
expect_ok dattoctl setup $DISK1 "$one/$name" 1
expect_eq "cow_file" "/$name" "$(jq -r '.devices[0].cow_file' /proc/datto-info)"
expect_ok dattoctl destroy 1
expect_no_file "$one/$name"

say "reconfigure"
expect_ok dattoctl setup $DISK1 $one/cow 0 64 20971520
expect_eq "cache" 20971520 "$(info 0 cache_size)"
expect_ok dattoctl reconfigure 0 41943040
expect_eq "cache" 41943040 "$(info 0 cache_size)"
expect_eq "cache in /proc" 41943040 "$(proc_field 0 max_cache)"
expect_ok dattoctl reconfigure 0 0
expect_eq "cache" 10485760 "$(info 0 cache_size)"
expect_ok dattoctl reconfigure 0 41943040
expect_ok dattoctl trans-inc 0
expect_ok dattoctl trans-snap $one/cow2 0
expect_eq "cache after the transition: the default again" 10485760 "$(info 0 cache_size)"
expect_ok dattoctl destroy 0
unload_module

say "max_snap_devices out of range"
load_module max_snap_devices=1000
expect_eq "cut to" 255 "$(cat $P/max_snap_devices)"
expect_errno ENOENT dattoctl destroy 254
expect_errno EINVAL dattoctl destroy 255
