// SPDX-License-Identifier: GPL-2.0-only
/* Pages of 512 entries, as they lie in the file, in an xarray. */
#include <linux/gfp.h>
#include <linux/mm.h>

#include "cow_index.h"
#include "cow_layout.h"

/* The writer runs where writes are held: no I/O, no endless retry. */
#define INDEX_GFP (GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN)

void cow_index_init(struct cow_index *index)
{
	xa_init(&index->pages);
}

void cow_index_destroy(struct cow_index *index)
{
	unsigned long i;
	void *page;

	xa_for_each(&index->pages, i, page) {
		free_page((unsigned long)page);
		cond_resched();
	}
	xa_destroy(&index->pages);
}

static u64 *index_page(struct cow_index *index, unsigned long i)
{
	u64 *page = xa_load(&index->pages, i);

	if (page)
		return page;
	page = (u64 *)__get_free_page(INDEX_GFP | __GFP_ZERO);
	if (!page)
		return NULL;
	if (xa_is_err(xa_store(&index->pages, i, page, INDEX_GFP))) {
		free_page((unsigned long)page);
		return NULL;
	}
	return page;
}

int cow_index_set(struct cow_index *index, u64 block, unsigned int nr, u64 cow)
{
	while (nr--) {
		u64 *page = index_page(index, block / COW_ENTRIES_PER_BLOCK);

		if (!page)
			return -ENOMEM;
		WRITE_ONCE(page[block % COW_ENTRIES_PER_BLOCK], cow);
		block++;
		cow++;
	}
	return 0;
}

u64 cow_index_get(struct cow_index *index, u64 block)
{
	u64 *page = xa_load(&index->pages, block / COW_ENTRIES_PER_BLOCK);

	return page ? READ_ONCE(page[block % COW_ENTRIES_PER_BLOCK]) : 0;
}
