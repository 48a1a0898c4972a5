# A power cut, and one at each instant of the mount after it, read-only first: what recovery and the cleaning up of an
# orphan wrote in place is in the map, or the reload is refused.
# disks: 192M
# fs: ext4 xfs
# slow: xfs
# start: none
# timeout: 300
# dmesg-allow: nbd0.*(shutting down|[Rr]eceive control failed)

. /share/guest/stress.sh 100
. /share/guest/powercut.sh
RANDOM=$STRESS_SEED

modprobe nbd nbds_max=1
load_module intent_idle_seconds=1
mode=mount

# each_instant: of the mount after a cut at the end of what was written until now
each_instant() {
	last=$(entries)
	exec 9>&-
	put_away
	first=$((last - 1))
	mount_after_cut 0
	for ((at = first; at < last; at++)); do one_cut $at $((at + 1)); done
}

say "transactions in the journal that are not written back: bitmaps and inodes of all groups, and then the orphan's"
prepare 16
expect_ok dattoctl trans-inc 0
for i in 1 2 3 4 5 6 7 8; do
	mkdir $MNT/dir$i
	random_file $MNT/dir$i/file 1
	sync $MNT/dir$i/file $MNT/dir$i
done
orphan 0
mkdir $MNT/last
sync $MNT/last
each_instant

say "an empty journal, and an orphan"
prepare 16
expect_ok dattoctl trans-inc 0
orphan 0
fsfreeze -f $MNT
fsfreeze -u $MNT
sleep 2
each_instant
modprobe -r nbd
counted "instants with all in the map" $cuts
counted "instants refused" $refusals
