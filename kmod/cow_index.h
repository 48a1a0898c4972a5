/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The index of a snapshot: for each saved block, its block number in the COW
 * file.
 *
 * Pages of it are kept in memory up to a limit; the least recently used are
 * written raw to their place in the file and read back when needed. One writer,
 * the copy worker; many readers, who take no lock: an entry is set before the
 * block's bit in the map (a full barrier) and read after it, and never changes.
 */
#ifndef DBD_COW_INDEX_H
#define DBD_COW_INDEX_H

#include <linux/list.h>
#include <linux/xarray.h>

#include "cow_file.h"

/**
 * struct cow_index - see above
 * @cow: the file
 * @bdev: its device
 * @pages: struct cow_index_page, by block / COW_ENTRIES_PER_BLOCK; RCU
 * @lru: the same, least recently used first; the writer's
 * @nr_pages: in memory; the writer's
 * @limit: most pages in memory; changed at any time
 * @fixed_bytes: of the memory that is asked for, taken by bitmaps
 * @on_disk: bit for each page: has been written to the file
 */
struct cow_index {
	struct cow_file *cow;
	struct block_device *bdev;
	struct xarray pages;
	struct list_head lru;
	unsigned long nr_pages;
	unsigned long limit;
	u64 fixed_bytes;
	unsigned long *on_disk;
};

/* Module load and unload. */
int cow_index_module_init(void);
void cow_index_module_exit(void);

/* Process context. -ENOMEM. */
int cow_index_init(struct cow_index *index, struct cow_file *cow, struct block_device *bdev,
		   u64 limit_bytes);
void cow_index_destroy(struct cow_index *index);

/*
 * @bytes: for all that is known of changed blocks, the map's bits too; some pages
 * are left in any case. Any time; the next pages that are needed make it true.
 */
void cow_index_set_limit(struct cow_index *index, u64 bytes);

/*
 * Notes that blocks [@block, @block + @nr) are at @cow and following. The
 * writer; may wait for I/O of its own, for nothing else. -ENOMEM, -EIO ...
 */
int cow_index_set(struct cow_index *index, u64 block, unsigned int nr, u64 cow);

/* Writes what memory has and the file has not. The writer, or while there is none. */
int cow_index_flush(struct cow_index *index);
/* A file taken up again: each page with a block that is set in @map is on disk. */
void cow_index_set_on_disk(struct cow_index *index, const struct dbd_map *map);

/* A reader's own copy of the page it looked at last. Zeroed, then _done(). */
struct cow_index_reader {
	struct page *page;
	unsigned long nr;
	bool valid;
};

void cow_index_reader_done(struct cow_index_reader *r);

/*
 * *@cow becomes the block number in the COW file of @block, whose bit in the
 * map was seen set; 0: none, the snapshot has failed. May sleep.
 */
int cow_index_get(struct cow_index *index, struct cow_index_reader *r, u64 block, u64 *cow);

#endif /* DBD_COW_INDEX_H */
