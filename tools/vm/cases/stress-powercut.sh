# Power cuts of a disk that loses what it was not told to flush, see guest/powerdisk/: at drawn instants of a
# busy time, in all modes, and of a mount after a cut, the device is taken up again as at a boot, and every block that differs from the
# snapshot is in the map.
# disks: 192M
# fs: ext4 xfs
# slow: xfs
# start: none
# timeout: 400
# dmesg-allow: nbd0.*(shutting down|[Rr]eceive control failed)

. /share/guest/stress.sh 40
. /share/guest/powercut.sh
RANDOM=$STRESS_SEED

modprobe nbd nbds_max=1
load_module intent_idle_seconds=1
modes=(incremental snapshot transition reload mount)
end=$((SECONDS + STRESS_SECONDS))
turn=$STRESS_SEED
while :; do
	mode=${modes[turn++ % 5]}
	say "$mode"
	case $mode in
	snapshot) prepare 64 ;;
	*)
		prepare 16
		expect_ok dattoctl trans-inc 0
		;;
	esac
	[ $mode != reload ] || reboot
	busy $((STRESS_SECONDS < 100 ? 5 : 8))
	put_away
	[ $mode != mount ] || mount_after_cut
	rest=$((SECONDS + STRESS_SECONDS / 6))
	for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
		one_cut
		[ $n = 1 ] || [ $SECONDS -lt $rest ] || break
	done
	[ $SECONDS -lt $end ] || break
done
expect_untouched
modprobe -r nbd
counted "cuts, maps compared" $cuts
echo "stat cuts of a mount after a cut, reload refused: $refusals"
echo "stat cuts within the freeze of a transition, reload refused: $frozen_refusals"
echo "stat writes that the cuts were drawn from: $entries"
echo "stat blocks that differed: $changed"
echo "stat blocks that were marked: $marked"
