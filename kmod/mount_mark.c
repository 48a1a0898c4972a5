// SPDX-License-Identifier: GPL-2.0-only
/*
 * The few fields of ext4's and XFS's on-disk format that are needed. XFS counts
 * no mounts. But each mount, and first of all, overwrites what may lie ahead of the
 * log's head with empty records (xlog_clear_stale_blocks): the last of these is
 * the mark of that mount, until some 2 MiB were logged. They tell where head and tail were, nothing else: of two mounts
 * the mark is the same unless the first one has logged something (cow_log_mount()), and where they go as far as the tail.
 * Where the log's head was is noted as well, again and again: when the mark is gone the mount can only
 * be another if the head has moved on by more than it ever does between two notes.
 */
#include <linux/crc32.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "cow_extents.h"
#include "mount_mark.h"

static u16 le16_at(const u8 *block, unsigned int at)
{
	return le16_to_cpup((const __le16 *)(block + at));
}

static u32 le32_at(const u8 *block, unsigned int at)
{
	return le32_to_cpup((const __le32 *)(block + at));
}

static u16 be16_at(const u8 *block, unsigned int at)
{
	return be16_to_cpup((const __be16 *)(block + at));
}

static u32 be32_at(const u8 *block, unsigned int at)
{
	return be32_to_cpup((const __be32 *)(block + at));
}

static u64 be64_at(const u8 *block, unsigned int at)
{
	return be64_to_cpup((const __be64 *)(block + at));
}

/* ---- ext2, ext3, ext4: little-endian, the super block at byte 1024 ---- */

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

static bool is_ext(const u8 *block)
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

static int ext_mark(struct block_device *bdev, u8 *block, bool trace, struct dbd_mount_mark *m)
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
static int ext_rest(struct block_device *bdev, u8 *block, struct dbd_rest_mark *m)
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

/* ---- XFS: big-endian ---- */

#define XFS_BLOCK_SIZE 4
#define XFS_UUID 32
#define XFS_LOG_START 48 /* file system block; 0: on another device */
#define XFS_AG_BLOCKS 84
#define XFS_AG_COUNT 88
#define XFS_LOG_BLOCKS 96
#define XFS_VERSION 100
#define XFS_SECTOR_SIZE 102
#define XFS_AG_BLOCKS_LOG 124

#define XFS_VERSION_CRC 5 /* in the lowest four bits */
#define XFS_AG_BYTES_MIN (16ull << 20)
#define XFS_AG_HEADERS 4 /* sectors: super block, AGF, AGI, AGFL */

#define XFS_RECORD_MAGIC 0xfeedbabeu
#define XFS_RECORD_CYCLE 4
#define XFS_RECORD_LEN 12
#define XFS_RECORD_LSN 16
#define XFS_RECORD_TAIL_LSN 24
#define XFS_RECORD_NR_OPS 40
#define XFS_RECORD_SIZE 320 /* of the buffer it was written from: a header sector for each 32 KiB */
#define XFS_RECORD_SECTORS_MAX 520u /* the longest record, with its headers */
#define XFS_EMPTY_MAX 4096u /* empty records of a mount, a sector each */
#define XFS_OP_FLAGS 9 /* of a record's first operation */
#define XFS_OP_UNMOUNT 0x20u

/*
 * In the mark: "xfs", the UUID, the numbers of the last empty record and of the log's tail then, and the
 * head's: a count of sectors that only grows.
 */
#define XFS_MARK_UUID 4
#define XFS_MARK_EMPTY 20
#define XFS_MARK_EMPTY_SIZE 16
#define XFS_MARK_HEAD 36

#define XFS_LOGGED_MAX 2048u /* sectors between the last note and a crash */
#define XFS_FREE_MIN (2 * XFS_LOGGED_MAX) /* when noted: another mount's mark reaches far enough */
#define XFS_NOTE_SECTORS 512u
static_assert(XFS_LOGGED_MAX > XFS_NOTE_SECTORS);
static_assert(XFS_MARK_HEAD + sizeof(u32) == COW_MOUNT_MARK_SIZE);

#define SECTORS_PER_PAGE (PAGE_SIZE >> SECTOR_SHIFT)

struct xfs_log {
	struct block_device *bdev;
	struct page *page;
	u64 start; /* byte on the device */
	u32 nr; /* sectors */
};

static bool is_xfs(const u8 *block)
{
	return be32_at(block, 0) == 0x58465342;
}

/* A page at a time, as the device's blocks may be that large. */
static int read_sector(const struct xfs_log *log, u32 nr, const u8 **sector)
{
	u32 skip = nr % SECTORS_PER_PAGE;

	*sector = (u8 *)page_address(log->page) + (skip << SECTOR_SHIFT);
	return cow_raw_read(log->bdev, log->start + ((u64)(nr - skip) << SECTOR_SHIFT), log->page,
			    PAGE_SIZE);
}

/* Each sector of the log begins with the cycle it was written in, or its record's magic. */
static u32 cycle_of(const u8 *sector)
{
	u32 cycle = be32_at(sector, 0);

	return cycle == XFS_RECORD_MAGIC ? be32_at(sector, XFS_RECORD_CYCLE) : cycle;
}

/* The first sector that is not of the cycle of sector 0, or the end. */
static int find_head(const struct xfs_log *log, u32 *head, u32 *cycle)
{
	u32 lo = 0, hi = log->nr;
	const u8 *sector;
	int ret = read_sector(log, 0, &sector);

	*cycle = cycle_of(sector);
	while (!ret && hi - lo > 1) {
		u32 mid = lo + (hi - lo) / 2;

		ret = read_sector(log, mid, &sector);
		if (cycle_of(sector) == *cycle)
			lo = mid;
		else
			hi = mid;
	}
	*head = hi;
	return ret;
}

static bool is_empty(const u8 *sector, u32 nr)
{
	return be32_at(sector, 0) == XFS_RECORD_MAGIC && !be32_at(sector, XFS_RECORD_LEN) &&
	       !be32_at(sector, XFS_RECORD_NR_OPS) && !be32_at(sector, XFS_RECORD_SIZE) &&
	       (u32)be64_at(sector, XFS_RECORD_LSN) == nr;
}

/*
 * The last empty record ahead of the head, which may move on meanwhile: first are sectors
 * of a new cycle, if any, then empty records, then sectors of the cycle before. *@found: how many the first two are.
 */
static int find_empty(const struct xfs_log *log, u32 head, u32 cycle, u8 *mark, u32 *found)
{
	u32 lo = 0, hi = min(XFS_EMPTY_MAX, log->nr);
	int ret = 0;

	memset(mark, 0, XFS_MARK_EMPTY_SIZE);
	while (!ret && lo < hi) {
		u32 mid = lo + (hi - lo) / 2, nr = head + mid, now = cycle;
		const u8 *sector;

		if (nr >= log->nr) {
			nr -= log->nr;
			now++;
		}
		ret = read_sector(log, nr, &sector);
		if (is_empty(sector, nr)) {
			memcpy(mark, sector + XFS_RECORD_LSN, XFS_MARK_EMPTY_SIZE);
			lo = mid + 1;
		} else if (cycle_of(sector) == now) {
			memset(mark, 0, XFS_MARK_EMPTY_SIZE);
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	*found = lo;
	return ret;
}

/* A sequence number (LSN) as a count of sectors, which only grows. */
static u32 count_of(const struct xfs_log *log, u64 lsn)
{
	return (u32)(lsn >> 32) * log->nr + (u32)lsn;
}

/* Whether they are as far as the tail, which another mount may have found in the same place. */
static bool empty_up_to_tail(const struct xfs_log *log, const u8 *mark)
{
	return be64_at(mark, 0) && ((u32)be64_at(mark, 0) + 1) % log->nr == (u32)be64_at(mark, 8);
}

static const char xfs_log_was_full[] =
	"its log was nearly full when the XFS was mounted last: that mount cannot be told from others";

/* Of the record at @record: whether it is an unmount's, and where the log's tail was then. */
static int read_record(const struct xfs_log *log, u32 record, bool *unmount, u64 *tail)
{
	const u8 *sector;
	u32 headers;
	int ret = read_sector(log, record, &sector);

	*unmount = false;
	*tail = be64_at(sector, XFS_RECORD_TAIL_LSN);
	if (ret || be32_at(sector, XFS_RECORD_NR_OPS) != 1)
		return ret;
	headers = max(DIV_ROUND_UP(be32_at(sector, XFS_RECORD_SIZE), 32768), 1u);
	ret = read_sector(log, (record + headers) % log->nr, &sector);
	*unmount = !ret && sector[XFS_OP_FLAGS] & XFS_OP_UNMOUNT;
	return ret;
}

/* The same of the last one before @head. False in *@unmount, and 0, if none is near. */
static int read_last_record(const struct xfs_log *log, u32 head, bool *unmount, u64 *tail)
{
	u32 i;

	*unmount = false;
	*tail = 0;
	for (i = 1; i <= min(XFS_RECORD_SECTORS_MAX, log->nr); i++) {
		u32 nr = (head + log->nr - i) % log->nr;
		const u8 *sector;
		int ret = read_sector(log, nr, &sector);

		if (ret)
			return ret;
		if (be32_at(sector, 0) == XFS_RECORD_MAGIC)
			return read_record(log, nr, unmount, tail);
	}
	return 0;
}

/* Whether the last record is of anything but an unmount; the mark of the last mount; and the head. */
static int read_log(const struct xfs_log *log, struct dbd_mount_mark *m)
{
	u8 *empty = m->mark + XFS_MARK_EMPTY;
	u32 head, cycle, nr, count = 0;
	bool unmount, roomy = false;
	u64 tail;
	int ret = find_head(log, &head, &cycle);

	if (!ret)
		ret = find_empty(log, head, cycle, empty, &nr);
	if (!ret)
		ret = read_last_record(log, head, &unmount, &tail);
	if (ret)
		return ret;
	if (empty_up_to_tail(log, empty))
		m->unknown = xfs_log_was_full;
	m->in_use = !unmount;
	if (tail) {
		count = cycle * log->nr + head;
		roomy = log->nr - (count - count_of(log, tail)) >= XFS_FREE_MIN &&
			log->nr >= XFS_FREE_MIN;
	}
	if (!roomy)
		count ^= 1u << 31; /* no head is near that */
	memcpy(m->mark + XFS_MARK_HEAD, &count, sizeof(count));
	return 0;
}

/* From the super block in @block. False: the log is on another device. */
static bool find_xfs_log(struct block_device *bdev, const u8 *block, struct xfs_log *log)
{
	u64 at = be64_at(block, XFS_LOG_START), bytes = bdev_nr_bytes(bdev);
	u32 size = be32_at(block, XFS_BLOCK_SIZE);
	u64 len = (u64)be32_at(block, XFS_LOG_BLOCKS) * size;
	u8 ag_shift = block[XFS_AG_BLOCKS_LOG];

	log->bdev = bdev;
	log->nr = len >> SECTOR_SHIFT;
	if (!at || ag_shift > 32 || !log->nr)
		return false;
	log->start = ((at >> ag_shift) * be32_at(block, XFS_AG_BLOCKS) +
		      (at & ((1ull << ag_shift) - 1))) * size;
	return log->start <= bytes && len <= bytes - log->start;
}

static int xfs_mark(struct block_device *bdev, const u8 *block, struct dbd_mount_mark *m)
{
	u32 version = be16_at(block, XFS_VERSION) & 0xf;
	struct xfs_log log;
	int ret;

	memcpy(m->mark, "xfs", 4);
	memcpy(m->mark + XFS_MARK_UUID, block + XFS_UUID, 16);
	if (!find_xfs_log(bdev, block, &log))
		return 0;
	m->log_start = log.start >> SECTOR_SHIFT;
	m->log_nr = log.nr;
	m->watch = (struct dbd_watch){
		.start = m->log_start,
		.nr = m->log_nr,
		.limit = XFS_NOTE_SECTORS,
	};
	log.page = alloc_page(GFP_NOIO); /* no write may pass now */
	if (!log.page)
		return -ENOMEM;
	ret = read_log(&log, m);
	__free_page(log.page);
	/* There may be less of the empty records, and a repair begins with the same numbers again. */
	if (version < XFS_VERSION_CRC)
		m->unknown = "an XFS without checksums does not tell whether it was mounted since";
	return ret;
}

/*
 * Where its log ends: a mount that is cut off may have written nothing else that is looked at. Unless the last mount
 * has logged nothing, or the empty records of the next one may be the same.
 */
static int xfs_rest_log(struct block_device *bdev, const u8 *block, struct dbd_rest_mark *m)
{
	struct xfs_log log;
	struct {
		u32 head, cycle;
		u8 empty[XFS_MARK_EMPTY_SIZE];
	} end;
	bool unmount;
	u64 tail;
	u32 nr;
	int ret;

	if (!find_xfs_log(bdev, block, &log))
		return 0;
	log.page = alloc_page(GFP_NOIO); /* no write may pass now */
	if (!log.page)
		return -ENOMEM;
	ret = find_head(&log, &end.head, &end.cycle);
	if (!ret)
		ret = find_empty(&log, end.head, end.cycle, end.empty, &nr);
	if (!ret)
		ret = read_last_record(&log, end.head, &unmount, &tail);
	__free_page(log.page);
	if (ret)
		return ret;
	if (nr == XFS_EMPTY_MAX)
		m->unknown = "nothing is in the XFS's log of its last mount: that cannot be told from others";
	else if (empty_up_to_tail(&log, end.empty) && be64_at(end.empty, 8) == tail)
		m->unknown = xfs_log_was_full;
	m->crc = crc32_le(m->crc, (const u8 *)&end, sizeof(end));
	return 0;
}

static int crc_of_range(struct block_device *bdev, void *block, u64 pos, u32 len, u32 *crc)
{
	int ret = 0;

	while (!ret && len) {
		u32 n = min_t(u32, len, PAGE_SIZE);

		ret = cow_raw_read(bdev, pos, virt_to_page(block), n);
		*crc = crc32_le(*crc, block, n);
		pos += n;
		len -= n;
	}
	return ret;
}

/*
 * xfs_repair writes the trees of each group anew, but leaves the super block as it is. What it always
 * resets is the sequence number (LSN) in the headers of a group that was changed since it did so last.
 */
static int xfs_rest(struct block_device *bdev, void *block, struct dbd_rest_mark *m)
{
	u64 group = (u64)be32_at(block, XFS_AG_BLOCKS) * be32_at(block, XFS_BLOCK_SIZE);
	u32 groups = be32_at(block, XFS_AG_COUNT), sector = be16_at(block, XFS_SECTOR_SIZE);
	u32 len = max(XFS_AG_HEADERS * sector, bdev_logical_block_size(bdev)), i;
	u64 bytes = bdev_nr_bytes(bdev);
	int ret = 0;

	if ((be16_at(block, XFS_VERSION) & 0xf) < XFS_VERSION_CRC) {
		m->unknown = "an XFS without checksums does not tell whether it was repaired meanwhile";
		return 0;
	}
	if (group < XFS_AG_BYTES_MIN || group > bytes ||
	    !groups || groups - 1 > div64_u64(bytes, group) || (groups - 1) * group + len > bytes ||
	    !is_power_of_2(sector) || sector < SECTOR_SIZE) {
		m->unknown = "the file system's super block is not understood";
		return 0;
	}
	ret = xfs_rest_log(bdev, block, m);
	for (i = 0; !ret && i < groups; i++)
		ret = crc_of_range(bdev, block, i * group, len, &m->crc);
	return ret;
}

static int read_mark(struct block_device *bdev, void *block, bool trace, struct dbd_mount_mark *m)
{
	int ret = cow_raw_read(bdev, 0, virt_to_page(block), COW_BLOCK_SIZE);

	*m = (struct dbd_mount_mark){};
	if (ret)
		return ret;
	if (is_ext(block))
		return ext_mark(bdev, block, trace, m);
	return is_xfs(block) ? xfs_mark(bdev, block, m) : 0;
}

int dbd_mount_mark_read(struct block_device *bdev, void *block, struct dbd_mount_mark *m)
{
	return read_mark(bdev, block, false, m);
}

int dbd_mount_mark_trace(struct block_device *bdev, void *block, struct dbd_mount_mark *m)
{
	return read_mark(bdev, block, true, m);
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
static bool same_ext_mount(const u8 *noted, const struct dbd_mount_mark *found)
{
	u32 then, now, start;

	memcpy(&then, noted + EXT_MARK_SEQUENCE, sizeof(then));
	memcpy(&now, found->mark + EXT_MARK_SEQUENCE, sizeof(now));
	memcpy(&start, found->mark + EXT_MARK_START, sizeof(start));
	if (memcmp(noted, found->mark, EXT_MARK_SEQUENCE))
		return false;
	return now == then || (start && now - then <= now - found->oldest);
}

/* The mount that was noted may have logged so much since that its empty records are gone. */
static bool same_xfs_mount(const u8 *noted, const struct dbd_mount_mark *found)
{
	bool gone = !memchr_inv(found->mark + XFS_MARK_EMPTY, 0, XFS_MARK_EMPTY_SIZE);
	u32 then, now;

	if (!gone)
		return !memcmp(noted, found->mark, XFS_MARK_HEAD);
	memcpy(&then, noted + XFS_MARK_HEAD, sizeof(then));
	memcpy(&now, found->mark + XFS_MARK_HEAD, sizeof(now));
	return !memcmp(noted, found->mark, XFS_MARK_EMPTY) && now - then <= XFS_LOGGED_MAX;
}

bool dbd_mount_mark_same(const u8 *noted, const struct dbd_mount_mark *found)
{
	if (!memcmp(found->mark, "ext", 4))
		return same_ext_mount(noted, found);
	return found->mark[0] && same_xfs_mount(noted, found);
}

int dbd_rest_mark_read(struct block_device *bdev, void *block, struct dbd_rest_mark *m)
{
	int ret = cow_raw_read(bdev, 0, virt_to_page(block), COW_BLOCK_SIZE);

	*m = (struct dbd_rest_mark){};
	if (ret)
		return ret;
	m->crc = crc32_le(~0u, block, COW_BLOCK_SIZE);
	if (is_ext(block))
		return ext_rest(bdev, block, m);
	return is_xfs(block) ? xfs_rest(bdev, block, m) : 0;
}
