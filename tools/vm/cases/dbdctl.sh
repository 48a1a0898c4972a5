# dbdctl beyond the legacy verbs, on the real driver: minors chosen, devices by path, dry runs that agree with
# the driver, JSON, what COW files say, and refusals that name the one cause.
# timeout: 600

ctl_fails() {
	local code=$1 text=$2 got=0
	shift 2
	dbdctl "$@" >/tmp/out 2>/tmp/err || got=$?
	[ "$got" = "$code" ] || fail "dbdctl $*: exit code $got, not $code: $(cat /tmp/err)"
	grep -qF -- "$text" /tmp/err || fail "dbdctl $*: no \"$text\" in: $(cat /tmp/err)"
	[ -s /tmp/out ] && fail "dbdctl $*: $(cat /tmp/out) on stdout"
	return 0
}

say "doctor finds this machine sound, and what is not"
dbdctl doctor $DISK1
expect_eq "healthy" true "$(dbdctl doctor --json $DISK1 | jq .healthy)"
expect_eq "unhealthy" false "$({ dbdctl doctor --json /dev/null || true; } | jq .healthy)"
expect_fails dbdctl doctor /dev/null

say "a dry run does nothing"
out=$(dbdctl setup-snapshot --dry-run $DISK1 $MNT/.datto1)
expect_eq "its words" "would take a snapshot of $DISK1 as minor 0 with the COW file $MNT/.datto1" "$out"
expect_untouched
expect_no_file $MNT/.datto1

say "a minor is chosen and shown"
expect_eq "minor" 0 "$(dbdctl setup-snapshot --show -f 64MiB $DISK1 $MNT/.datto1)"
expect_eq "next minor" 1 "$(dbdctl get-free-minor)"
expect_device 0 3 0

say "refusals name the cause, before the call and after it"
for dry in "" --dry-run; do
	ctl_fails 5 "is tracked already, as minor 0" setup-snapshot $dry $DISK1 $MNT/other 1
	ctl_fails 5 "minor 0 is in use for $DISK1" setup-snapshot $dry $DISK1 $MNT/other 0
	ctl_fails 4 "/dev/none does not exist" setup-snapshot $dry /dev/none $MNT/other 1
	ctl_fails 4 "is not a block device" setup-snapshot $dry $MNT $MNT/other 1
	ctl_fails 1 "it must be active incremental" transition-to-snapshot $dry $MNT/other 0
	ctl_fails 4 "there is no device with minor 9" destroy $dry 9
done
expect_no_file $MNT/other

say "list, info and the status file agree"
dd if=/dev/urandom of=$MNT/file bs=1M count=8 2>/dev/null
sync
dbdctl list | sed -n 2p | grep -q "^ *0  $DISK1  active snapshot" || fail "$(dbdctl list)"
for ref in 0 $DISK1 /dev/datto0; do
	dbdctl info --json $ref >/tmp/info.json
	expect_eq "minor of $ref" 0 "$(jq .device.minor /tmp/info.json)"
done
expect_eq "size" "$(dev_bytes $DISK1)" "$(jq .device.blockDeviceBytes /tmp/info.json)"
expect_eq "uuid" "$(jq -r '.devices[0].uuid' /proc/datto-info)" "$(jq -r .device.uuid /tmp/info.json)"
used=$(jq .device.cowUsedBytes /tmp/info.json)
[ "$used" -gt $((8 << 20)) ] || fail "8 MiB were written, and the COW file has $used bytes in use"
dbdctl watch --json --count 2 -n 1 >/tmp/watch
expect_eq "looks" 2 "$(jq -s length /tmp/watch)"

say "what is left is told by the driver, also after the file grew"
left=$(proc_field 0 cow_free)
[ "$left" -gt 0 ] && [ "$left" -lt $((56 << 20)) ] || fail "$left bytes are left of 64 MiB after 8 MiB"
dbdctl expand-cow-file 32MiB 0
dbdctl watch --json --count 1 >/tmp/watch
expect_eq "size" $((96 << 20)) "$(jq '.devices[0].device.cowBytes' /tmp/watch)"
[ "$(jq '.devices[0].device | .cowBytes - .cowUsedBytes' /tmp/watch)" -gt $((left + (16 << 20))) ] ||
	fail "what the file grew by is not counted: $(cat /tmp/watch)"

say "transitions by path, and as JSON"
dbdctl transition-to-incremental /dev/datto0
[ ! -e /dev/datto0 ] || fail "the node is there in incremental mode"
dd if=/dev/urandom of=$MNT/file2 bs=1M count=4 2>/dev/null
sync
expect_eq "seq id" 2 "$(dbdctl transition-to-snapshot --json $MNT/.datto2 $DISK1 | jq .device.seqId)"

say "the map that was left"
size=$(dev_bytes $DISK1)
cowmap runs $MNT/.datto1 $size >/tmp/runs
dbdctl changed --format csv $MNT/.datto1 >/tmp/changed.csv
expect_eq "runs" "$(wc -l </tmp/runs)" "$(($(wc -l </tmp/changed.csv) - 1))"
expect_eq "blocks" "$(jq .header.changedBlocks <(dbdctl inspect --json $MNT/.datto1))" \
	"$(awk -F, 'NR > 1 { n += $2 } END { print n }' /tmp/changed.csv)"
dbdctl inspect --json $MNT/.datto1 | jq -e ".deviceBytesExact and .deviceBytes == $size and (.notes | length == 0)" \
	>/dev/null || fail "$(dbdctl inspect $MNT/.datto1)"
ctl_fails 8 "the driver has not finished it" inspect $MNT/.datto2

dbdctl destroy $DISK1
expect_untouched
