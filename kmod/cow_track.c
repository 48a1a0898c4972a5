// SPDX-License-Identifier: GPL-2.0-only
#include <linux/crc32.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "cow_track.h"
#include "dbd.h"
#include "intent.h"

static_assert(sizeof(struct cow_track_header) == 152);
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

static bool is_same(const struct cow_track_header *a, const struct cow_track_header *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* Whether the last write of the header failed. */
static bool in_doubt(const struct cow_file *cow)
{
	return cow->tried.magic;
}

/*
 * Whether the block on disk is the one written last, or the one whose write failed; zeros before
 * there was one.
 */
static int check_ours(struct cow_file *cow, struct block_device *bdev)
{
	const struct cow_track_header *found = header_of(cow->block);
	int ret = header_io(cow, bdev, REQ_OP_READ);

	if (ret)
		return ret;
	if (in_doubt(cow) && is_same(found, &cow->tried))
		swap(cow->track, cow->tried);
	if (memchr_inv(cow->block, 0, COW_TRACK_OFFSET) || !is_same(found, &cow->track)) {
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
	if (ret) {
		cow->tried = *to;
	} else {
		cow->track = *to;
		cow->tried = (struct cow_track_header){};
	}
	return ret;
}

static u64 base_size(const struct cow_file *cow)
{
	return cow->layout.data_start << COW_BLOCK_SHIFT;
}

static void fill_header(struct cow_track_header *th, const struct cow_file *cow, u32 flags)
{
	*th = (struct cow_track_header){
		.magic = cpu_to_le64(COW_TRACK_MAGIC),
		.version = cpu_to_le32(COW_TRACK_VERSION),
		.flags = cpu_to_le32(flags),
		.nr_blocks = cpu_to_le64(cow->layout.nr_blocks),
		.fpos = cpu_to_le64(cow->fpos),
		.run_end = cpu_to_le64(cow->run_end),
		.fsize = cpu_to_le64(cow->fsize),
		.seqid = cpu_to_le64(cow->seqid),
		.asked = cpu_to_le64(cow->asked),
		.base_crc = cpu_to_le32(cow_extents_crc(&cow->extents, base_size(cow))),
	};
	memcpy(th->uuid, cow->uuid, sizeof(th->uuid));
}

int cow_track_check(struct cow_file *cow, struct block_device *bdev)
{
	int ret;

	mutex_lock(&cow->track_lock);
	ret = check_ours(cow, bdev);
	mutex_unlock(&cow->track_lock);
	return ret;
}

int cow_track_save_map(struct cow_file *cow, struct block_device *bdev,
		       const struct dbd_map *map)
{
	int ret;

	if (cow->fsize < base_size(cow))
		return -ENOSPC; /* a snapshot's file too small for the map */
	ret = cow_track_check(cow, bdev);
	return ret ?: map_io(cow, bdev, REQ_OP_WRITE, map);
}

int cow_track_seal(struct cow_file *cow, struct block_device *bdev, const struct dbd_map *map,
		   u32 flags)
{
	struct dbd_rest_mark rest = {};
	struct cow_track_header th;
	int ret;

	fill_header(&th, cow, COW_TRACK_CLEAN | flags);
	th.map_crc = cpu_to_le32(map_crc(map));
	th.extents_crc = cpu_to_le32(cow_extents_crc(&cow->extents, cow->fsize));
	mutex_lock(&cow->track_lock);
	ret = check_ours(cow, bdev);
	if (!ret)
		ret = dbd_rest_mark_read(bdev, cow->block, &rest);
	th.origin_crc = cpu_to_le32(rest.crc);
	memcpy(th.mount_mark, cow->track.mount_mark, sizeof(th.mount_mark));
	if (!ret)
		ret = write_header(cow, bdev, &th);
	if (!ret)
		cow->log_over = !(flags & COW_TRACK_LOG);
	mutex_unlock(&cow->track_lock);
	return ret;
}

static int clear_flags(struct cow_file *cow, struct block_device *bdev, u32 flags)
{
	struct cow_track_header th;
	int ret;

	mutex_lock(&cow->track_lock);
	cow->log_over |= flags & COW_TRACK_LOG;
	ret = check_ours(cow, bdev);
	th = cow->track;
	if (cow->log_over)
		flags |= COW_TRACK_LOG;
	th.flags &= ~cpu_to_le32(flags);
	if (!ret)
		ret = write_header(cow, bdev, &th);
	mutex_unlock(&cow->track_lock);
	return ret;
}

int cow_track_check_rest(struct cow_file *cow, struct block_device *bdev)
{
	struct dbd_rest_mark rest;
	int ret = 0;

	mutex_lock(&cow->track_lock);
	if (le32_to_cpu(cow->track.flags) & COW_TRACK_CLEAN)
		ret = dbd_rest_mark_read(bdev, cow->block, &rest);
	else
		rest.unknown = "not sealed";
	if (!ret && !rest.unknown && rest.crc != le32_to_cpu(cow->track.origin_crc))
		ret = -ESTALE;
	mutex_unlock(&cow->track_lock);
	return ret;
}

int cow_track_unseal(struct cow_file *cow, struct block_device *bdev)
{
	return clear_flags(cow, bdev, COW_TRACK_CLEAN);
}

bool cow_track_maybe_sealed(struct cow_file *cow)
{
	bool ret;

	mutex_lock(&cow->track_lock);
	ret = in_doubt(cow) && le32_to_cpu(cow->tried.flags) & COW_TRACK_CLEAN;
	mutex_unlock(&cow->track_lock);
	return ret;
}

int cow_track_unlog(struct cow_file *cow, struct block_device *bdev)
{
	return clear_flags(cow, bdev, COW_TRACK_CLEAN | COW_TRACK_LOG);
}

static int read_mark(struct cow_file *cow, struct block_device *bdev, struct dbd_mount_mark *mark)
{
	int ret = dbd_mount_mark_read(bdev, cow->block, mark);

	/* Another mount's may be the same, and none at all is never believed. */
	if (!ret && mark->log_nr && !cow->mount_logged)
		memset(mark->mark, 0, sizeof(mark->mark));
	return ret;
}

int cow_track_use(struct cow_file *cow, struct block_device *bdev, u32 flags)
{
	struct dbd_mount_mark mark;
	struct cow_track_header th;
	int ret;

	fill_header(&th, cow, flags);
	mutex_lock(&cow->track_lock);
	ret = check_ours(cow, bdev);
	if (!ret)
		ret = read_mark(cow, bdev, &mark);
	memcpy(th.mount_mark, mark.mark, sizeof(th.mount_mark));
	if (!ret)
		ret = write_header(cow, bdev, &th);
	if (!ret) {
		cow->watch = mark.watch;
		cow->log_over = !(flags & COW_TRACK_LOG);
	}
	mutex_unlock(&cow->track_lock);
	return ret;
}

static bool has_log(const struct cow_file *cow)
{
	return le32_to_cpu(cow->track.flags) & COW_TRACK_LOG;
}

static int renew_mark(struct cow_file *cow, struct block_device *bdev)
{
	struct cow_track_header th = cow->track;
	struct dbd_mount_mark mark;
	int ret = read_mark(cow, bdev, &mark);

	if (ret || !memcmp(th.mount_mark, mark.mark, sizeof(mark.mark)))
		return ret;
	memcpy(th.mount_mark, mark.mark, sizeof(th.mount_mark));
	return write_header(cow, bdev, &th);
}

/* As it should have been when the log was over. */
static int clear_log(struct cow_file *cow, struct block_device *bdev)
{
	struct cow_track_header th = cow->track;

	th.flags &= ~cpu_to_le32(COW_TRACK_CLEAN | COW_TRACK_LOG);
	return write_header(cow, bdev, &th);
}

int cow_track_note(struct cow_file *cow, struct block_device *bdev)
{
	int ret;

	mutex_lock(&cow->track_lock);
	ret = check_ours(cow, bdev);
	if (!ret && has_log(cow))
		ret = cow->log_over ? clear_log(cow, bdev) : renew_mark(cow, bdev);
	mutex_unlock(&cow->track_lock);
	return ret;
}

/* ---- taking a file up again ---- */

static int reject(const struct cow_file *cow, const char *why)
{
	dbd_err("the COW file %s cannot be taken up again: %s", cow->path, why);
	return -EINVAL;
}

/*
 * Whether a recovery may have written without a trace: it was cut off before it ended, and the next one writes the
 * rest, or the same, over what nobody has kept. XFS's writes a mark before anything else, which is waited for while the
 * map alone counts.
 */
static bool recovery_untold(enum cow_take take, const struct dbd_mount_mark *mount)
{
	return mount->in_use && (take == COW_TAKE_SNAP || (mount->unknown && !mount->log_nr));
}

/* The map alone counts, and nobody used the device since. */
static int check_clean(const struct cow_file *cow, const struct cow_track_header *th,
		       enum cow_take take, const struct dbd_found_marks *origin)
{
	const struct dbd_rest_mark *rest = &origin->rest;
	bool snapshot = le32_to_cpu(th->flags) & COW_TRACK_SNAPSHOT;

	if (take == COW_TAKE_SNAP && !snapshot)
		return reject(cow, "it is incremental, not a snapshot");
	if (take == COW_TAKE_INC && snapshot)
		return reject(cow, "it is a snapshot, not incremental");
	if (le64_to_cpu(th->fsize) != cow->fsize ||
	    le32_to_cpu(th->extents_crc) != cow_extents_crc(&cow->extents, cow->fsize))
		return reject(cow, "it was moved or resized");
	if (rest->unknown)
		return reject(cow, rest->unknown);
	if (le32_to_cpu(th->origin_crc) != rest->crc)
		return reject(cow, "the file system was used meanwhile without the driver");
	if (recovery_untold(take, &origin->mount))
		return reject(cow, "its file system was not unmounted, or never checked since: whether a recovery of it was cut off cannot be told");
	return 0;
}

/* Map and log together count, if the crash was in the mount that was followed. */
static int check_crashed(const struct cow_file *cow, const struct cow_track_header *th,
			 enum cow_take take, const struct dbd_mount_mark *mount)
{
	u32 flags = le32_to_cpu(th->flags);

	if (!(flags & COW_TRACK_LOG))
		return reject(cow, "it was in use when the machine stopped, and changes were not logged");
	if (flags & COW_TRACK_PENDING)
		return reject(cow, "what it was made for was not completed: a predecessor counts");
	if (take == COW_TAKE_SNAP)
		return reject(cow, "the machine stopped while the snapshot was in use: it is lost; reload-incremental would have kept what changed");
	if (le32_to_cpu(th->base_crc) != cow_extents_crc(&cow->extents, base_size(cow)))
		return reject(cow, "it was moved");
	if (mount->unknown)
		return reject(cow, mount->unknown);
	if (!mount->in_use || !dbd_mount_mark_same(th->mount_mark, mount))
		return reject(cow, "after the crash the file system was mounted or repaired without the driver, or its mount was cut off");
	return 0;
}

/* Whether the block read last is a header of this driver's, of any version. */
static bool is_header(const struct cow_file *cow)
{
	const struct cow_track_header *th = header_of(cow->block);

	return le64_to_cpu(th->magic) == COW_TRACK_MAGIC &&
	       !memchr_inv(cow->block, 0, COW_TRACK_OFFSET) &&
	       le32_to_cpu(th->crc) == block_crc(cow->block);
}

int cow_track_give_up(struct cow_file *cow, struct block_device *bdev)
{
	bool ours;
	int ret;

	mutex_lock(&cow->track_lock);
	ret = header_io(cow, bdev, REQ_OP_READ);
	ours = !ret && is_header(cow);
	if (ours)
		cow->track = *header_of(cow->block);
	mutex_unlock(&cow->track_lock);
	return ours ? cow_track_unlog(cow, bdev) : ret;
}

static int check_header(const struct cow_file *cow, enum cow_take take,
			const struct dbd_found_marks *origin)
{
	const struct cow_track_header *th = header_of(cow->block);

	if (le64_to_cpu(th->magic) != COW_TRACK_MAGIC ||
	    memchr_inv(cow->block, 0, COW_TRACK_OFFSET))
		return reject(cow, "it was not left by this driver for that");
	if (le32_to_cpu(th->version) != COW_TRACK_VERSION)
		return reject(cow, "it was left by another version of this driver");
	if (le32_to_cpu(th->crc) != block_crc(cow->block))
		return reject(cow, "its header is damaged");
	if (le64_to_cpu(th->nr_blocks) != cow->layout.nr_blocks)
		return reject(cow, "the device has another size");
	if (le32_to_cpu(th->flags) & COW_TRACK_CLEAN)
		return check_clean(cow, th, take, origin);
	return check_crashed(cow, th, take, &origin->mount);
}

static int load_map(struct cow_file *cow, struct block_device *bdev, struct cow_loaded *loaded)
{
	const struct cow_track_header *th = &cow->track;
	int ret;

	loaded->map = dbd_map_alloc(cow->layout.nr_blocks);
	if (!loaded->map)
		return -ENOMEM;
	ret = map_io(cow, bdev, REQ_OP_READ, loaded->map);
	if (!ret && !loaded->crashed && map_crc(loaded->map) != le32_to_cpu(th->map_crc))
		ret = reject(cow, "its map is damaged");
	if (!ret) {
		dbd_map_recount(loaded->map);
		if (loaded->crashed)
			ret = dbd_intent_load(cow, bdev, loaded->map, &loaded->regions);
	}
	if (ret) {
		dbd_map_free(loaded->map);
		loaded->map = NULL;
	}
	return ret;
}

int cow_track_place(struct cow_file *cow, struct block_device *bdev, struct cow_place *place)
{
	const struct cow_track_header *th = header_of(cow->block);
	const struct cow_header *h = cow->block;
	int ret;

	mutex_lock(&cow->track_lock);
	ret = header_io(cow, bdev, REQ_OP_READ);
	if (ret)
		goto unlock;
	place->finished = le32_to_cpu(h->magic) == COW_MAGIC;
	if (place->finished) {
		place->seqid = le64_to_cpu(h->seqid);
		memcpy(place->uuid, h->uuid, sizeof(place->uuid));
	} else if (le64_to_cpu(th->magic) == COW_TRACK_MAGIC &&
		   le32_to_cpu(th->crc) == block_crc(cow->block)) {
		place->seqid = le64_to_cpu(th->seqid);
		memcpy(place->uuid, th->uuid, sizeof(place->uuid));
		cow->track = *th;
	} else {
		ret = -EINVAL;
	}
unlock:
	mutex_unlock(&cow->track_lock);
	return ret;
}

int cow_track_load(struct cow_file *cow, struct block_device *bdev, enum cow_take take,
		   const struct dbd_found_marks *origin, struct cow_loaded *loaded)
{
	const struct cow_track_header *th = header_of(cow->block);
	int ret;

	*loaded = (struct cow_loaded){};
	mutex_lock(&cow->track_lock);
	ret = header_io(cow, bdev, REQ_OP_READ);
	if (!ret)
		ret = check_header(cow, take, origin);
	if (!ret) {
		cow->track = *th;
		cow->fpos = le64_to_cpu(th->fpos);
		cow->run_end = le64_to_cpu(th->run_end);
		cow->seqid = le64_to_cpu(th->seqid);
		cow->asked = le64_to_cpu(th->asked);
		memcpy(cow->uuid, th->uuid, sizeof(cow->uuid));
		loaded->crashed = !(le32_to_cpu(th->flags) & COW_TRACK_CLEAN);
		ret = load_map(cow, bdev, loaded);
	}
	mutex_unlock(&cow->track_lock);
	return ret;
}
