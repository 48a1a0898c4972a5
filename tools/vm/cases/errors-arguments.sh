# Bad arguments: unknown commands, bad pointers, empty paths, minors out of range, no privilege.
# Each is refused with its errno and leaves no trace.

say "unknown ioctl"
expect_errno EINVAL dattoctl raw 0x00009100 0
expect_errno EINVAL dattoctl raw 0x0000910c 0
expect_errno EINVAL dattoctl raw 0x40049240 0
# The right number with another struct's size is another command.
expect_errno EINVAL dattoctl raw 0x40309101 0
expect_errno EINVAL dattoctl raw 0x5401 0

say "bad pointer"
for command in setup reload-snap reload-inc destroy trans-inc trans-snap reconfigure info free expand auto-expand; do
	expect_errno EFAULT dattoctl badptr $command
done
expect_errno EFAULT dattoctl setup @bad $MNT/cow 0
expect_errno EFAULT dattoctl setup $DISK1 @bad 0
expect_errno EFAULT dattoctl reload-snap @bad /cow 0
expect_errno EFAULT dattoctl reload-inc $DISK1 @bad 0
expect_errno EFAULT dattoctl trans-snap @bad 0

say "no path"
for path in "" @null @long; do
	expect_errno EINVAL dattoctl setup "$path" $MNT/cow 0
	expect_errno EINVAL dattoctl setup $DISK1 "$path" 0
	expect_errno EINVAL dattoctl reload-snap "$path" /cow 0
	expect_errno EINVAL dattoctl reload-inc $DISK1 "$path" 0
	expect_errno EINVAL dattoctl trans-snap "$path" 0
done

say "minor out of range"
for minor in 24 255 4294967295; do
	expect_errno EINVAL dattoctl setup $DISK1 $MNT/cow $minor
	expect_errno EINVAL dattoctl reload-snap $DISK1 /cow $minor
	expect_errno EINVAL dattoctl reload-inc $DISK1 /cow $minor
	expect_errno EINVAL dattoctl destroy $minor
	expect_errno EINVAL dattoctl trans-inc $minor
	expect_errno EINVAL dattoctl trans-snap $MNT/cow $minor
	expect_errno EINVAL dattoctl reconfigure $minor
	expect_errno EINVAL dattoctl info $minor
	expect_errno EINVAL dattoctl expand 1 $minor
	expect_errno EINVAL dattoctl auto-expand 1 1 $minor
done

say "minor not in use"
for minor in 0 23; do
	expect_errno ENOENT dattoctl destroy $minor
	expect_errno ENOENT dattoctl trans-inc $minor
	expect_errno ENOENT dattoctl trans-snap $MNT/cow $minor
	expect_errno ENOENT dattoctl reconfigure $minor
	expect_errno ENOENT dattoctl info $minor
	expect_errno ENOENT dattoctl expand 1 $minor
	expect_errno ENOENT dattoctl auto-expand 1 1 $minor
done

say "without privilege, though the node is open"
expect_errno EPERM dattoctl -u setup $DISK1 $MNT/cow 0
expect_errno EPERM dattoctl -u reload-snap $DISK1 /cow 0
expect_errno EPERM dattoctl -u free
expect_no_file $MNT/cow
expect_untouched
expect_ok dattoctl setup $DISK1 $MNT/cow 0
for command in "destroy 0" "trans-inc 0" "reconfigure 0 4096" "info 0" "expand 1 0" "auto-expand 1 1 0"; do
	# shellcheck disable=SC2086
	expect_errno EPERM dattoctl -u $command
done
expect_device 0 3 0
expect_ok dattoctl destroy 0

expect_no_file $MNT/cow
expect_untouched
unload_module
