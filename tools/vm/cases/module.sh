# The module cannot be unloaded while there are devices, and 50 rounds of load, setup, write, destroy,
# unload leave nothing behind: no file, no node, no memory.
# timeout: 600

expect_ok dattoctl setup $DISK1 $MNT/cow 0 32
expect_fails unload_module
expect_ok dattoctl trans-inc 0
expect_fails unload_module
expect_device 0 2 0
expect_ok dattoctl destroy 0
exec 9</dev/datto-ctl
expect_fails unload_module
exec 9<&-
unload_module
records write -n 10 $MNT/data 8

round() {
	load_module
	dattoctl setup $DISK1 $MNT/cow 0 32 >/dev/null
	dd if=/dev/urandom of=$MNT/data bs=64k count=32 conv=notrunc,fsync 2>/dev/null
	dd if=/dev/datto0 of=/dev/null bs=64k count=64 2>/dev/null
	if [ $(($1 % 2)) = 0 ]; then
		dattoctl trans-inc 0 >/dev/null
		dd if=/dev/urandom of=$MNT/data bs=64k count=16 conv=notrunc,fsync 2>/dev/null
		[ $(($1 % 4)) = 0 ] || dattoctl trans-snap $MNT/cow2 0 >/dev/null
	fi
	dattoctl destroy 0 >/dev/null
	unload_module
	rm -f $MNT/cow
	left=($MNT/* /dev/datto*)
	[ "${left[*]}" = "$MNT/data $MNT/lost+found /dev/datto*" ] || fail "round $1 left ${left[*]}"
}

for i in $(seq 6); do round $i; done
before=$(mem_free)
slab_before=$(awk '/^SUnreclaim:/ { print $2 }' /proc/meminfo)
for i in $(seq 50); do round $i; done
after=$(mem_free)
slab_after=$(awk '/^SUnreclaim:/ { print $2 }' /proc/meminfo)
echo "free memory $before -> $after KiB, unreclaimable slab $slab_before -> $slab_after KiB"
# Loading a module 50 times costs the kernel itself some 150 KiB; a leaked pool would be many MiB.
[ $((before - after)) -lt 1024 ] || fail "$((before - after)) KiB of memory were lost in 50 rounds"
[ $((slab_after - slab_before)) -lt 1024 ] || fail "unreclaimable slab grew by $((slab_after - slab_before)) KiB"
load_module
