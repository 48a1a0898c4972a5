# A COW file that holds not even its own index: refused or failed at the first write, never harmful.
# dmesg-allow: (I/O error|Buffer I/O error).*datto0
# disks: 2G

random_file $MNT/data 16
sync
# The index of 2 GiB is 4 MiB.
got=$(dattoctl setup $DISK1 $MNT/cow 0 1 || true)
echo "setup with 1 MiB: $got"
records write -t 2 $MNT/data 16
records verify $MNT/data
if [ "$got" = OK ]; then
	expect_device 0 3 -27
	expect_ok dattoctl destroy 0
fi
expect_no_file $MNT/cow
expect_untouched
