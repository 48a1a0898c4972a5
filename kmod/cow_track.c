// SPDX-License-Identifier: GPL-2.0-only
#include <linux/crc32.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "cow_track.h"
#include "dbd.h"

static_assert(sizeof(struct cow_track_header) == 104);
static_assert(sizeof(struct cow_header) == COW_TRACK_OFFSET);

static struct cow_track_header *header_of(void *block)
{
	return block + COW_TRACK_OFFSET;
}

static u32 block_crc(void *block)
{
	struct cow_track_header *th = header_of(block);
	__le32 crc = th->crc;
	u32 ret;

	th->crc = 0;
	ret = crc32_le(~0u, block, COW_BLOCK_SIZE);
	th->crc = crc;
	return ret;
}

static u32 map_crc(const struct dbd_map *map)
{
	unsigned long i;
	u32 crc = ~0u;

	for (i = 0; i < map->nr_pages; i++) {
		crc = crc32_le(crc, (const void *)map->pages[i], PAGE_SIZE);
		cond_resched();
	}
	return crc;
}

static int map_io(struct cow_file *cow, struct block_device *bdev, blk_opf_t opf,
		  const struct dbd_map *map)
{
	return cow_raw_io(&cow->extents, bdev, opf, cow->layout.map_start << COW_BLOCK_SHIFT,
			  (void *const *)map->pages, map->nr_pages);
}

static int header_io(struct cow_file *cow, struct block_device *bdev, blk_opf_t opf)
{
	return cow_raw_io(&cow->extents, bdev, opf, 0, &cow->block, 1);
}

int cow_track_origin_crc(struct cow_file *cow, struct block_device *bdev, u32 *crc)
{
	int ret = cow_raw_read(bdev, 0, virt_to_page(cow->block), COW_BLOCK_SIZE);

	*crc = crc32_le(~0u, cow->block, COW_BLOCK_SIZE);
	return ret;
}

/* Whether the block on disk is the one written last; zeros before there was one. */
static int check_ours(struct cow_file *cow, struct block_device *bdev)
{
	int ret = header_io(cow, bdev, REQ_OP_READ);

	if (ret)
		return ret;
	if (memcmp(header_of(cow->block), &cow->track, sizeof(cow->track)) ||
	    memchr_inv(cow->block, 0, COW_TRACK_OFFSET)) {
		dbd_err("the COW file %s is not where it was: something else wrote there",
			cow->path);
		return -ESTALE;
	}
	return 0;
}

/* Writes @th, with what it covers durable before and itself durable after. */
static int write_header(struct cow_file *cow, struct block_device *bdev,
			const struct cow_track_header *th)
{
	struct cow_track_header *to = header_of(cow->block);
	int ret;

	memset(cow->block, 0, COW_BLOCK_SIZE);
	*to = *th;
	to->generation = cpu_to_le64(le64_to_cpu(cow->track.generation) + 1);
	to->crc = cpu_to_le32(block_crc(cow->block));
	ret = header_io(cow, bdev, REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA);
	if (!ret)
		cow->track = *to;
	return ret;
}

static void fill_header(struct cow_track_header *th, const struct cow_file *cow,
			const struct dbd_map *map, bool snapshot, u32 origin_crc)
{
	*th = (struct cow_track_header){
		.magic = cpu_to_le64(COW_TRACK_MAGIC),
		.version = cpu_to_le32(COW_TRACK_VERSION),
		.flags = cpu_to_le32(COW_TRACK_CLEAN | (snapshot ? COW_TRACK_SNAPSHOT : 0)),
		.nr_blocks = cpu_to_le64(cow->layout.nr_blocks),
		.fpos = cpu_to_le64(cow->fpos),
		.run_end = cpu_to_le64(cow->run_end),
		.fsize = cpu_to_le64(cow->fsize),
		.seqid = cpu_to_le64(cow->seqid),
		.asked = cpu_to_le64(cow->asked),
		.map_crc = cpu_to_le32(map_crc(map)),
		.extents_crc = cpu_to_le32(cow_extents_crc(&cow->extents, cow->fsize)),
		.origin_crc = cpu_to_le32(origin_crc),
	};
	memcpy(th->uuid, cow->uuid, sizeof(th->uuid));
}

int cow_track_seal(struct cow_file *cow, struct block_device *bdev, const struct dbd_map *map,
		   bool snapshot)
{
	struct cow_track_header th;
	u32 origin_crc;
	int ret;

	if (cow->fsize < cow->layout.data_start << COW_BLOCK_SHIFT)
		return -ENOSPC; /* a snapshot's file too small for the map */
	ret = check_ours(cow, bdev);
	if (!ret)
		ret = map_io(cow, bdev, REQ_OP_WRITE, map);
	if (!ret)
		ret = cow_track_origin_crc(cow, bdev, &origin_crc);
	if (ret)
		return ret;
	fill_header(&th, cow, map, snapshot, origin_crc);
	return write_header(cow, bdev, &th);
}

int cow_track_unseal(struct cow_file *cow, struct block_device *bdev)
{
	struct cow_track_header th = cow->track;
	int ret = check_ours(cow, bdev);

	th.flags &= ~cpu_to_le32(COW_TRACK_CLEAN);
	return ret ?: write_header(cow, bdev, &th);
}

/* ---- taking a file up again ---- */

static int reject(const struct cow_file *cow, const char *why)
{
	dbd_err("the COW file %s cannot be taken up again: %s", cow->path, why);
	return -EINVAL;
}

static int check_header(const struct cow_file *cow, bool snapshot, u32 origin_crc)
{
	const struct cow_track_header *th = header_of(cow->block);
	u32 flags = le32_to_cpu(th->flags);

	if (le64_to_cpu(th->magic) != COW_TRACK_MAGIC ||
	    memchr_inv(cow->block, 0, COW_TRACK_OFFSET))
		return reject(cow, "it was not left by this driver for that");
	if (le32_to_cpu(th->version) != COW_TRACK_VERSION)
		return reject(cow, "it was left by another version of this driver");
	if (le32_to_cpu(th->crc) != block_crc(cow->block))
		return reject(cow, "its header is damaged");
	if (!(flags & COW_TRACK_CLEAN))
		return reject(cow, "it was in use when the machine stopped");
	if (snapshot != !!(flags & COW_TRACK_SNAPSHOT))
		return reject(cow, snapshot ? "it is incremental, not a snapshot" :
					      "it is a snapshot, not incremental");
	if (le64_to_cpu(th->nr_blocks) != cow->layout.nr_blocks)
		return reject(cow, "the device has another size");
	if (le64_to_cpu(th->fsize) != cow->fsize ||
	    le32_to_cpu(th->extents_crc) != cow_extents_crc(&cow->extents, cow->fsize))
		return reject(cow, "it was moved or resized");
	if (le32_to_cpu(th->origin_crc) != origin_crc)
		return reject(cow, "the file system was used meanwhile without the driver");
	return 0;
}

static int load_map(struct cow_file *cow, struct block_device *bdev, u32 crc,
		    struct dbd_map **loaded)
{
	struct dbd_map *map = dbd_map_alloc(cow->layout.nr_blocks);
	int ret;

	if (!map)
		return -ENOMEM;
	ret = map_io(cow, bdev, REQ_OP_READ, map);
	if (!ret && map_crc(map) != crc)
		ret = reject(cow, "its map is damaged");
	if (ret) {
		dbd_map_free(map);
		return ret;
	}
	dbd_map_recount(map);
	*loaded = map;
	return 0;
}

int cow_track_load(struct cow_file *cow, struct block_device *bdev, bool snapshot, u32 origin_crc,
		   struct dbd_map **map)
{
	const struct cow_track_header *th = header_of(cow->block);
	int ret = header_io(cow, bdev, REQ_OP_READ);

	if (!ret)
		ret = check_header(cow, snapshot, origin_crc);
	if (!ret)
		ret = load_map(cow, bdev, le32_to_cpu(th->map_crc), map);
	if (ret)
		return ret;
	cow->fpos = le64_to_cpu(th->fpos);
	cow->run_end = le64_to_cpu(th->run_end);
	cow->seqid = le64_to_cpu(th->seqid);
	cow->asked = le64_to_cpu(th->asked);
	memcpy(cow->uuid, th->uuid, sizeof(cow->uuid));
	cow->track = *th;
	return 0;
}
