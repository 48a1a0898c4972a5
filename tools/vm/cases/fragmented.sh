# A COW file in well over a thousand pieces, on a file system whose free space is in crumbs.
# disks: 96M
# fs: ext4 xfs
# timeout: 240

. /share/guest/proof.sh
random_file $MNT/data 4
# What is free is 16 MiB in crumbs of 4 KiB, and little else.
fallocate -l 32M $MNT/crumbs
sync
fallocate -l $(($(stat -f -c '%f * %S' $MNT) - (2 << 20))) $MNT/filler
records holes $MNT/crumbs
sync
prove_begin $DISK1 $MNT 0 15
pieces=$(wc -l </tmp/proof0/own1)
echo "the COW file has $pieces pieces"
[ $pieces -gt 1500 ] || fail "that is too few for this case"
by_file() { records write -r $SEED -m direct -n 30 -b 64 $MNT/data 4; }
prove_kept "file" by_file
prove_marked "file" by_file
prove_end
records verify $MNT/data
