// SPDX-License-Identifier: GPL-2.0-only
#include <linux/gfp.h>
#include <linux/mm.h>

#include "copy_pool.h"

int copy_pool_init(struct copy_pool *pool, unsigned int reserve, unsigned int limit)
{
	struct page *page;

	INIT_LIST_HEAD(&pool->free);
	pool->nr_free = 0;
	pool->reserve = reserve;
	pool->in_use = 0;
	pool->limit = max(limit, reserve);
	while (pool->nr_free < reserve) {
		page = alloc_page(GFP_KERNEL);
		if (!page) {
			copy_pool_destroy(pool);
			return -ENOMEM;
		}
		list_add(&page->lru, &pool->free);
		pool->nr_free++;
	}
	return 0;
}

void copy_pool_destroy(struct copy_pool *pool)
{
	struct page *page, *next;

	WARN_ON_ONCE(pool->in_use);
	list_for_each_entry_safe(page, next, &pool->free, lru)
		__free_page(page);
	INIT_LIST_HEAD(&pool->free);
	pool->nr_free = 0;
}

struct page *copy_pool_get(struct copy_pool *pool)
{
	struct page *page = NULL;

	if (pool->in_use >= pool->limit)
		return NULL;
	if (pool->in_use >= pool->reserve)
		page = alloc_page(GFP_NOWAIT | __GFP_NOWARN);
	if (!page && pool->nr_free) {
		page = list_first_entry(&pool->free, struct page, lru);
		list_del(&page->lru);
		pool->nr_free--;
	}
	if (page)
		pool->in_use++;
	return page;
}

void copy_pool_put(struct copy_pool *pool, struct page *page)
{
	pool->in_use--;
	if (pool->nr_free < pool->reserve) {
		list_add(&page->lru, &pool->free);
		pool->nr_free++;
	} else {
		__free_page(page);
	}
}
