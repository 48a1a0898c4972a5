/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory for saved blocks: a fixed reserve, so that copying always gets on, and
 * more on demand up to a limit. Getting never waits; when nothing is to be had
 * the writers are held until pages come back. One user at a time: the copy
 * worker.
 */
#ifndef DBD_COPY_POOL_H
#define DBD_COPY_POOL_H

#include <linux/list.h>
#include <linux/mm_types.h>

struct copy_pool {
	struct list_head free; /* pages of the reserve not in use, by lru */
	unsigned int nr_free;
	unsigned int reserve; /* pages */
	unsigned int in_use;
	unsigned int limit; /* most pages in use at once */
};

/* Process context. -ENOMEM. */
int copy_pool_init(struct copy_pool *pool, unsigned int reserve, unsigned int limit);
void copy_pool_destroy(struct copy_pool *pool);

/* NULL: nothing to be had now. */
struct page *copy_pool_get(struct copy_pool *pool);
void copy_pool_put(struct copy_pool *pool, struct page *page);

#endif /* DBD_COPY_POOL_H */
