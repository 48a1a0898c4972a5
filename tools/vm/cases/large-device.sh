# 4 TiB, thin: index memory stays within the cache size that was asked for, with a million writes to single
# blocks scattered over all of it in incremental mode, and none of them is missed.
# disks: 4T
# start: module
# timeout: 500
# slow: yes

AG=$((1 << 30)) # sectors: 512 GiB
GIB=$((1 << 21))
AGS=$(seq 0 7)
# Where the file system's own structures are is real; the rest takes writes and forgets them.
for ag in $AGS; do
	real=$((ag ? 2 * GIB : 32 * GIB))
	echo "$((ag * AG)) $real linear $DISK1 $((ag * AG))"
	echo "$((ag * AG + real)) $((AG - real)) zero"
done | dm_create thin
origin=/dev/mapper/thin
mkfs.xfs -q -K -d agcount=8 -l size=64m $origin
FS=xfs mount_fs $origin $MNT
# scatter_all write|marked FILE COUNT: over what takes writes and forgets them.
scatter_all() {
	local ag
	for ag in $AGS; do
		scatter $1 $2 $(((ag * AG + 32 * GIB) / 8)) $(((AG - 32 * GIB) / 8)) $(($3 / 8))
	done
}
cache=$((300 << 20))

say "setup"
none=$(mem_free)
expect_ok dattoctl setup $origin $MNT/cow 0 8400
snapshot=$(mem_free)
expect_ok dattoctl trans-inc 0
echo "taken by a snapshot: $((none - snapshot)) KiB, in incremental mode: $((none - $(mem_free))) KiB"

say "some scattered writes, and the map that is handed over"
scatter_all write $origin 4000
expect_ok dattoctl trans-snap $MNT/cow2 0 8400
scatter_all marked $MNT/cow 4000
rm $MNT/cow

say "a snapshot whose index is larger than its memory"
before=$(mem_free)
expect_ok dattoctl reconfigure 0 $((132 << 20))
scatter_all write $origin 8000
expect_device 0 3 0
taken=$((before - $(mem_free)))
echo "taken by the index of 8000 scattered blocks: $taken KiB"
# 128 MiB are the map, which was there before.
[ $taken -lt 8192 ] || fail "$taken KiB, with 4 MiB left of the cache size"
expect_ok dattoctl trans-inc 0

say "a million"
before=$(info 0 nr_changed_blocks)
time scatter_all write $origin 1000000
changed=$(($(info 0 nr_changed_blocks) - before))
# The 8000 before are among them.
[ $changed -ge 992000 ] && [ $changed -lt 993000 ] || fail "$changed blocks changed"
taken=$((none - $(mem_free)))
echo "taken in incremental mode after a million scattered writes: $taken KiB"
[ $((taken * 1024)) -lt $cache ] || fail "$taken KiB of memory are in use, $cache bytes were asked for"
expect_device 0 2 0
say "umount saves that map, a mount goes on with it"
sync
time umount $MNT
expect_device 0 0 0
FS=xfs mount_fs $origin $MNT
expect_device 0 2 0
[ "$(info 0 nr_changed_blocks)" -ge $((before + changed)) ] || fail "changes were forgotten"
expect_ok dattoctl destroy 0
echo "after destroy: $((none - $(mem_free))) KiB"
expect_untouched
