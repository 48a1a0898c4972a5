# The origin's file system is the root, for those who ask for the snapshot as for those who write:
# pivot_root in a mount namespace, which is what switch_root comes to at boot. (The VM's own root is not
# on a block device.)
# disks: 192M
# fs: ext4 xfs

# Runs bash with the origin as its root; the script is on stdin.
cat >/tmp/enter <<'END'
set -Eeuo pipefail
cd /mnt/a
mkdir -p usr dev proc sys share opt etc tmp old
# Debian 11 has them as directories.
for dir in bin sbin lib lib64; do
	if [ -L /$dir ]; then
		ln -sfn "$(readlink /$dir)" $dir
	else
		mkdir -p $dir
		mount --bind /$dir $dir
	fi
done
for dir in usr dev proc sys share etc; do mount --rbind /$dir $dir; done
mkdir -p opt/dbd
mount --bind /share/guest/bin opt/dbd
mntapi pivot . old
cd /
umount -l old
exec bash -Eeuo pipefail -s
END
in_root() { unshare -m --propagation private bash /tmp/enter; }

random_file $MNT/data 24
sync
say "set up and written by processes whose root it is"
in_root <<'END'
[ "$(stat -c %d /)" = "$(stat -c %d /data)" ]
[ ! -e /old/usr ]
dattoctl setup "$DISK1" /cow 0 48
records write -m direct -n 60 -r 1 /data 24
blkcmp extents /cow >/tmp/cow.runs
blkcmp hash /dev/datto0 >/tmp/before
records write -n 60 -r 2 /data 24
sync
blkcmp hash /dev/datto0 >/tmp/after
blkcmp cmp -x /tmp/cow.runs /tmp/before /tmp/after
END
expect_device 0 3 0
expect_eq "path" /cow "$(info 0 cow)"
[ -e $MNT/cow ] || fail "the COW file is not at the file system's root"

say "a cycle from outside, the next from inside; the COW file is named as seen there"
blkcmp extents $MNT/cow >/tmp/own.runs
hash_dev /dev/datto0 /tmp/first
expect_ok dattoctl trans-inc 0
in_root <<'END'
records write -n 60 -r 3 /data 24
dattoctl trans-snap /cow2 0
END
hash_dev /dev/datto0 /tmp/second
blkcmp extents $MNT/cow2 >>/tmp/own.runs
cowmap check $MNT/cow $(dev_bytes $DISK1)
cowmap runs $MNT/cow $(dev_bytes $DISK1) >/tmp/changed.runs
expect_same -x /tmp/changed.runs -x /tmp/own.runs /tmp/first /tmp/second
expect_differ -x /tmp/own.runs /tmp/first /tmp/second

say "destroyed by a process whose root it is; the end of its namespace was not the end of the mount"
in_root <<'END'
dattoctl destroy 0
[ ! -e /cow2 ]
END
expect_untouched
records verify $MNT/data
