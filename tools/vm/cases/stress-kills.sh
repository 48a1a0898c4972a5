# The same chain of increments as in stress-reboots, but each boot ends with a power cut, while files are written.
# disks: 128M 256M
# fs: ext4 xfs
# slow: yes
# start: module
# boots: 11
# power: cut
# timeout: 120

. /share/guest/stress.sh
[ $BOOT = 1 ] || load_module intent_idle_seconds=2
killed() {
	records write -m direct -t 600 -b 64 -p 20 -r $RANDOM $MNT/a 12 &
	records write -t 600 -b 64 -r $RANDOM $MNT/b 12 &
	sleep $((RANDOM % 4 + 1)).$RANDOM
}
END_OF_BOOT=killed
. /share/guest/chain.sh
echo "stat cuts: $((BOOT == BOOTS ? BOOTS - 1 : 0))"
