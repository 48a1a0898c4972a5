// SPDX-License-Identifier: GPL-2.0-only
/* The few fields of ext4's on-disk format that are needed: little-endian, the super block at byte 1024. */
#include <linux/crc32.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "cow_extents.h"
#include "mount_mark_impl.h"

#define EXT_SB 1024
#define EXT_LOG_BLOCK_SIZE (EXT_SB + 0x18) /* less 10 */
#define EXT_MTIME (EXT_SB + 0x2c) /* of the last mount, seconds */
#define EXT_MOUNT_COUNT (EXT_SB + 0x34)
#define EXT_MAGIC (EXT_SB + 0x38)
#define EXT_STATE (EXT_SB + 0x3a)
#define EXT_LASTCHECK (EXT_SB + 0x40)
#define EXT_FEATURE_COMPAT (EXT_SB + 0x5c)
#define EXT_FEATURE_INCOMPAT (EXT_SB + 0x60)
#define EXT_UUID (EXT_SB + 0x68)
#define EXT_JOURNAL_INODE (EXT_SB + 0xe0) /* 0: the journal is on another device */
#define EXT_JOURNAL_BACKUP (EXT_SB + 0xfd) /* 1: there is a copy of its inode's blocks */
#define EXT_JOURNAL_BLOCKS (EXT_SB + 0x10c) /* that */
#define EXT_MTIME_HIGH (EXT_SB + 0x275)

#define EXT_HAS_JOURNAL 0x4u
#define EXT_FAST_COMMIT 0x400u
#define EXT_NEEDS_RECOVERY 0x4u
#define EXT_STATE_VALID 0x1u

#define EXT_INODE_BLOCKS 60 /* bytes: the root of a tree of extents, or block numbers */
#define EXT_EXTENT_MAGIC 0xf30au
#define EXT_EXTENT_SIZE 12u /* also of the header before them */
#define EXT_EXTENT_LEN_MAX 32768u
#define EXT_EXTENT_DEPTH_MAX 5
#define EXT_DIRECT_BLOCKS 12u

/* The journal: big-endian. */
#define EXT_JOURNAL_MAGIC 0xc03b3998u
#define EXT_JOURNAL_BLOCK_TYPE 4 /* of any of its blocks that are not data */
#define EXT_JOURNAL_BLOCK_SEQUENCE 8
#define EXT_JOURNAL_COMMIT 2u /* type of a transaction's last block */
#define EXT_JOURNAL_BLOCKS_NR 0x10
#define EXT_JOURNAL_FIRST 0x14
#define EXT_JOURNAL_SEQUENCE 0x18 /* of the oldest transaction */
#define EXT_JOURNAL_START 0x1c /* its block; 0: the journal is empty */
#define EXT_JOURNAL_INCOMPAT 0x28
#define EXT_JOURNAL_SB_SIZE 1024u
#define EXT_JOURNAL_ASYNC_COMMIT 0x4u /* a commit block may be there before what it commits */
#define EXT_COMMIT_SIZE 60u /* what follows is zero */

/* In the mark: "ext", the UUID, what the super block says of mounts, the journal's sequence and start. */
#define EXT_MARK_SEQUENCE 32
#define EXT_MARK_START 36
static_assert(EXT_MARK_START + sizeof(u32) == COW_MOUNT_MARK_SIZE);

/* Of the journal are traced at most so many bytes, so many at a time: backwards, which a disk likes only in large steps. */
#define EXT_TRACE_BYTES (64u << 20)
#define EXT_WINDOW_BYTES (512u << 10)
#define EXT_WINDOW_BYTES_MIN (PAGE_SIZE << PAGE_ALLOC_COSTLY_ORDER)

bool mark_ext_is(const u8 *block)
{
	return le16_at(block, EXT_MAGIC) == 0xef53;
}

/* A journal that needs recovery is that of a mount that has not ended. */
static bool ext_in_use(const u8 *block)
{
	if (le32_at(block, EXT_FEATURE_COMPAT) & EXT_HAS_JOURNAL)
		return le32_at(block, EXT_FEATURE_INCOMPAT) & EXT_NEEDS_RECOVERY;
	return !(le16_at(block, EXT_STATE) & EXT_STATE_VALID);
}

struct ext_journal {
	struct block_device *bdev;
	u8 *block; /* a page */
	u32 block_size;
	u8 root[EXT_INODE_BLOCKS];
	/* Blocks that are one behind the other, found last. */
	u64 run_physical;
	u32 run_first, run_nr;
	/* Blocks on the device that are in @window, which is NULL as long as nothing is traced. */
	struct page *window;
	u32 window_bytes;
	u64 window_first, window_nr;
};

static bool is_on_device(const struct ext_journal *j, u64 nr)
{
	return nr && nr < div_u64(bdev_nr_bytes(j->bdev), j->block_size);
}

static int read_ext_block(const struct ext_journal *j, u64 nr)
{
	if (!is_on_device(j, nr))
		return -EUCLEAN;
	return cow_raw_read(j->bdev, nr * j->block_size, virt_to_page(j->block),
			    min_t(u32, j->block_size, PAGE_SIZE));
}

/* Where the journal's block @nr is, and those behind it, by the inode's tree of extents. */
static int find_in_extents(struct ext_journal *j, u32 nr)
{
	u32 size = sizeof(j->root), i, depth = EXT_EXTENT_DEPTH_MAX + 1;
	const u8 *node = j->root;
	int ret;

	for (;;) {
		u32 entries = le16_at(node, 2), first;
		const u8 *e = node;

		/* Each level is one less. */
		if (le16_at(node, 0) != EXT_EXTENT_MAGIC || le16_at(node, 6) >= depth ||
		    entries > size / EXT_EXTENT_SIZE - 1)
			return -EUCLEAN;
		depth = le16_at(node, 6);
		for (i = 1; i <= entries && le32_at(node, i * EXT_EXTENT_SIZE) <= nr; i++)
			e = node + i * EXT_EXTENT_SIZE;
		if (e == node)
			return -EUCLEAN;
		first = le32_at(e, 0);
		if (!depth) {
			if (le16_at(e, 4) > EXT_EXTENT_LEN_MAX || nr - first >= le16_at(e, 4))
				return -EUCLEAN;
			j->run_first = first;
			j->run_nr = le16_at(e, 4);
			j->run_physical = (u64)le16_at(e, 6) << 32 | le32_at(e, 8);
			return 0;
		}
		ret = read_ext_block(j, (u64)le16_at(e, 8) << 32 | le32_at(e, 4));
		if (ret)
			return ret;
		node = j->block;
		size = min_t(u32, j->block_size, PAGE_SIZE);
	}
}

/* Block @nr is number @i of @count: with those beside it that are beside it on the device. */
static void set_run(struct ext_journal *j, u32 nr, const u8 *numbers, u32 count, u32 i)
{
	u32 physical = le32_at(numbers, i * 4), before = 0, behind = 1;

	while (before < i && le32_at(numbers, (i - before - 1) * 4) == physical - before - 1)
		before++;
	while (i + behind < count && le32_at(numbers, (i + behind) * 4) == physical + behind)
		behind++;
	j->run_first = nr - before;
	j->run_nr = before + behind;
	j->run_physical = physical - before;
}

/* By the inode's block numbers, as ext3 has them. */
static int find_in_blocks(struct ext_journal *j, u32 block)
{
	u32 per_block = j->block_size / 4, below = 1, nr = block;
	u64 physical;
	int ret;

	if (j->block_size > PAGE_SIZE)
		return -EUCLEAN;
	if (nr < EXT_DIRECT_BLOCKS) {
		set_run(j, nr, j->root, EXT_DIRECT_BLOCKS, nr);
		return 0;
	}
	nr -= EXT_DIRECT_BLOCKS;
	if (nr < per_block) {
		physical = le32_at(j->root, EXT_DIRECT_BLOCKS * 4);
	} else {
		nr -= per_block;
		physical = le32_at(j->root, (EXT_DIRECT_BLOCKS + 1) * 4);
		below = per_block;
	}
	if (nr / below >= per_block)
		return -EUCLEAN;
	for (; below; nr %= below, below /= per_block) {
		ret = read_ext_block(j, physical);
		if (ret)
			return ret;
		if (below == 1)
			set_run(j, block, j->block, per_block, nr);
		physical = le32_at(j->block, nr / below * 4);
	}
	return 0;
}

/* Where the journal's block @nr is on the device. May use @j's block. */
static int find_journal(struct ext_journal *j, u32 nr, u64 *physical)
{
	int ret = 0;

	if (nr - j->run_first >= j->run_nr)
		ret = le16_at(j->root, 0) == EXT_EXTENT_MAGIC ? find_in_extents(j, nr) :
								find_in_blocks(j, nr);
	*physical = j->run_physical + nr - j->run_first;
	return ret;
}

static int read_journal_sb(struct ext_journal *j, u64 *physical)
{
	int ret = find_journal(j, 0, physical) ?: read_ext_block(j, *physical);

	return ret ?: be32_at(j->block, 0) == EXT_JOURNAL_MAGIC ? 0 : -EUCLEAN;
}

/* A block of the journal in the window, which ends with it when it was not there. */
static int look_at_journal(struct ext_journal *j, u32 nr, const u8 **block)
{
	u64 physical, n;
	int ret = find_journal(j, nr, &physical);

	if (ret)
		return ret;
	if (physical - j->window_first >= j->window_nr) {
		n = clamp_t(u64, j->window_bytes / j->block_size, 1, nr - j->run_first + 1);
		j->window_nr = 0;
		j->window_first = physical + 1 - n;
		if (!is_on_device(j, j->window_first) || !is_on_device(j, physical))
			return -EUCLEAN;
		ret = cow_raw_read(j->bdev, j->window_first * j->block_size, j->window,
				   min_t(u64, n * j->block_size, j->window_bytes));
		if (ret)
			return ret;
		j->window_nr = n;
	}
	*block = (u8 *)page_address(j->window) + (physical - j->window_first) * j->block_size;
	return 0;
}

/*
 * Whether the block, the next one towards the past, is as transactions that follow each other leave it.
 * @oldest: the first one whose end was seen; @begun: one was. Data is not taken for anything else: the journal
 * alters what looks so. A torn end was none to a recovery.
 */
static bool goes_on(const u8 *block, u32 size, u32 *oldest, bool *begun)
{
	bool is_data = be32_at(block, 0) != EXT_JOURNAL_MAGIC;
	u32 sequence = be32_at(block, EXT_JOURNAL_BLOCK_SEQUENCE);

	if (!is_data && be32_at(block, EXT_JOURNAL_BLOCK_TYPE) == EXT_JOURNAL_COMMIT) {
		*begun = true;
		return sequence == --*oldest &&
		       !memchr_inv(block + EXT_COMMIT_SIZE, 0, size - EXT_COMMIT_SIZE);
	}
	return *begun && (is_data || sequence == *oldest);
}

/*
 * From the oldest transaction, whose first block is @start, backwards. The super block is in @j's block. What cannot
 * be read is not there.
 */
static int trace_journal(struct ext_journal *j, u32 start, u32 *oldest)
{
	u32 first = be32_at(j->block, EXT_JOURNAL_FIRST);
	u32 end = be32_at(j->block, EXT_JOURNAL_BLOCKS_NR);
	u32 left, found = *oldest, size = min(j->block_size, j->window_bytes);
	bool begun = false;
	const u8 *block;

	if (!first || start < first || start >= end)
		return -EUCLEAN;
	left = min(end - first, EXT_TRACE_BYTES / j->block_size);
	while (left--) {
		start = (start == first ? end : start) - 1;
		if (look_at_journal(j, start, &block) || !goes_on(block, size, &found, &begun))
			break;
		*oldest = found;
		cond_resched();
	}
	return 0;
}

static int read_ext_journal(struct ext_journal *j, struct dbd_mount_mark *m)
{
	u32 sequence, start;
	u64 physical;
	int ret = read_journal_sb(j, &physical);

	if (ret)
		return ret;
	if (be32_at(j->block, EXT_JOURNAL_INCOMPAT) & EXT_JOURNAL_ASYNC_COMMIT)
		return -EUCLEAN;
	sequence = be32_at(j->block, EXT_JOURNAL_SEQUENCE);
	start = be32_at(j->block, EXT_JOURNAL_START);
	memcpy(m->mark + EXT_MARK_SEQUENCE, &sequence, sizeof(sequence));
	memcpy(m->mark + EXT_MARK_START, &start, sizeof(start));
	m->watch = (struct dbd_watch){
		.start = (physical * j->block_size) >> SECTOR_SHIFT,
		.nr = j->block_size >> SECTOR_SHIFT,
		.head = COW_BLOCK_SIZE >> SECTOR_SHIFT, /* the super block: tune2fs */
		.limit = 1,
	};
	m->oldest = sequence;
	return j->window && start ? trace_journal(j, start, &m->oldest) : 0;
}

/* From the super block in @block, which is where its blocks are read to. False: it is not on the device. */
static bool find_ext_journal(struct block_device *bdev, u8 *block, struct ext_journal *j)
{
	*j = (struct ext_journal){
		.bdev = bdev,
		.block = block,
		.block_size = 1024u << min(le32_at(block, EXT_LOG_BLOCK_SIZE), 6u),
	};
	memcpy(j->root, block + EXT_JOURNAL_BLOCKS, sizeof(j->root));
	return le32_at(block, EXT_JOURNAL_INODE) && block[EXT_JOURNAL_BACKUP] == 1;
}

static bool open_window(struct ext_journal *j)
{
	gfp_t gfp = GFP_KERNEL | __GFP_COMP;

	j->window_bytes = EXT_WINDOW_BYTES;
	j->window = alloc_pages(gfp | __GFP_NORETRY | __GFP_NOWARN, get_order(j->window_bytes));
	if (!j->window) {
		j->window_bytes = EXT_WINDOW_BYTES_MIN;
		j->window = alloc_pages(gfp, get_order(j->window_bytes));
	}
	return j->window;
}

int mark_ext_read(struct block_device *bdev, u8 *block, bool trace, struct dbd_mount_mark *m)
{
	u32 features = le32_at(block, EXT_FEATURE_COMPAT);
	struct ext_journal j;
	int ret = -EUCLEAN;

	memcpy(m->mark, "ext", 4);
	memcpy(m->mark + 4, block + EXT_UUID, 16);
	memcpy(m->mark + 20, block + EXT_MTIME, 4);
	m->mark[24] = block[EXT_MTIME_HIGH];
	memcpy(m->mark + 25, block + EXT_MOUNT_COUNT, 2);
	memcpy(m->mark + 27, block + EXT_LASTCHECK, 4);
	m->in_use = ext_in_use(block);
	/* A second recovery of fast commits need not write all that the first one did. */
	if ((features & (EXT_HAS_JOURNAL | EXT_FAST_COMMIT)) == EXT_HAS_JOURNAL &&
	    find_ext_journal(bdev, block, &j)) {
		if (trace && !open_window(&j))
			return -ENOMEM;
		ret = read_ext_journal(&j, m);
		if (trace)
			__free_pages(j.window, get_order(j.window_bytes));
	}
	if (ret != -EUCLEAN)
		return ret;
	m->unknown = "whether the file system was mounted or repaired since cannot be told: the device has no journal of it, or one with fast or asynchronous commits";
	return 0;
}

/* Recovery empties the journal before the super block is written. */
int mark_ext_rest(struct block_device *bdev, u8 *block, struct dbd_rest_mark *m)
{
	struct ext_journal j;
	u64 physical;
	int ret;

	if (!(le32_at(block, EXT_FEATURE_COMPAT) & EXT_HAS_JOURNAL) ||
	    !find_ext_journal(bdev, block, &j))
		return 0;
	ret = read_journal_sb(&j, &physical);
	if (!ret)
		m->crc = crc32_le(m->crc, block, EXT_JOURNAL_SB_SIZE);
	return ret == -EUCLEAN ? 0 : ret;
}

/*
 * A mount that recovers the journal writes to the disk, may clean up orphans with transactions of its own and write
 * them back too, all before the super block counts it, or, read-only, without its ever being
 * counted. What it wrote is not recovered once more after another crash. It leaves out a number: the last transaction
 * recovered and two is the first of its own; or, of an empty journal, what that had for the next, and one.
 *
 * So all is well if the oldest transaction is still the one that was noted, committed or not: all since
 * are recovered once more. Else those from that one on have to be there, without a gap. An empty
 * journal has nothing to go by.
 */
bool mark_ext_same(const u8 *noted, const struct dbd_mount_mark *found)
{
	u32 then, now, start;

	memcpy(&then, noted + EXT_MARK_SEQUENCE, sizeof(then));
	memcpy(&now, found->mark + EXT_MARK_SEQUENCE, sizeof(now));
	memcpy(&start, found->mark + EXT_MARK_START, sizeof(start));
	if (memcmp(noted, found->mark, EXT_MARK_SEQUENCE))
		return false;
	return now == then || (start && now - then <= now - found->oldest);
}
