/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The index in memory: for each saved block, its block number in the COW file.
 *
 * One writer, many readers, no lock: an entry is set before the block's bit in
 * the map (a full barrier), and read after it.
 */
#ifndef DBD_COW_INDEX_H
#define DBD_COW_INDEX_H

#include <linux/xarray.h>

struct cow_index {
	struct xarray pages; /* by block / COW_ENTRIES_PER_BLOCK; u64 entries */
};

void cow_index_init(struct cow_index *index);
void cow_index_destroy(struct cow_index *index);

/*
 * Notes that blocks [@block, @block + @nr) are at @cow and following. I/O path:
 * never waits for I/O. -ENOMEM.
 */
int cow_index_set(struct cow_index *index, u64 block, unsigned int nr, u64 cow);
/* Block number in the COW file, 0: none. Any context. */
u64 cow_index_get(struct cow_index *index, u64 block);

#endif /* DBD_COW_INDEX_H */
