/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the bytes of a file are on its device, for raw I/O beside the file
 * system. Valid as long as the file is protected like a swap file.
 */
#ifndef DBD_COW_EXTENTS_H
#define DBD_COW_EXTENTS_H

#include <linux/fs.h>

struct cow_extent {
	u64 logical; /* bytes, into the file */
	u64 physical; /* bytes, into the device */
	u64 length; /* bytes */
};

/* Sorted, without gaps, covering the file; neighbours are not adjacent on disk. */
struct cow_extents {
	unsigned int nr;
	unsigned int capacity;
	struct cow_extent *list;
};

/*
 * Reads the mapping of the first @size bytes of @inode. Context of a user
 * process: needs its address space. -EOPNOTSUPP: a hole, or an extent whose place
 * cannot be trusted (shared, encoded, inline, delayed ...).
 */
int cow_extents_read(struct cow_extents *ext, struct inode *inode, u64 size);
/*
 * The same for all of @file, up to @size, as swapon(2) asks for it: any process
 * context. @bdev: where the file system must put it. -EOPNOTSUPP: it does not.
 */
int cow_extents_ask(struct cow_extents *ext, struct file *file, u64 size,
		    struct block_device *bdev);
void cow_extents_free(struct cow_extents *ext);
/* Whether @longer has all of @ext at the same place, and more behind. */
bool cow_extents_begin(const struct cow_extents *longer, const struct cow_extents *ext);
/*
 * @longer, which begins as @ext does, takes its place while others may be looking
 * and is empty after that. May sleep.
 */
void cow_extents_replace(struct cow_extents *ext, struct cow_extents *longer);
bool cow_extents_equal(const struct cow_extents *a, const struct cow_extents *b);
/* Drops what is behind the file's byte @size. Nobody may be looking. */
void cow_extents_cut(struct cow_extents *ext, u64 size);
/* Checksum of the first @size bytes' mapping. */
u32 cow_extents_crc(const struct cow_extents *ext, u64 size);
/*
 * Waits for what the file system still writes to the place of the file's bytes from @first on, as metadata that was
 * there before: it did not (5.10's jbd2 forgets a freed block without waiting), and it would come after our raw writes.
 */
void cow_extents_await_old(const struct cow_extents *ext, struct super_block *sb, u64 first);
/* Whether device bytes [@pos, @pos + @len) touch an extent. Any context. */
bool cow_extents_overlap(const struct cow_extents *ext, u64 pos, u64 len);

/*
 * Writes a stamp at the start of each extent through the file system and reads
 * it raw from @bdev. -EOPNOTSUPP: it is not there (another device, or a journal
 * that holds data back). Stamps below @clear_below are zeroed again and synced.
 */
int cow_extents_verify(const struct cow_extents *ext, struct file *file,
		       struct block_device *bdev, u64 clear_below);

/*
 * Device offset of file offset @pos, in bytes; *@len is cut to what is
 * contiguous there, to 0 behind the file's end. Any context.
 */
u64 cow_extents_map(const struct cow_extents *ext, u64 pos, u64 *len);

/*
 * Raw I/O on @nr buffers of COW_BLOCK_SIZE, each a page's, at file offset @pos:
 * hidden from interception, no file system. Waits; allocates nothing.
 */
int cow_raw_io(const struct cow_extents *ext, struct block_device *bdev, blk_opf_t opf, u64 pos,
	       void *const *bufs, unsigned int nr);
/* Reads the first @len bytes of @page at byte @pos of @bdev. */
int cow_raw_read(struct block_device *bdev, u64 pos, struct page *page, unsigned int len);

/* Writes all of it through the file system, or fails: a short write is -EIO. */
int cow_file_write(struct file *file, const void *buf, size_t len, loff_t pos);

#endif /* DBD_COW_EXTENTS_H */
