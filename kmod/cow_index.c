// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of 512 entries, as they lie in the file. A page not in memory is on
 * disk if its bit in @on_disk is set and all zero otherwise: the file's blocks
 * are unwritten extents, of which only we know what we wrote there raw. Through
 * the file system they read as zeros until cow_finish_index() writes them; each page
 * written here has a changed block and so is among those.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/rculist.h>
#include <linux/slab.h>

#include "cow_index.h"

/* The writer runs where writes are held: no I/O of others, no endless retry. */
#define INDEX_GFP (GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN)
#define INDEX_PAGES_MIN 16u
#define EVICT_BATCH 8u

/**
 * struct cow_index_page - a page of the index in memory
 * @link: in cow_index.lru
 * @rcu: readers may be at it when it goes
 * @nr: which page
 * @page: its entries, as on disk
 * @dirty: unless it was changed since; the writer's
 */
struct cow_index_page {
	struct list_head link;
	struct rcu_head rcu;
	unsigned long nr;
	struct page *page;
	bool dirty;
};

static struct kmem_cache *page_cache;

int cow_index_module_init(void)
{
	page_cache = KMEM_CACHE(cow_index_page, 0);
	return page_cache ? 0 : -ENOMEM;
}

void cow_index_module_exit(void)
{
	rcu_barrier(); /* index_page_free_rcu() */
	kmem_cache_destroy(page_cache);
}

static void index_page_free(struct cow_index_page *p)
{
	__free_page(p->page);
	kmem_cache_free(page_cache, p);
}

static void index_page_free_rcu(struct rcu_head *rcu)
{
	index_page_free(container_of(rcu, struct cow_index_page, rcu));
}

static __le64 *entries_of(struct page *page)
{
	return page_address(page);
}

/* A page, what describes it, and at worst a node of the tree of its own. */
#define BYTES_PER_PAGE (PAGE_SIZE + sizeof(struct cow_index_page) + sizeof(struct xa_node))

void cow_index_set_limit(struct cow_index *index, u64 bytes)
{
	u64 pages = div_u64(bytes - min(bytes, index->fixed_bytes), BYTES_PER_PAGE);

	WRITE_ONCE(index->limit, max_t(u64, pages, INDEX_PAGES_MIN));
}

int cow_index_init(struct cow_index *index, struct cow_file *cow, struct block_device *bdev,
		   u64 limit_bytes)
{
	u64 nr = (cow->layout.data_offset - COW_BLOCK_SIZE) >> COW_BLOCK_SHIFT;

	index->cow = cow;
	index->bdev = bdev;
	xa_init(&index->pages);
	INIT_LIST_HEAD(&index->lru);
	index->nr_pages = 0;
	/* The map's bits, and those of @on_disk. */
	index->fixed_bytes = (cow->layout.nr_blocks + nr) / 8;
	cow_index_set_limit(index, limit_bytes);
	index->on_disk = kvcalloc(BITS_TO_LONGS(nr), sizeof(long), GFP_KERNEL);
	return index->on_disk ? 0 : -ENOMEM;
}

void cow_index_destroy(struct cow_index *index)
{
	struct cow_index_page *p, *next;

	list_for_each_entry_safe(p, next, &index->lru, link) {
		index_page_free(p);
		cond_resched();
	}
	xa_destroy(&index->pages);
	kvfree(index->on_disk);
}

static unsigned long page_of(u64 block)
{
	return block / COW_ENTRIES_PER_BLOCK;
}

/* Reads or writes page @nr of the file's index raw. */
static int index_io(struct cow_index *index, blk_opf_t op, unsigned long nr, struct page *page)
{
	void *buf = page_address(page);

	return cow_raw_io(&index->cow->extents, index->bdev, op,
			  COW_BLOCK_SIZE + ((u64)nr << COW_BLOCK_SHIFT), &buf, 1);
}

static int write_back(struct cow_index *index, struct cow_index_page *p)
{
	int ret = p->dirty ? index_io(index, REQ_OP_WRITE, p->nr, p->page) : 0;

	if (!ret) {
		p->dirty = false;
		set_bit(p->nr, index->on_disk);
	}
	return ret;
}

int cow_index_flush(struct cow_index *index)
{
	struct cow_index_page *p;
	int ret;

	list_for_each_entry(p, &index->lru, link) {
		ret = write_back(index, p);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

void cow_index_set_on_disk(struct cow_index *index, const struct dbd_map *map)
{
	u64 nr = map->nr_blocks, b = dbd_map_next_set(map, 0, nr);

	while (b < nr) {
		set_bit(page_of(b), index->on_disk);
		b = dbd_map_next_set(map, ((u64)page_of(b) + 1) * COW_ENTRIES_PER_BLOCK, nr);
		cond_resched();
	}
}

/*
 * Order: the page on disk, then its bit, then out of the tree: who does not
 * find it in memory finds it on disk.
 */
static int evict_one(struct cow_index *index)
{
	struct cow_index_page *p = list_first_entry(&index->lru, struct cow_index_page, link);
	int ret = write_back(index, p);

	if (ret)
		return ret;
	smp_mb__after_atomic(); /* pairs with smp_rmb() in cow_index_get() */
	xa_erase(&index->pages, p->nr);
	list_del(&p->link);
	index->nr_pages--;
	call_rcu(&p->rcu, index_page_free_rcu);
	return 0;
}

static int evict(struct cow_index *index, unsigned int nr)
{
	int ret = 0;

	while (!ret && nr-- && index->nr_pages)
		ret = evict_one(index);
	return ret;
}

static struct cow_index_page *index_page_alloc(void)
{
	struct cow_index_page *p = kmem_cache_alloc(page_cache, INDEX_GFP);

	if (!p)
		return NULL;
	p->page = alloc_page(INDEX_GFP | __GFP_ZERO);
	if (!p->page) {
		kmem_cache_free(page_cache, p);
		return NULL;
	}
	return p;
}

/* Brings page @nr into memory. ERR_PTR. */
static struct cow_index_page *index_page_load(struct cow_index *index, unsigned long nr)
{
	struct cow_index_page *p;
	int ret = 0;

	if (index->nr_pages >= READ_ONCE(index->limit))
		ret = evict(index, EVICT_BATCH);
	if (ret)
		return ERR_PTR(ret);
	p = index_page_alloc();
	if (!p && index->nr_pages) { /* short of memory: do with less of it */
		ret = evict(index, EVICT_BATCH);
		if (ret)
			return ERR_PTR(ret);
		rcu_barrier();
		p = index_page_alloc();
	}
	if (!p)
		return ERR_PTR(-ENOMEM);
	p->nr = nr;
	p->dirty = false;
	if (test_bit(nr, index->on_disk))
		ret = index_io(index, REQ_OP_READ, nr, p->page);
	if (!ret)
		ret = xa_err(xa_store(&index->pages, nr, p, INDEX_GFP));
	if (ret) {
		index_page_free(p);
		return ERR_PTR(ret);
	}
	list_add_tail(&p->link, &index->lru);
	index->nr_pages++;
	return p;
}

static struct cow_index_page *index_page_get(struct cow_index *index, unsigned long nr)
{
	struct cow_index_page *p = xa_load(&index->pages, nr);

	if (!p)
		return index_page_load(index, nr);
	list_move_tail(&p->link, &index->lru);
	return p;
}

int cow_index_set(struct cow_index *index, u64 block, unsigned int nr, u64 cow)
{
	struct cow_index_page *p = NULL;

	for (; nr; nr--, block++, cow++) {
		if (!p || p->nr != page_of(block))
			p = index_page_get(index, page_of(block));
		if (IS_ERR(p))
			return PTR_ERR(p);
		p->dirty = true;
		WRITE_ONCE(entries_of(p->page)[block % COW_ENTRIES_PER_BLOCK], cpu_to_le64(cow));
	}
	return 0;
}

void cow_index_reader_done(struct cow_index_reader *r)
{
	if (r->page)
		__free_page(r->page);
}

/* The page is not in memory: from the reader's copy, or read into it. */
static int get_from_disk(struct cow_index *index, struct cow_index_reader *r, u64 block, u64 *cow)
{
	unsigned long nr = page_of(block);
	int ret;

	*cow = 0;
	smp_rmb(); /* the tree, then the bit; pairs with evict_one() */
	if (!test_bit(nr, index->on_disk))
		return 0;
	if (!r->page)
		r->page = alloc_page(GFP_NOIO);
	if (!r->page)
		return -ENOMEM;
	/* An entry that is not in the copy may have been set since. */
	if (r->valid && r->nr == nr)
		*cow = le64_to_cpu(entries_of(r->page)[block % COW_ENTRIES_PER_BLOCK]);
	if (*cow)
		return 0;
	r->valid = false;
	ret = index_io(index, REQ_OP_READ, nr, r->page);
	if (ret)
		return ret;
	r->nr = nr;
	r->valid = true;
	*cow = le64_to_cpu(entries_of(r->page)[block % COW_ENTRIES_PER_BLOCK]);
	return 0;
}

int cow_index_get(struct cow_index *index, struct cow_index_reader *r, u64 block, u64 *cow)
{
	struct cow_index_page *p;

	rcu_read_lock();
	p = xa_load(&index->pages, page_of(block));
	if (p)
		*cow = le64_to_cpu(READ_ONCE(
			entries_of(p->page)[block % COW_ENTRIES_PER_BLOCK]));
	rcu_read_unlock();
	return p ? 0 : get_from_disk(index, r, block, cow);
}
