/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The map: one bit for each block of the device.
 *
 * A set bit means that the block may differ from the snapshot; while the
 * snapshot is being kept it also means that the old content is saved. Bits are
 * only ever set. All pages are allocated when the map is made, so that setting
 * a bit never fails and never sleeps: no change can be missed for lack of
 * memory.
 */
#ifndef DBD_MAP_H
#define DBD_MAP_H

#include <linux/atomic.h>
#include <linux/types.h>

struct dbd_map {
	u64 nr_blocks;
	atomic64_t nr_set; /* blocks whose bit is set */
	unsigned long nr_pages;
	unsigned long *pages[]; /* PAGE_SIZE each */
};

/* Process context, may sleep. NULL: no memory. */
struct dbd_map *dbd_map_alloc(u64 nr_blocks);
void dbd_map_free(struct dbd_map *map);

/*
 * Any context. Blocks [@first, @first + @nr) must lie on the device. Setting
 * is a full barrier when a bit changes.
 */
void dbd_map_set(struct dbd_map *map, u64 first, u64 nr);
/* First block in [@pos, @end) whose bit is set (clear), or @end. */
u64 dbd_map_next_set(const struct dbd_map *map, u64 pos, u64 end);
u64 dbd_map_next_clear(const struct dbd_map *map, u64 pos, u64 end);

/* Sets in @map each bit that is set in @other; both of one size. */
void dbd_map_merge(struct dbd_map *map, const struct dbd_map *other);

/* Counts anew after the pages were filled directly. */
void dbd_map_recount(struct dbd_map *map);

static inline u64 dbd_map_nr_set(const struct dbd_map *map)
{
	return atomic64_read(&map->nr_set);
}

#endif /* DBD_MAP_H */
