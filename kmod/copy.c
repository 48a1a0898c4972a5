// SPDX-License-Identifier: GPL-2.0-only
/*
 * The copy worker.
 *
 * A held bio depends on the copies of its untouched blocks. It is parked with
 * the first of them and looked at again when that one is saved; bits are only
 * ever set, so this ends. A bio that needs memory which is not to be had waits
 * at the head of the queue until a copy is stored: some copy is always under
 * way then, since the reserves suffice for one.
 *
 * Each copy carries one bio and its vector and uses it for the read and then
 * for the pieces of the write: nothing is allocated after the copy has begun,
 * but index pages.
 */
#include <linux/blkdev.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "copy.h"
#include "dbd.h"

#define COPY_BLOCKS_MAX 256u /* blocks of one copy: 1 MiB */
#define COPY_RESERVE 2 /* copies that always can be made */
#define ROOM_WAIT_MAX (10 * HZ) /* for the COW file to grow, before it counts as full */
#define POOL_RESERVE (2 * COPY_BLOCKS_MAX) /* pages */

/**
 * struct dbd_copy - a run of blocks on its way from the origin to the COW file
 * @node: in dbd_snap.copies
 * @link: in dbd_snap.done
 * @snap: the snapshot it belongs to
 * @block: first block
 * @nr: blocks, each with a page of the pool in @vecs
 * @cow: first block number in the COW file
 * @stored: bytes that are in the COW file
 * @saved: false while pending
 * @waiters: held bios parked here while pending
 * @bio: for the read, then for each piece of the write
 * @vecs: its vector, whole pages
 */
struct dbd_copy {
	struct rb_node node;
	struct list_head link;
	struct dbd_snap *snap;
	u64 block;
	unsigned int nr;
	u64 cow;
	u64 stored;
	bool saved;
	struct bio_list waiters;
	struct bio bio;
	struct bio_vec vecs[COPY_BLOCKS_MAX];
};

static struct kmem_cache *copy_cache;

int dbd_copy_init(void)
{
	copy_cache = KMEM_CACHE(dbd_copy, 0);
	return copy_cache ? 0 : -ENOMEM;
}

void dbd_copy_exit(void)
{
	kmem_cache_destroy(copy_cache);
}

/* ---- failing ---- */

void dbd_snap_fail(struct dbd_snap *snap, int error, const char *why, u64 block)
{
	if (cmpxchg(snap->error, 0, error) == 0) {
		dbd_why_set(snap->why, why, block);
		dbd_err("/dev/datto%u: the snapshot is lost at block %llu: %s: %d", snap->minor,
			block, why, error);
	}
	queue_work(snap->wq, &snap->copy_work);
}

/* Whether old blocks are still worth a copy. */
bool dbd_snap_keeping(struct dbd_snap *snap)
{
	return READ_ONCE(snap->keeping) && !READ_ONCE(*snap->error);
}

void dbd_snap_stop_keeping(struct dbd_snap *snap)
{
	WRITE_ONCE(snap->keeping, false);
	queue_work(snap->wq, &snap->copy_work);
}

/* ---- the tree of copies ---- */

static u64 copy_end(const struct dbd_copy *copy)
{
	return copy->block + copy->nr;
}

/* The copy that has @block, or else the next one behind it, or NULL. */
static struct dbd_copy *copy_at_or_after(struct dbd_snap *snap, u64 block)
{
	struct rb_node *n = snap->copies.rb_node;
	struct dbd_copy *found = NULL;

	while (n) {
		struct dbd_copy *copy = rb_entry(n, struct dbd_copy, node);

		if (block >= copy_end(copy)) {
			n = n->rb_right;
		} else {
			found = copy;
			n = n->rb_left;
		}
	}
	return found;
}

static void copy_insert(struct dbd_snap *snap, struct dbd_copy *copy)
{
	struct rb_node **link = &snap->copies.rb_node, *parent = NULL;

	spin_lock_irq(&snap->lock);
	while (*link) {
		parent = *link;
		if (copy->block < rb_entry(parent, struct dbd_copy, node)->block)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&copy->node, parent, link);
	rb_insert_color(&copy->node, &snap->copies);
	spin_unlock_irq(&snap->lock);
}

/* A copy was stored, parked or given up. */
static void copy_rests(struct dbd_snap *snap)
{
	atomic_dec(&snap->nr_moving);
	wake_up_all(&snap->idle);
}

static void copy_remove(struct dbd_copy *copy)
{
	struct dbd_snap *snap = copy->snap;
	unsigned int i;

	for (i = 0; i < copy->nr; i++)
		copy_pool_put(&snap->pool, copy->vecs[i].bv_page);
	spin_lock_irq(&snap->lock);
	rb_erase(&copy->node, &snap->copies);
	spin_unlock_irq(&snap->lock);
	mempool_free(copy, &snap->copy_mem);
	copy_rests(snap);
}

static bool block_on_its_way(struct dbd_snap *snap, u64 block)
{
	struct dbd_copy *copy;
	bool ret;

	spin_lock_irq(&snap->lock);
	copy = copy_at_or_after(snap, block);
	ret = copy && copy->block <= block;
	spin_unlock_irq(&snap->lock);
	return ret;
}

static bool no_copies(struct dbd_snap *snap)
{
	bool ret;

	spin_lock_irq(&snap->lock);
	ret = RB_EMPTY_ROOT(&snap->copies);
	spin_unlock_irq(&snap->lock);
	return ret;
}

void dbd_snap_wait_stored(struct dbd_snap *snap, u64 block)
{
	wait_event(snap->idle, !block_on_its_way(snap, block));
}

void dbd_snap_quiesce(struct dbd_snap *snap)
{
	queue_work(snap->wq, &snap->copy_work); /* drops what is parked */
	wait_event(snap->idle, no_copies(snap));
	flush_work(&snap->copy_work);
	flush_work(&snap->send_work);
}

static bool drained(struct dbd_snap *snap)
{
	return !atomic_read(&snap->nr_bios) && !atomic_read(&snap->nr_moving);
}

void dbd_snap_drain(struct dbd_snap *snap)
{
	wait_event(snap->idle, drained(snap));
	flush_work(&snap->copy_work);
	flush_work(&snap->send_work);
}

/* ---- I/O of a copy ---- */

static void copy_endio(struct bio *bio)
{
	struct dbd_copy *copy = bio->bi_private;
	struct dbd_snap *snap = copy->snap;
	unsigned long flags;

	spin_lock_irqsave(&snap->lock, flags);
	list_add_tail(&copy->link, &snap->done);
	/* Under the lock: the last copy gone, @snap may be. */
	queue_work(snap->wq, &snap->copy_work);
	spin_unlock_irqrestore(&snap->lock, flags);
}

/* @skip bytes into the copy, @len bytes, at device byte @pos. */
static void copy_submit(struct dbd_copy *copy, blk_opf_t opf, u64 skip, u64 len, u64 pos)
{
	unsigned int first = skip >> PAGE_SHIFT;
	struct bio *bio = &copy->bio;

	dbd_bio_init(bio, copy->snap->bdev, &copy->vecs[first], copy->nr - first, opf);
	bio->bi_vcnt = copy->nr - first;
	bio->bi_iter.bi_size = len;
	bio->bi_iter.bi_bvec_done = offset_in_page(skip);
	bio->bi_iter.bi_sector = pos >> SECTOR_SHIFT;
	bio->bi_end_io = copy_endio;
	bio->bi_private = copy;
	dbd_bio_hide(bio);
	submit_bio_noacct(bio);
}

/* Bytes of the copy that exist on the device: its last block may be cut. */
static u64 copy_dev_bytes(const struct dbd_copy *copy)
{
	u64 pos = copy->block << COW_BLOCK_SHIFT;

	return min((u64)copy->nr << COW_BLOCK_SHIFT, copy->snap->dev_bytes - pos);
}

static void copy_read(struct dbd_copy *copy)
{
	copy_submit(copy, REQ_OP_READ | REQ_SYNC, 0, copy_dev_bytes(copy),
		    copy->block << COW_BLOCK_SHIFT);
}

/* The next piece that is contiguous on disk. Not throttled as background I/O. */
static void copy_store(struct dbd_copy *copy)
{
	u64 len = ((u64)copy->nr << COW_BLOCK_SHIFT) - copy->stored;
	u64 pos;

	pos = cow_extents_map(&copy->snap->cow->extents,
			      (copy->cow << COW_BLOCK_SHIFT) + copy->stored, &len);
	copy_submit(copy, REQ_OP_WRITE | REQ_SYNC | REQ_IDLE, copy->stored, len, pos);
	copy->stored += len;
}

/* Gives the copy its place in the COW file, which has room. */
static void copy_place(struct dbd_copy *copy)
{
	copy->cow = cow_room_take(&copy->snap->room, copy->nr);
}

/* Whether a write that finds no room shall wait for it. Else the file is full. */
static bool wait_for_room(struct dbd_snap *snap)
{
	if (READ_ONCE(snap->late) || !cow_room_is_growing(&snap->room))
		return false;
	queue_delayed_work(snap->wq, &snap->late_work, ROOM_WAIT_MAX);
	return true;
}

/*
 * Starts to copy up to @nr blocks from @block, all untouched and not pending.
 * ERR_PTR: -ENOMEM, no memory now; -ENOSPC, no room now; -EFBIG, the COW file is
 * full and the snapshot has failed.
 */
static struct dbd_copy *copy_start(struct dbd_snap *snap, u64 block, u64 nr, bool urgent)
{
	u64 room = snap->parking ? nr : cow_room_get(&snap->room, nr, urgent);
	struct dbd_copy *copy;

	if (!room && wait_for_room(snap))
		return ERR_PTR(-ENOSPC);
	if (!room) /* a step of growth may just have ended; what one that is late needs is for all */
		room = cow_room_get(&snap->room, nr, urgent || READ_ONCE(snap->late));
	if (!room) {
		dbd_snap_fail(snap, -EFBIG, "the COW file is full", block);
		return ERR_PTR(-EFBIG);
	}
	copy = mempool_alloc(&snap->copy_mem, GFP_NOWAIT | __GFP_NOWARN);
	if (!copy)
		return ERR_PTR(-ENOMEM);
	copy->snap = snap;
	copy->block = block;
	copy->nr = 0;
	copy->stored = 0;
	copy->saved = false;
	bio_list_init(&copy->waiters);
	nr = min3(nr, room, (u64)COPY_BLOCKS_MAX);
	while (copy->nr < nr) {
		struct bio_vec *vec = &copy->vecs[copy->nr];

		vec->bv_page = copy_pool_get(&snap->pool);
		if (!vec->bv_page)
			break;
		vec->bv_offset = 0;
		vec->bv_len = PAGE_SIZE;
		copy->nr++;
	}
	if (!copy->nr) {
		mempool_free(copy, &snap->copy_mem);
		return ERR_PTR(-ENOMEM);
	}
	if (!snap->parking)
		copy_place(copy);
	atomic_inc(&snap->nr_moving);
	copy_insert(snap, copy);
	copy_read(copy);
	return copy;
}

/* ---- held bios ---- */

static void bio_blocks(struct dbd_snap *snap, struct bio *bio, u64 *first, u64 *end)
{
	sector_t begin, nr;

	dbd_target_range(snap->target, bio, &begin, &nr);
	*first = begin / COW_SECTORS_PER_BLOCK;
	*end = DIV_ROUND_UP_ULL(begin + nr, COW_SECTORS_PER_BLOCK);
}

static void bio_left(struct dbd_snap *snap)
{
	if (atomic_dec_and_test(&snap->nr_bios))
		wake_up_all(&snap->idle);
}

static void send_later(struct dbd_snap *snap, struct bio *bio)
{
	spin_lock_irq(&snap->lock);
	bio_list_add(&snap->outgoing, bio);
	spin_unlock_irq(&snap->lock);
	queue_work(snap->wq, &snap->send_work);
}

static void send_work(struct work_struct *work)
{
	struct dbd_snap *snap = container_of(work, struct dbd_snap, send_work);
	struct bio_list list;
	struct blk_plug plug;
	struct bio *bio;

	spin_lock_irq(&snap->lock);
	list = snap->outgoing;
	bio_list_init(&snap->outgoing);
	spin_unlock_irq(&snap->lock);

	blk_start_plug(&plug);
	while ((bio = bio_list_pop(&list))) {
		snap->target->ops->let_go(snap->target, bio);
		bio_left(snap);
	}
	blk_finish_plug(&plug);
}

enum progress {
	BIO_GONE, /* sent on, ended, or parked with a copy */
	BIO_STARVED, /* needs memory that is not to be had now */
	BIO_ROOMLESS, /* needs room that is being made */
};

/*
 * What the file system, or its log, waits for; growing the COW file may need it. Not what a program has written through
 * (REQ_FUA).
 */
static bool is_urgent(const struct bio *bio)
{
	return bio->bi_opf & (REQ_META | REQ_PRIO | REQ_PREFLUSH);
}

/*
 * Sees to it that each untouched block of [@pos, @end) is pending. *@wait_for:
 * one of the copies, if there is any. Not 0: what copy_start() said of the others.
 */
static int copy_range(struct dbd_snap *snap, u64 pos, u64 end, bool urgent,
		      struct dbd_copy **wait_for)
{
	struct dbd_copy *copy;

	*wait_for = NULL;
	for (;;) {
		pos = dbd_map_next_clear(snap->map, pos, end);
		if (pos >= end)
			return 0;
		copy = copy_at_or_after(snap, pos);
		if (!copy || copy->block > pos) {
			u64 stop = copy ? min(end, copy->block) : end;

			stop = dbd_map_next_set(snap->map, pos, stop);
			copy = copy_start(snap, pos, stop - pos, urgent);
			if (IS_ERR(copy))
				return PTR_ERR(copy);
		}
		if (!*wait_for)
			*wait_for = copy;
		pos = copy_end(copy);
	}
}

static enum progress handle_held(struct dbd_snap *snap, struct bio *bio)
{
	struct dbd_copy *wait_for;
	u64 first, end;
	int ret;

	bio_blocks(snap, bio, &first, &end);
	if (dbd_snap_keeping(snap) && bio_op(bio) == REQ_OP_DISCARD) {
		/*
		 * Advisory: dropped, so that trimming free space neither fills
		 * the COW file nor destroys what the snapshot shows.
		 */
		dbd_target_end(snap->target, bio, BLK_STS_OK);
		bio_left(snap);
		return BIO_GONE;
	}
	if (dbd_snap_keeping(snap)) {
		ret = copy_range(snap, first, end, is_urgent(bio), &wait_for);
		/* It may have failed just now, for lack of room. */
		if (dbd_snap_keeping(snap)) {
			if (wait_for) {
				bio_list_add(&wait_for->waiters, bio);
				return BIO_GONE;
			}
			if (ret)
				return ret == -ENOSPC ? BIO_ROOMLESS : BIO_STARVED;
		}
	}
	dbd_map_set(snap->map, first, end - first);
	send_later(snap, bio);
	return BIO_GONE;
}

static void handle_pending(struct dbd_snap *snap)
{
	struct bio *bio;

	while ((bio = bio_list_pop(&snap->pending))) {
		enum progress progress = handle_held(snap, bio);

		if (progress == BIO_ROOMLESS)
			bio_list_add(&snap->roomless, bio);
		if (progress != BIO_STARVED)
			continue;
		bio_list_add_head(&snap->pending, bio);
		if (!snap->parking || atomic_read(&snap->nr_moving))
			return;
		/* Parked copies give no memory back. */
		dbd_snap_fail(snap, -ENOSPC,
			      "more was written before its file system was mounted than memory holds",
			      0);
	}
}

/* Those that wait for room have another look, before everybody who came later. */
static void handle_roomless(struct dbd_snap *snap)
{
	struct bio_list list = snap->roomless;

	bio_list_init(&snap->roomless);
	bio_list_merge(&list, &snap->pending);
	snap->pending = list;
}

static void late_work(struct work_struct *work)
{
	struct dbd_snap *snap = container_of(to_delayed_work(work), struct dbd_snap, late_work);

	/* The step may have ended before this was queued: the next one is not late. */
	if (!READ_ONCE(snap->room.growing))
		return;
	WRITE_ONCE(snap->late, true);
	queue_work(snap->wq, &snap->copy_work);
}

void dbd_snap_room_changed(struct dbd_snap *snap)
{
	/* One that runs would make the next step late. */
	cancel_delayed_work_sync(&snap->late_work);
	WRITE_ONCE(snap->late, false);
	queue_work(snap->wq, &snap->copy_work);
}

void dbd_snap_hold(struct dbd_snap *snap, struct bio *bio)
{
	unsigned long flags;

	spin_lock_irqsave(&snap->lock, flags);
	atomic_inc(&snap->nr_bios);
	bio_list_add(&snap->incoming, bio);
	/* Under the lock: the last bio gone, @snap may be. */
	queue_work(snap->wq, &snap->copy_work);
	spin_unlock_irqrestore(&snap->lock, flags);
}

/* ---- copies whose I/O has ended ---- */

/* The waiters go before everybody who came later. */
static void release_waiters(struct dbd_copy *copy)
{
	struct dbd_snap *snap = copy->snap;

	bio_list_merge(&copy->waiters, &snap->pending);
	snap->pending = copy->waiters;
	bio_list_init(&copy->waiters);
}

/* Enters the copy's blocks in the index, but those that the file has already. */
static void copy_index(struct dbd_copy *copy)
{
	struct dbd_snap *snap = copy->snap;
	u64 end = copy_end(copy), pos = copy->block, next;
	int ret = 0;

	for (; !ret && pos < end; pos = next) {
		next = end;
		if (snap->taken_up) {
			pos = dbd_map_next_clear(snap->taken_up, pos, end);
			next = dbd_map_next_set(snap->taken_up, pos, end);
		}
		ret = cow_index_set(&snap->index, pos, next - pos,
				    copy->cow + (pos - copy->block));
	}
	if (ret)
		dbd_snap_fail(snap, ret, "cannot keep the index", copy->block);
}

static void read_done(struct dbd_copy *copy, blk_status_t status)
{
	struct dbd_snap *snap = copy->snap;
	u64 bytes = copy_dev_bytes(copy);

	if (status)
		dbd_snap_fail(snap, blk_status_to_errno(status), "cannot read the old data",
			      copy->block);
	if (bytes & (COW_BLOCK_SIZE - 1))
		memzero_page(copy->vecs[copy->nr - 1].bv_page, bytes & (COW_BLOCK_SIZE - 1),
			     COW_BLOCK_SIZE - (bytes & (COW_BLOCK_SIZE - 1)));
	if (dbd_snap_keeping(snap) && !snap->parking)
		copy_index(copy);
	copy->saved = true;
	/*
	 * Order: the index entry (or the error), then the bit, then the write.
	 * Who finds the bit clear after reading the origin has old data.
	 */
	dbd_map_set(snap->map, copy->block, copy->nr);
	release_waiters(copy);
	if (!dbd_snap_keeping(snap)) {
		copy_remove(copy);
	} else if (snap->parking) {
		list_add_tail(&copy->link, &snap->parked);
		copy_rests(snap);
	} else {
		copy_store(copy);
	}
}

static void store_done(struct dbd_copy *copy, blk_status_t status)
{
	struct dbd_snap *snap = copy->snap;

	if (status)
		dbd_snap_fail(snap, blk_status_to_errno(status), "cannot write the COW file",
			      copy->block);
	if (dbd_snap_keeping(snap) && copy->stored < (u64)copy->nr << COW_BLOCK_SHIFT)
		copy_store(copy);
	else
		copy_remove(copy);
}

static void handle_done(struct dbd_snap *snap, struct list_head *done)
{
	struct dbd_copy *copy, *next;

	list_for_each_entry_safe(copy, next, done, link) {
		blk_status_t status = copy->bio.bi_status;

		bio_uninit(&copy->bio);
		if (copy->saved)
			store_done(copy, status);
		else
			read_done(copy, status);
	}
}

/*
 * Parked copies go to the file once it is known; they are dropped when the
 * snapshot has failed.
 */
static void handle_parked(struct dbd_snap *snap)
{
	struct dbd_copy *copy, *next;

	list_for_each_entry_safe(copy, next, &snap->parked, link) {
		if (dbd_snap_keeping(snap) && cow_room_get(&snap->room, copy->nr, true) < copy->nr)
			dbd_snap_fail(snap, -EFBIG, "the COW file is full", copy->block);
		list_del(&copy->link);
		atomic_inc(&snap->nr_moving);
		if (dbd_snap_keeping(snap)) {
			copy_place(copy);
			copy_index(copy);
		}
		if (dbd_snap_keeping(snap))
			copy_store(copy);
		else
			copy_remove(copy);
	}
}

void dbd_snap_park(struct dbd_snap *snap)
{
	snap->parking = true;
}

void dbd_snap_take_up(struct dbd_snap *snap, const struct dbd_map *loaded)
{
	cow_index_set_on_disk(&snap->index, loaded);
	snap->taken_up = loaded;
	snap->parking = false;
	queue_work(snap->wq, &snap->copy_work);
	flush_work(&snap->copy_work);
	snap->taken_up = NULL;
	dbd_map_merge(snap->map, loaded);
}

static void copy_work(struct work_struct *work)
{
	struct dbd_snap *snap = container_of(work, struct dbd_snap, copy_work);
	struct blk_plug plug;
	LIST_HEAD(done);

	spin_lock_irq(&snap->lock);
	list_splice_init(&snap->done, &done);
	bio_list_merge(&snap->pending, &snap->incoming);
	bio_list_init(&snap->incoming);
	spin_unlock_irq(&snap->lock);

	blk_start_plug(&plug);
	handle_done(snap, &done);
	if (!snap->parking || !dbd_snap_keeping(snap))
		handle_parked(snap);
	handle_roomless(snap);
	handle_pending(snap);
	blk_finish_plug(&plug);
	if (!snap->parking && dbd_snap_keeping(snap))
		cow_room_is_growing(&snap->room);
}

/* ---- making one ---- */

struct dbd_snap *dbd_snap_create(unsigned int minor, struct dbd_target *target,
				 struct cow_file *cow, struct dbd_map *map, int *error,
				 struct dbd_why *why, u64 cache)
{
	unsigned int limit = dbd_saved_memory_mib << (20 - PAGE_SHIFT);
	struct dbd_snap *snap;
	int ret = -ENOMEM;

	snap = kzalloc(sizeof(*snap), GFP_KERNEL);
	if (!snap)
		return ERR_PTR(ret);
	snap->minor = minor;
	snap->bdev = target->bdev;
	snap->target = target;
	snap->cow = cow;
	snap->map = map;
	snap->error = error;
	snap->why = why;
	snap->keeping = true;
	snap->dev_bytes = (u64)target->nr << SECTOR_SHIFT;
	cow_room_init(&snap->room, cow);
	spin_lock_init(&snap->lock);
	bio_list_init(&snap->incoming);
	bio_list_init(&snap->outgoing);
	INIT_LIST_HEAD(&snap->done);
	INIT_LIST_HEAD(&snap->parked);
	snap->copies = RB_ROOT;
	init_waitqueue_head(&snap->idle);
	bio_list_init(&snap->pending);
	bio_list_init(&snap->roomless);
	INIT_DELAYED_WORK(&snap->late_work, late_work);
	INIT_WORK(&snap->copy_work, copy_work);
	INIT_WORK(&snap->send_work, send_work);

	ret = cow_index_init(&snap->index, cow, target->bdev, cache);
	if (ret)
		goto free;
	ret = copy_pool_init(&snap->pool, POOL_RESERVE, limit);
	if (ret)
		goto free_index;
	ret = mempool_init_slab_pool(&snap->copy_mem, COPY_RESERVE, copy_cache);
	if (ret)
		goto free_pool;
	snap->wq = alloc_workqueue("datto_copy%u", WQ_UNBOUND | WQ_MEM_RECLAIM | WQ_HIGHPRI, 2,
				   minor);
	if (!snap->wq) {
		ret = -ENOMEM;
		goto free_mempool;
	}
	return snap;
free_mempool:
	mempool_exit(&snap->copy_mem);
free_pool:
	copy_pool_destroy(&snap->pool);
free_index:
	cow_index_destroy(&snap->index);
free:
	kfree(snap);
	return ERR_PTR(ret);
}

void dbd_snap_destroy(struct dbd_snap *snap)
{
	if (!snap)
		return;
	cancel_delayed_work_sync(&snap->late_work);
	destroy_workqueue(snap->wq);
	cow_room_destroy(&snap->room);
	mempool_exit(&snap->copy_mem);
	copy_pool_destroy(&snap->pool);
	cow_index_destroy(&snap->index);
	kfree(snap);
}
