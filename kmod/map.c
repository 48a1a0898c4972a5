// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bitmap of blocks, in pages, changed by atomic word operations only: the
 * probe sets bits from any context and takes no lock.
 */
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/gfp.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "map.h"

#define BITS_PER_PAGE (PAGE_SIZE * 8)

struct dbd_map *dbd_map_alloc(u64 nr_blocks)
{
	unsigned long i, nr_pages = DIV_ROUND_UP_ULL(nr_blocks, BITS_PER_PAGE);
	struct dbd_map *map;

	map = kvzalloc(struct_size(map, pages, nr_pages), GFP_KERNEL);
	if (!map)
		return NULL;
	map->nr_blocks = nr_blocks;
	map->nr_pages = nr_pages;
	for (i = 0; i < nr_pages; i++) {
		/* Nobody else is to be killed for it. */
		if (!fatal_signal_pending(current))
			map->pages[i] = (unsigned long *)get_zeroed_page(GFP_KERNEL | __GFP_NOWARN |
									 __GFP_RETRY_MAYFAIL);
		if (!map->pages[i]) {
			dbd_map_free(map);
			return NULL;
		}
		cond_resched();
	}
	return map;
}

void dbd_map_free(struct dbd_map *map)
{
	unsigned long i;

	if (!map)
		return;
	for (i = 0; i < map->nr_pages; i++)
		free_page((unsigned long)map->pages[i]);
	kvfree(map);
}

static unsigned long *map_word(const struct dbd_map *map, u64 block)
{
	return &map->pages[block / BITS_PER_PAGE][block % BITS_PER_PAGE / BITS_PER_LONG];
}

static void map_set_mask(struct dbd_map *map, unsigned long *word, unsigned long mask)
{
	unsigned long old;

	if ((READ_ONCE(*word) & mask) == mask)
		return;
	old = atomic_long_fetch_or(mask, (atomic_long_t *)word);
	atomic64_add(hweight_long(mask & ~old), &map->nr_set);
}

void dbd_map_set(struct dbd_map *map, u64 first, u64 nr)
{
	while (nr) {
		unsigned int bit = first % BITS_PER_LONG;
		unsigned int n = min_t(u64, nr, BITS_PER_LONG - bit);

		map_set_mask(map, map_word(map, first), GENMASK(bit + n - 1, bit));
		first += n;
		nr -= n;
	}
}

static u64 map_next(const struct dbd_map *map, u64 pos, u64 end, unsigned long invert)
{
	while (pos < end) {
		unsigned int bit = pos % BITS_PER_LONG;
		unsigned long word = READ_ONCE(*map_word(map, pos)) ^ invert;

		word &= ~0UL << bit;
		if (word)
			return min_t(u64, pos - bit + __ffs(word), end);
		pos += BITS_PER_LONG - bit;
	}
	return end;
}

u64 dbd_map_next_set(const struct dbd_map *map, u64 pos, u64 end)
{
	return map_next(map, pos, end, 0);
}

u64 dbd_map_next_clear(const struct dbd_map *map, u64 pos, u64 end)
{
	return map_next(map, pos, end, ~0UL);
}

void dbd_map_merge(struct dbd_map *map, const struct dbd_map *other)
{
	unsigned long i, j;

	for (i = 0; i < map->nr_pages; i++) {
		for (j = 0; j < PAGE_SIZE / sizeof(long); j++)
			if (other->pages[i][j])
				map_set_mask(map, &map->pages[i][j], other->pages[i][j]);
		cond_resched();
	}
}

void dbd_map_recount(struct dbd_map *map)
{
	unsigned long i;
	u64 nr = 0;

	for (i = 0; i < map->nr_pages; i++) {
		nr += bitmap_weight(map->pages[i], BITS_PER_PAGE);
		cond_resched();
	}
	atomic64_set(&map->nr_set, nr);
}
