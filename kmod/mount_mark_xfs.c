// SPDX-License-Identifier: GPL-2.0-only
/*
 * The few fields of XFS's on-disk format, big-endian, that are needed. XFS counts no mounts. But each mount, and first
 * of all, overwrites what may lie ahead of the log's head with empty records (xlog_clear_stale_blocks): the last of
 * these is the mark of that mount, until some 2 MiB were logged. They tell where head and tail were, nothing else: of
 * two mounts the mark is the same unless the first one has logged something (cow_log_mount()), and where they go as far
 * as the tail. Where the log's head was is noted as well, again and again: when the mark is gone the mount can only be
 * another if the head has moved on by more than it ever does between two notes.
 */
#include <linux/crc32.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "cow_extents.h"
#include "mount_mark_impl.h"

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

bool mark_xfs_is(const u8 *block)
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

int mark_xfs_read(struct block_device *bdev, const u8 *block, struct dbd_mount_mark *m)
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
int mark_xfs_rest(struct block_device *bdev, void *block, struct dbd_rest_mark *m)
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

/* The mount that was noted may have logged so much since that its empty records are gone. */
bool mark_xfs_same(const u8 *noted, const struct dbd_mount_mark *found)
{
	bool gone = !memchr_inv(found->mark + XFS_MARK_EMPTY, 0, XFS_MARK_EMPTY_SIZE);
	u32 then, now;

	if (!gone)
		return !memcmp(noted, found->mark, XFS_MARK_HEAD);
	memcpy(&then, noted + XFS_MARK_HEAD, sizeof(then));
	memcpy(&now, found->mark + XFS_MARK_HEAD, sizeof(now));
	return !memcmp(noted, found->mark, XFS_MARK_EMPTY) && now - then <= XFS_LOGGED_MAX;
}
