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
for command in setup reload-snap reload-inc destroy trans-inc trans-snap reconfigure info free expand auto-expand force-inc group failure; do
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
	expect_errno EINVAL dattoctl force-inc $minor
	expect_errno EINVAL dattoctl failure $minor
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
	expect_errno ENOENT dattoctl force-inc $minor
	expect_errno ENOENT dattoctl failure $minor
done

# In hexadecimal words: size, flags, minor, padding. ENOENT is that of a minor not in use: accepted.
say "the size, flags and padding of structs that may grow"
force=0x9140 failure=0x9142
expect_errno ENOENT dattoctl words $force 10 0 0 0
expect_errno ENOENT dattoctl words $force c 0 0
expect_errno ENOENT dattoctl words $force 8 0
expect_errno ENOENT dattoctl words $force 18 0 0 0 0 0
expect_errno E2BIG dattoctl words $force 18 0 0 0 0 1
expect_errno E2BIG dattoctl words $force 1001 0 0 0
expect_errno EINVAL dattoctl words $force 4 0
expect_errno EINVAL dattoctl words $force 0 0 0 0
expect_errno EINVAL dattoctl words $force 10 1 0 0
expect_errno EINVAL dattoctl words $force 10 0 0 1
expect_errno EFAULT dattoctl words $force 10 0 0
expect_errno ENOENT dattoctl words $failure c 0 0
expect_errno EINVAL dattoctl words $failure c 2 0
group=0x9141
expect_errno EINVAL dattoctl words $group 18 0 0 0 0 0
expect_errno EINVAL dattoctl words $group 18 1 1 0 0 0
expect_errno EINVAL dattoctl words $group 18 0 19 0 0 0
expect_errno EINVAL dattoctl words $group c 0 1
expect_errno E2BIG dattoctl words $group 20 0 1 0 0 0 1 0
expect_errno EFAULT dattoctl words $group 18 0 1 0 8 0
expect_errno EINVAL dattoctl group @null $MNT/cow 0 0
expect_errno EFAULT dattoctl group $DISK1 @bad 0 0
expect_errno EINVAL dattoctl words $failure c 1 1
expect_errno OK dattoctl words $failure c 1 0
expect_errno EFAULT dattoctl words $failure 118 1 0

say "reasons of refused calls"
expect_reason EINVAL "minor 24 is not below max_snap_devices, 24" destroy 24
expect_reason ENOENT "" destroy 0

say "without privilege, though the node is open"
expect_errno EPERM dattoctl -u setup $DISK1 $MNT/cow 0
expect_errno EPERM dattoctl -u reload-snap $DISK1 /cow 0
expect_errno EPERM dattoctl -u free
expect_no_file $MNT/cow
expect_untouched
expect_ok dattoctl setup $DISK1 $MNT/cow 0
for command in "destroy 0" "trans-inc 0" "trans-snap $MNT/cow2 0" "reconfigure 0 4096" "info 0" "expand 1 0" \
	"auto-expand 1 1 0" "force-inc 0" "failure 0" "group $DISK1 $MNT/cow2 1 16" "reload-inc $DISK1 /cow 1" "resume $DISK1 /live 1"; do
	# shellcheck disable=SC2086
	expect_errno EPERM dattoctl -u $command
done
expect_no_file $MNT/cow2
expect_device 0 3 0
expect_reason EBUSY "minor 0 is in use for $DISK1" setup $DISK1 $MNT/cow 0
expect_reason EINVAL "$DISK1 cannot be tracked: it is tracked already: -22" setup $DISK1 $MNT/cow 1
expect_ok dattoctl destroy 0

expect_no_file $MNT/cow
expect_untouched
unload_module
