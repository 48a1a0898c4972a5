// SPDX-License-Identifier: GPL-2.0-only
/* See intent.h. Lock order: io_lock, that of the predecessor, its file's. @lock inside. */
#include <linux/bitmap.h>
#include <linux/crc32.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "cow_track.h"
#include "dbd.h"
#include "intent.h"

#define LOOK_AHEAD 16u /* regions opened at once for who writes in sequence */
#define MARK_AGAIN (5 * HZ) /* after the header could not be written */
#define WORDS_PER_PAGE (COW_INTENT_BITS / BITS_PER_LONG)

static_assert(BITS_PER_LONG == 64);
static_assert(sizeof(struct cow_intent_head) <= COW_INTENT_HEAD);
static_assert(COW_INTENT_BITS % BITS_PER_LONG == 0);

/**
 * struct intent_page - one block of the log
 * @block: as it is to be on disk, but for its head
 * @generation: of the last one written
 * @dirty: it is not on disk so
 * @flush: what was written before has to be durable before it is
 */
struct intent_page {
	void *block;
	u64 generation;
	bool dirty;
	bool flush;
};

/**
 * struct dbd_intent - the log of one COW file
 * @o: what it belongs to
 * @shift: from blocks to regions
 * @nr_regions: of the device
 * @nr_pages: blocks of the log
 * @pages: them
 * @open: regions whose writers may pass; changed under @io_lock
 * @recent: regions written to since the worker last looked
 * @lock: guards @pages but for their generations, @closing, @held
 * @closing: regions of @closing_page about to be closed
 * @closing_page: number; none: @nr_pages
 * @io_lock: who writes; guards generations, @bounce, @also, @formatted
 * @bounce: what is being written
 * @held: bios
 * @nr_held: those, and those being released
 * @idle: woken when there are none
 * @also: the log of the predecessor, which is to have all that this one gets
 * @formatted: both places of each block have been written
 * @guarded: see dbd_intent_set_guarded()
 * @paused: nothing is closed
 * @stopped: no log any more
 * @failing: from before the header is told that it is not used any more until @stopped
 * @unmarked: the header speaks of it all the same; guarded by @io_lock
 * @wq: where both are done
 * @commit: writes what is dirty and releases bios
 * @retire: closes what is idle
 */
struct dbd_intent {
	struct dbd_intent_owner o;
	unsigned int shift;
	u64 nr_regions;
	unsigned int nr_pages;
	struct intent_page *pages;
	unsigned long *open;
	unsigned long *recent;
	spinlock_t lock;
	unsigned long *closing;
	unsigned int closing_page;
	struct mutex io_lock;
	void *bounce;
	struct bio_list held;
	unsigned int nr_held;
	wait_queue_head_t idle;
	struct dbd_intent *also;
	bool formatted;
	bool guarded;
	bool paused;
	bool failing;
	bool stopped;
	bool unmarked;
	struct workqueue_struct *wq;
	struct work_struct commit;
	struct delayed_work retire;
};

/* A region is closed after one to two of these without a write. */
static unsigned long idle_time(void)
{
	return READ_ONCE(dbd_intent_idle_seconds) * HZ;
}

static unsigned long *bits_of(void *block)
{
	return block + COW_INTENT_HEAD;
}

static u32 page_crc(void *block)
{
	struct cow_intent_head *head = block;
	__le32 crc = head->crc;
	u32 ret;

	head->crc = 0;
	ret = crc32_le(~0u, block, COW_BLOCK_SIZE);
	head->crc = crc;
	return ret;
}

static int slot_io(struct cow_file *cow, struct block_device *bdev, blk_opf_t opf,
		   unsigned int slot, unsigned int nr, void *block)
{
	u64 at = cow->layout.log_start + slot * cow->layout.slot_blocks + nr;

	return cow_raw_io(&cow->extents, bdev, opf, at << COW_BLOCK_SHIFT, &block, 1);
}

/* ---- asking ---- */

static u64 first_region(const struct dbd_intent *in, u64 first)
{
	return first >> in->shift;
}

static u64 last_region(const struct dbd_intent *in, u64 first, u64 nr)
{
	return (first + nr - 1) >> in->shift;
}

bool dbd_intent_covers(struct dbd_intent *in, u64 first, u64 nr)
{
	u64 r, last = last_region(in, first, nr);

	if (READ_ONCE(in->stopped))
		return true;
	for (r = first_region(in, first); r <= last; r++) {
		if (!test_bit(r, in->open))
			return false;
		if (!test_bit(r, in->recent))
			set_bit(r, in->recent);
	}
	return true;
}

static void want_region(struct dbd_intent *in, u64 r)
{
	unsigned int nr = r / COW_INTENT_BITS, bit = r % COW_INTENT_BITS;
	struct intent_page *page = &in->pages[nr];

	if (nr == in->closing_page)
		__clear_bit(bit, in->closing);
	if (!__test_and_set_bit(bit, bits_of(page->block)))
		page->dirty = true;
}

static bool is_wanted(struct dbd_intent *in, u64 r)
{
	return test_bit(r % COW_INTENT_BITS, bits_of(in->pages[r / COW_INTENT_BITS].block));
}

static void want_locked(struct dbd_intent *in, u64 first, u64 nr)
{
	u64 r = first_region(in, first), end = last_region(in, first, nr) + 1;

	if (r && is_wanted(in, r - 1))
		end += LOOK_AHEAD;
	for (end = min(end, in->nr_regions); r < end; r++)
		want_region(in, r);
}

void dbd_intent_want(struct dbd_intent *in, u64 first, u64 nr)
{
	unsigned long flags;

	if (dbd_intent_covers(in, first, nr))
		return;
	spin_lock_irqsave(&in->lock, flags);
	want_locked(in, first, nr);
	spin_unlock_irqrestore(&in->lock, flags);
	queue_work(in->wq, &in->commit);
}

void dbd_intent_hold(struct dbd_intent *in, struct bio *bio, u64 first, u64 nr)
{
	unsigned long flags;

	spin_lock_irqsave(&in->lock, flags);
	want_locked(in, first, nr);
	bio_list_add(&in->held, bio);
	in->nr_held++;
	/* Under the lock: the last bio gone, @in may be. */
	queue_work(in->wq, &in->commit);
	spin_unlock_irqrestore(&in->lock, flags);
}

static bool none_held(struct dbd_intent *in)
{
	bool ret;

	spin_lock_irq(&in->lock);
	ret = !in->nr_held;
	spin_unlock_irq(&in->lock);
	return ret;
}

void dbd_intent_drain(struct dbd_intent *in)
{
	wait_event(in->idle, none_held(in));
	flush_work(&in->commit);
}

/* ---- writing ---- */

/*
 * Writes the block over the older of its two places. The other keeps what was
 * written before: whatever a power cut makes of this one, that is not too old,
 * since nobody has passed on this one's account, and nothing was closed that
 * it does not have.
 */
static int write_page(struct dbd_intent *in, unsigned int nr, bool flush)
{
	struct cow_intent_head *head = in->bounce;
	struct intent_page *page = &in->pages[nr];
	int ret = 0;

	if (READ_ONCE(in->guarded))
		ret = cow_track_check(in->o.cow, in->o.bdev);
	if (ret)
		return ret;
	memset(head, 0, COW_INTENT_HEAD);
	head->magic = cpu_to_le64(COW_INTENT_MAGIC);
	head->generation = cpu_to_le64(++page->generation);
	head->nr = cpu_to_le32(nr);
	head->crc = cpu_to_le32(page_crc(in->bounce));
	return slot_io(in->o.cow, in->o.bdev, REQ_OP_WRITE | REQ_FUA | (flush ? REQ_PREFLUSH : 0),
		       page->generation & 1, nr, in->bounce);
}

static void open_bits(struct dbd_intent *in, unsigned int nr, const unsigned long *bits)
{
	unsigned int i, first = nr * WORDS_PER_PAGE;
	unsigned int end = min_t(u64, first + WORDS_PER_PAGE, BITS_TO_LONGS(in->nr_regions));

	for (i = first; i < end; i++)
		WRITE_ONCE(in->open[i], in->open[i] | bits[i - first]);
}

/* A predecessor's file is handed back meanwhile, or its header written anew. */
static void mark_later(struct dbd_intent *in)
{
	if (in->unmarked && !in->paused)
		mod_delayed_work(in->wq, &in->retire, MARK_AGAIN);
}

/* The header could not be written when the log had failed: it is to speak of no log as soon as it can. */
static void mark_again(struct dbd_intent *in)
{
	int ret = cow_track_unlog(in->o.cow, in->o.bdev);

	if (!ret)
		dbd_info("datto%u: %s is marked as not logged now", in->o.minor, in->o.cow->path);
	in->unmarked = ret && ret != -ESTALE;
	mark_later(in);
}

/*
 * The header first: who reads the file then does not believe in a log. What passes from here on is
 * not in the predecessor's log either.
 */
static void fail(struct dbd_intent *in, int error)
{
	int ret;

	WRITE_ONCE(in->failing, true);
	if (in->also) {
		mutex_lock_nested(&in->also->io_lock, SINGLE_DEPTH_NESTING);
		if (!in->also->stopped)
			fail(in->also, error);
		mutex_unlock(&in->also->io_lock);
	}
	ret = error == -ESTALE ? error : cow_track_unlog(in->o.cow, in->o.bdev);
	dbd_err("datto%u: the write-intent log of %s cannot be written: %d; a crash will cost the map",
		in->o.minor, in->o.cow->path, error);
	if (ret)
		in->o.lost(in->o.arg, ret);
	WRITE_ONCE(in->stopped, true);
	in->unmarked = ret && ret != -ESTALE;
	mark_later(in);
}

static int commit_page(struct dbd_intent *in, unsigned int nr);

/* The predecessor gets it first: its file counts as long as there is one. */
static void commit_also(struct dbd_intent *also, unsigned int nr, const unsigned long *bits)
{
	unsigned long *has = bits_of(also->pages[nr].block);
	int ret;

	mutex_lock_nested(&also->io_lock, SINGLE_DEPTH_NESTING);
	spin_lock_irq(&also->lock);
	if (!bitmap_subset(bits, has, COW_INTENT_BITS)) {
		bitmap_or(has, has, bits, COW_INTENT_BITS);
		also->pages[nr].dirty = true;
	}
	spin_unlock_irq(&also->lock);
	ret = also->stopped ? 0 : commit_page(also, nr);
	if (ret)
		fail(also, ret);
	mutex_unlock(&also->io_lock);
}

static int commit_page(struct dbd_intent *in, unsigned int nr)
{
	struct intent_page *page = &in->pages[nr];
	bool dirty, flush;
	int ret;

	spin_lock_irq(&in->lock);
	dirty = page->dirty;
	flush = page->flush;
	if (dirty)
		memcpy(in->bounce, page->block, COW_BLOCK_SIZE);
	page->dirty = false;
	page->flush = false;
	spin_unlock_irq(&in->lock);
	if (!dirty)
		return 0;
	if (in->also)
		commit_also(in->also, nr, bits_of(in->bounce));
	ret = write_page(in, nr, flush);
	if (!ret)
		open_bits(in, nr, bits_of(in->bounce));
	return ret;
}

static void commit_dirty(struct dbd_intent *in)
{
	unsigned int nr;
	int ret = 0;

	mutex_lock(&in->io_lock);
	for (nr = 0; !ret && nr < in->nr_pages && !in->stopped; nr++)
		if (READ_ONCE(in->pages[nr].dirty))
			ret = commit_page(in, nr);
	if (ret)
		fail(in, ret);
	mutex_unlock(&in->io_lock);
}

static void commit_work(struct work_struct *work)
{
	struct dbd_intent *in = container_of(work, struct dbd_intent, commit);
	struct bio_list list;
	unsigned int n = 0;
	struct bio *bio;

	/* Before the pages: what these bios want is in them by now. */
	spin_lock_irq(&in->lock);
	list = in->held;
	bio_list_init(&in->held);
	spin_unlock_irq(&in->lock);
	commit_dirty(in);
	while ((bio = bio_list_pop(&list))) {
		in->o.release(in->o.arg, bio);
		n++;
	}
	if (!in->stopped)
		queue_delayed_work(in->wq, &in->retire, idle_time());
	spin_lock_irq(&in->lock);
	in->nr_held -= n;
	if (!in->nr_held)
		wake_up_all(&in->idle);
	spin_unlock_irq(&in->lock);
}

/* ---- closing ---- */

/* What was open and not written to since this was asked last. */
static bool find_idle(struct dbd_intent *in, unsigned int nr)
{
	unsigned int i, first = nr * WORDS_PER_PAGE;
	unsigned int end = min_t(u64, first + WORDS_PER_PAGE, BITS_TO_LONGS(in->nr_regions));
	bool any = false;

	spin_lock_irq(&in->lock);
	bitmap_zero(in->closing, COW_INTENT_BITS);
	for (i = first; i < end; i++) {
		in->closing[i - first] = in->open[i] & ~xchg(&in->recent[i], 0);
		any |= in->closing[i - first];
	}
	if (any)
		in->closing_page = nr;
	spin_unlock_irq(&in->lock);
	for (i = first; any && i < end; i++)
		WRITE_ONCE(in->open[i], in->open[i] & ~READ_ONCE(in->closing[i - first]));
	return any;
}

/* One block of the map. Copied: it may change while it is written. */
static int write_map_block(struct dbd_intent *in, u64 nr)
{
	struct cow_file *cow = in->o.cow;

	memcpy(in->bounce, in->o.map->pages[nr], COW_BLOCK_SIZE);
	return cow_raw_io(&cow->extents, in->o.bdev, REQ_OP_WRITE,
			  (cow->layout.map_start + nr) << COW_BLOCK_SHIFT, &in->bounce, 1);
}

/* The map of the regions about to be closed. */
static int write_map(struct dbd_intent *in, unsigned int page)
{
	u64 nr_blocks = in->o.map->nr_blocks, written = U64_MAX, nr, last;
	unsigned int bit;
	int ret = 0;

	if (READ_ONCE(in->guarded))
		ret = cow_track_check(in->o.cow, in->o.bdev);
	for_each_set_bit(bit, in->closing, COW_INTENT_BITS) {
		u64 r = (u64)page * COW_INTENT_BITS + bit;

		nr = (r << in->shift) / COW_MAP_BLOCKS_PER_BLOCK;
		last = (min((r + 1) << in->shift, nr_blocks) - 1) / COW_MAP_BLOCKS_PER_BLOCK;
		for (; !ret && nr <= last; nr++) {
			if (nr != written)
				ret = write_map_block(in, nr);
			written = nr;
		}
		cond_resched();
	}
	return ret;
}

static void retire_page(struct dbd_intent *in, unsigned int nr)
{
	struct intent_page *page = &in->pages[nr];
	unsigned long *bits = bits_of(page->block);
	int ret;

	if (!find_idle(in, nr))
		return;
	/* Who found a region open has marked its blocks. */
	synchronize_rcu_expedited();
	ret = write_map(in, nr);
	if (ret)
		dbd_warn("datto%u: the map cannot be written to %s: %d", in->o.minor,
			 in->o.cow->path, ret);
	/* On failure they stay in the log, and are opened again. */
	spin_lock_irq(&in->lock);
	if (!ret)
		bitmap_andnot(bits, bits, in->closing, COW_INTENT_BITS);
	page->dirty = true;
	page->flush = true;
	in->closing_page = in->nr_pages;
	spin_unlock_irq(&in->lock);
}

static void retire_work(struct work_struct *work)
{
	struct dbd_intent *in = container_of(to_delayed_work(work), struct dbd_intent, retire);
	unsigned int nr;

	mutex_lock(&in->io_lock);
	for (nr = 0; nr < in->nr_pages && !in->paused && !in->stopped; nr++)
		retire_page(in, nr);
	if (in->unmarked && !in->paused)
		mark_again(in);
	mutex_unlock(&in->io_lock);
	commit_dirty(in);
	if (!in->stopped && !bitmap_empty(in->open, in->nr_regions))
		queue_delayed_work(in->wq, &in->retire, idle_time());
}

void dbd_intent_rest(struct dbd_intent *in)
{
	cancel_delayed_work_sync(&in->retire);
}

int dbd_intent_clear(struct dbd_intent *in)
{
	unsigned int nr, n;
	int ret = 0;

	dbd_intent_rest(in);
	mutex_lock(&in->io_lock);
	bitmap_zero(in->open, in->nr_regions);
	bitmap_zero(in->recent, in->nr_regions);
	for (nr = 0; nr < in->nr_pages; nr++) {
		spin_lock_irq(&in->lock);
		memset(in->pages[nr].block, 0, COW_BLOCK_SIZE);
		in->pages[nr].dirty = false;
		/*
		 * Should this fail, all pages are empty here nevertheless: none of their regions is open. On disk they may
		 * have more. The map is to be durable before another one is written.
		 */
		in->pages[nr].flush = true;
		spin_unlock_irq(&in->lock);
		for (n = in->formatted ? 1 : 2; !ret && n; n--) {
			memset(in->bounce, 0, COW_BLOCK_SIZE);
			ret = write_page(in, nr, nr == 0);
		}
	}
	in->formatted |= !ret;
	mutex_unlock(&in->io_lock);
	return ret;
}

/* ---- its place in a device's life ---- */

void dbd_intent_set_guarded(struct dbd_intent *in, bool guarded)
{
	WRITE_ONCE(in->guarded, guarded);
}

void dbd_intent_also(struct dbd_intent *in, struct dbd_intent *predecessor)
{
	if (predecessor) {
		WRITE_ONCE(predecessor->paused, true);
		cancel_delayed_work_sync(&predecessor->retire);
	}
	mutex_lock(&in->io_lock);
	in->also = predecessor;
	mutex_unlock(&in->io_lock);
}

void dbd_intent_resume(struct dbd_intent *in, const struct dbd_map *map)
{
	mutex_lock(&in->io_lock);
	in->o.map = map;
	WRITE_ONCE(in->paused, false);
	mutex_unlock(&in->io_lock);
	queue_delayed_work(in->wq, &in->retire, idle_time());
}

void dbd_intent_stop(struct dbd_intent *in)
{
	mutex_lock(&in->io_lock);
	WRITE_ONCE(in->stopped, true);
	WRITE_ONCE(in->paused, false); /* there is no predecessor any more, or it is this */
	in->unmarked = false;
	mutex_unlock(&in->io_lock);
	cancel_delayed_work_sync(&in->retire);
	queue_work(in->wq, &in->commit);
	flush_work(&in->commit);
}

void dbd_intent_halt(struct dbd_intent *in)
{
	WRITE_ONCE(in->stopped, true);
}

bool dbd_intent_stopped(const struct dbd_intent *in)
{
	return READ_ONCE(in->stopped) || READ_ONCE(in->failing);
}

void dbd_intent_unmark(struct dbd_intent *in)
{
	mutex_lock(&in->io_lock);
	in->unmarked = true;
	mark_later(in);
	mutex_unlock(&in->io_lock);
}

static void free_intent(struct dbd_intent *in)
{
	unsigned int nr;

	for (nr = 0; in->pages && nr < in->nr_pages; nr++)
		free_page((unsigned long)in->pages[nr].block);
	kvfree(in->pages);
	kvfree(in->open);
	kvfree(in->recent);
	free_page((unsigned long)in->closing);
	free_page((unsigned long)in->bounce);
	mutex_destroy(&in->io_lock);
	kfree(in);
}

static int alloc_parts(struct dbd_intent *in)
{
	unsigned int nr;

	in->open = kvcalloc(BITS_TO_LONGS(in->nr_regions), sizeof(long), GFP_KERNEL);
	in->recent = kvcalloc(BITS_TO_LONGS(in->nr_regions), sizeof(long), GFP_KERNEL);
	in->closing = (unsigned long *)get_zeroed_page(GFP_KERNEL);
	in->bounce = (void *)get_zeroed_page(GFP_KERNEL);
	in->pages = kvcalloc(in->nr_pages, sizeof(*in->pages), GFP_KERNEL);
	if (!in->open || !in->recent || !in->closing || !in->bounce || !in->pages)
		return -ENOMEM;
	for (nr = 0; nr < in->nr_pages; nr++) {
		in->pages[nr].block = (void *)get_zeroed_page(GFP_KERNEL);
		if (!in->pages[nr].block)
			return -ENOMEM;
	}
	in->wq = alloc_ordered_workqueue("datto_log%u", WQ_MEM_RECLAIM | WQ_HIGHPRI, in->o.minor);
	return in->wq ? 0 : -ENOMEM;
}

struct dbd_intent *dbd_intent_create(const struct dbd_intent_owner *owner)
{
	const struct cow_layout *layout = &owner->cow->layout;
	struct dbd_intent *in;
	int ret;

	if (owner->cow->fsize < layout->data_start << COW_BLOCK_SHIFT)
		return NULL;
	in = kzalloc(sizeof(*in), GFP_KERNEL);
	if (!in)
		return ERR_PTR(-ENOMEM);
	in->o = *owner;
	in->shift = layout->region_shift - COW_BLOCK_SHIFT;
	in->nr_regions = layout->nr_regions;
	in->nr_pages = layout->slot_blocks;
	in->closing_page = in->nr_pages;
	spin_lock_init(&in->lock);
	mutex_init(&in->io_lock);
	bio_list_init(&in->held);
	init_waitqueue_head(&in->idle);
	INIT_WORK(&in->commit, commit_work);
	INIT_DELAYED_WORK(&in->retire, retire_work);
	ret = alloc_parts(in);
	if (!ret)
		return in;
	free_intent(in);
	return ERR_PTR(ret);
}

void dbd_intent_destroy(struct dbd_intent *in)
{
	if (!in)
		return;
	dbd_intent_drain(in);
	cancel_delayed_work_sync(&in->retire);
	destroy_workqueue(in->wq);
	free_intent(in);
}

/* ---- after a crash ---- */

static bool is_valid(void *block, unsigned int nr)
{
	const struct cow_intent_head *head = block;

	return le64_to_cpu(head->magic) == COW_INTENT_MAGIC && le32_to_cpu(head->nr) == nr &&
	       le32_to_cpu(head->crc) == page_crc(block);
}

static u64 generation_of(const void *block)
{
	return le64_to_cpu(((const struct cow_intent_head *)block)->generation);
}

static void mark_regions(const struct cow_layout *layout, unsigned int nr,
			 const unsigned long *bits, struct dbd_map *map, u64 *found)
{
	unsigned int bit, shift = layout->region_shift - COW_BLOCK_SHIFT;

	for_each_set_bit(bit, bits, COW_INTENT_BITS) {
		u64 r = (u64)nr * COW_INTENT_BITS + bit;
		u64 first = r << shift, end = min((r + 1) << shift, map->nr_blocks);

		if (first < end)
			dbd_map_set(map, first, end - first);
		(*found)++;
		cond_resched();
	}
}

static int load_page(struct cow_file *cow, struct block_device *bdev, unsigned int nr,
		     void *const *slots, struct dbd_map *map, u64 *found)
{
	void *newest = NULL;
	unsigned int slot;
	int ret;

	for (slot = 0; slot < 2; slot++) {
		ret = slot_io(cow, bdev, REQ_OP_READ, slot, nr, slots[slot]);
		if (ret)
			return ret;
		if (is_valid(slots[slot], nr) &&
		    (!newest || generation_of(slots[slot]) > generation_of(newest)))
			newest = slots[slot];
	}
	if (!newest) {
		dbd_err("the write-intent log of the COW file %s is damaged", cow->path);
		return -EINVAL;
	}
	mark_regions(&cow->layout, nr, bits_of(newest), map, found);
	return 0;
}

int dbd_intent_load(struct cow_file *cow, struct block_device *bdev, struct dbd_map *map,
		    u64 *nr)
{
	void *slots[] = { (void *)__get_free_page(GFP_KERNEL), (void *)__get_free_page(GFP_KERNEL) };
	unsigned int page;
	int ret = slots[0] && slots[1] ? 0 : -ENOMEM;

	*nr = 0;
	for (page = 0; !ret && page < cow->layout.slot_blocks; page++)
		ret = load_page(cow, bdev, page, slots, map, nr);
	free_page((unsigned long)slots[0]);
	free_page((unsigned long)slots[1]);
	return ret;
}
