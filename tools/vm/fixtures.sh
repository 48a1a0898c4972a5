# Writes COW files with the real driver, for the tests of packages/cow-format: NAME.datto.gz, what an
# independent reader says of it in NAME.json, and index.json. Run by `cli.ts fixtures`.
set -Eeuo pipefail
trap 'echo "FAILED at line $LINENO: $BASH_COMMAND"' ERR
. /share/guest/lib.sh
FS=ext4
keep=$PWD/keep
mkdir -p "$keep"
load_module

begin() {
	disk=$1
	make_fs "$disk" -b 4096 -E lazy_itable_init=0,lazy_journal_init=0
	mount_fs "$disk" $MNT
	random_file $MNT/data 24
	sync
	expect_ok dattoctl setup "$disk" $MNT/cow1 0 16
	last=1
}

# next NAME: takes the next snapshot and keeps the file of the last one.
next() {
	local name=$1 uuid file=$MNT/cow$last bytes
	uuid=$(info 0 uuid)
	sync
	last=$((last + 1))
	expect_ok dattoctl trans-snap $MNT/cow$last 0
	bytes=$(dev_bytes "$disk")
	cowmap check "$file" "$bytes"
	expect_eq "uuid" "$uuid" "$(cowmap header "$file" | sed -n 's/^uuid=//p')"
	expect_eq "seqid" $((last - 1)) "$(cowmap header "$file" | sed -n 's/^seqid=//p')"
	cowmap json "$file" "$bytes" >"$keep/$name.json"
	jq -e . "$keep/$name.json" >/dev/null
	gzip -9nc "$file" >"$keep/$name.datto.gz"
	rm "$file"
}

finish() {
	expect_ok dattoctl destroy 0
	umount $MNT
}

put() { dd if=/dev/urandom of=$MNT/data bs=4096 seek="$1" count="$2" conv=notrunc oflag=direct 2>/dev/null; }

say "incremental-closed: nothing was written while the snapshot was there"
begin $DISK1
expect_ok dattoctl trans-inc 0
put 0 100
next incremental-closed

say "seqid-2, snapshot-values: numbers of saved blocks beside the 1s"
put 1000 50
sync
expect_ok dattoctl trans-inc 0
put 1040 50
next snapshot-values

say "runs-alternate: every second block"
expect_ok dattoctl trans-inc 0
for i in $(seq 0 2 400); do put $((2000 + i)) 1; done
next runs-alternate

say "run-across-sections: one run that crosses the index's 4096 entries"
expect_ok dattoctl trans-inc 0
put 0 6144
next run-across-sections

say "index-hole: pages of the index without any change"
expect_ok dattoctl trans-inc 0
put 10 1
next index-hole
finish

say "partial-last-block: the device's size is no multiple of 4096"
begin $DISK2
expect_ok dattoctl trans-inc 0
dd if=/dev/urandom of=$DISK2 bs=512 seek=$(($(dev_bytes $DISK2) / 512 - 1)) count=1 oflag=direct conv=notrunc 2>/dev/null
next partial-last-block
finish

unload_module
(cd "$keep" && ls ./*.datto.gz | sed 's|.*/\(.*\)\.datto\.gz|\1|' | jq -R . | jq -s .) >"$keep/index.json"
ls -l "$keep"
