/* SPDX-License-Identifier: GPL-2.0-only */
/* What a file system on a device records of its mounts, read from the device. */
#ifndef DBD_MOUNT_MARK_H
#define DBD_MOUNT_MARK_H

#include <linux/blkdev.h>

#include "cow_layout.h"

/**
 * struct dbd_watch - when the mark is to be noted anew
 * @start, @nr: when these sectors were written to; nr 0: never
 * @head: or so many at the device's beginning
 * @limit: when so many of them were. 1: each time, as soon as that write is done
 */
struct dbd_watch {
	sector_t start, nr;
	unsigned int head;
	unsigned int limit;
};

/**
 * struct dbd_mount_mark - that record
 * @mark: of the file system and of its last mount. On XFS all mounts count, but
 *	when much was logged since, that part is zero
 * @in_use: it was not unmounted, nor repaired, since it was mounted last
 * @oldest: ext4, when traced: from this one on the journal has all transactions before its oldest,
 *	one behind the other
 * @unknown: it cannot be told what happened since, and why; NULL: it can
 * @log_start, @log_nr: sectors of the log, which a mount writes first of all, and marks by
 *	that, if it has logged something besides: see cow_log_mount(); nr 0: it does not
 * @watch: while the file system is mounted
 */
struct dbd_mount_mark {
	u8 mark[COW_MOUNT_MARK_SIZE];
	bool in_use;
	u32 oldest;
	const char *unknown;
	sector_t log_start, log_nr;
	struct dbd_watch watch;
};

/* Process context. @block: a page to read into. A file system not known has no mark. */
int dbd_mount_mark_read(struct block_device *bdev, void *block, struct dbd_mount_mark *m);
/* The same of one that is not mounted, to compare with what was noted. Allocates. */
int dbd_mount_mark_trace(struct block_device *bdev, void *block, struct dbd_mount_mark *m);

/* Whether @found, in a file system in use, can be of the mount whose mark is @noted. */
bool dbd_mount_mark_same(const u8 *noted, const struct dbd_mount_mark *found);

/**
 * struct dbd_rest_mark - of a file system that is not mounted
 * @crc: of what changes when somebody mounts it read-write, or repairs it
 * @unknown: there is no such thing, and why; NULL: there is
 */
struct dbd_rest_mark {
	u32 crc;
	const char *unknown;
};

/* As above. On XFS this reads the headers of each allocation group. */
int dbd_rest_mark_read(struct block_device *bdev, void *block, struct dbd_rest_mark *m);

/* Both, as a reload found them. */
struct dbd_found_marks {
	struct dbd_mount_mark mount;
	struct dbd_rest_mark rest;
};

#endif /* DBD_MOUNT_MARK_H */
