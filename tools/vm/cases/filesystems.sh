# The file systems of the ext family with their block sizes, those without extents too, and xfs with
# and without reflink.
# disks: 96M
# start: module
# slow: yes
# timeout: 400

. /share/guest/proof.sh

# Processes are what takes time here, so there are few.
files() {
	local i
	rm -rf $MNT/old $MNT/dir
	[ ! -e $MNT/new ] || mv $MNT/new $MNT/old
	mkdir -p $MNT/new $MNT/dir/dir
	for i in $(seq 200); do printf "%$((i * 50 * SEED))s" $i >$MNT/new/$i; done
	rm $MNT/new/*7
	sync
}
data() {
	records write -r $SEED -m direct -n 30 -b 64 $MNT/data 12 &
	records write -r $SEED -m mmap -n 30 -b 64 $MNT/more 8
	wait $!
	sync
}

check() {
	FS=$1
	shift
	say "$FS $*"
	make_fs $DISK1 "$@"
	mount_fs $DISK1 $MNT
	random_file $MNT/data 12
	random_file $MNT/more 8
	sync
	prove_begin $DISK1 $MNT 0 20
	prove "$FS $*: files" files
	prove "$FS $*: data" data
	prove_end
	records verify $MNT/data
	records verify $MNT/more
	umount $MNT
	check_fs $DISK1
}

check ext2 -b 1024
check ext2 -b 4096
check ext3 -b 1024
check ext3 -b 4096
check ext4 -b 1024
check ext4 -b 4096
check xfs -m reflink=0
check xfs -m reflink=1

say "no preallocation: a file is replaced when there is room, and an older one stays when there is none"
FS=ext3
make_fs $DISK1
mount_fs $DISK1 $MNT
free_before=$(stat -f -c %f $MNT)
expect_errno ENOSPC dattoctl setup $DISK1 $MNT/cow 0 200
expect_no_file $MNT/cow
expect_eq "free blocks" "$free_before" "$(stat -f -c %f $MNT)"
echo mine >$MNT/cow
expect_errno ENOSPC dattoctl setup $DISK1 $MNT/cow 0 200
expect_eq "the older file" mine "$(cat $MNT/cow)"
expect_ok dattoctl setup $DISK1 $MNT/cow 0 20
expect_eq "size" $((20 << 20)) "$(stat -c %s $MNT/cow)"
expect_ok dattoctl destroy 0
expect_no_file $MNT/cow
expect_untouched
umount $MNT
check_fs $DISK1
