# Setup, transitions and destroy again and again while the origin is written and the snapshot read.
# fs: ext4 xfs
# timeout: 240
# slow: xfs

random_file $MNT/a 32
random_file $MNT/b 32
background records write -m buffered -t 3000 -r 51 $MNT/a 32
background records write -m direct -t 3000 -b 1024 -r 52 $MNT/b 32
background records write -m mmap -t 3000 -r 53 $MNT/c 32
# Readers make some of the calls busy; those are then tried again.
again() {
	local out until=$((SECONDS + 60))
	while out=$("$@") || true; [ "$out" = EBUSY ]; do
		[ $SECONDS -lt $until ] || fail "busy for 60 s: $*"
	done
	[ "$out" = OK ] || fail "$*: $out"
}
(while true; do dd if=/dev/datto0 of=/dev/null bs=64k count=100 iflag=direct || true; sleep 0.2; done 2>/dev/null) &
reader=$!
end=$((SECONDS + 20)) rounds=0
# Four rounds at least, however slow the emulation.
while [ $SECONDS -lt $end ] || [ $rounds -lt 4 ]; do
	again dattoctl setup $DISK1 $MNT/cow1 0 96
	[ $((rounds % 3)) = 0 ] || sleep 0.$((RANDOM % 9))
	if [ $((rounds % 2)) = 1 ]; then
		again dattoctl trans-inc 0
		again dattoctl trans-snap $MNT/cow2 0
	fi
	again dattoctl destroy 0
	rm -f $MNT/cow1
	expect_no_file $MNT/cow2
	rounds=$((rounds + 1))
done
echo "$rounds rounds"
kill $reader
# The module goes while everything is being written.
wait_for 5 unload_module
load_module
expect_untouched
end_background
for f in a b; do records verify $MNT/$f; done
