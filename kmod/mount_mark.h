/* SPDX-License-Identifier: GPL-2.0-only */
/* What a file system on a device records of its mounts, read from the device. */
#ifndef DBD_MOUNT_MARK_H
#define DBD_MOUNT_MARK_H

#include <linux/blkdev.h>

#include "cow_layout.h"

/**
 * struct dbd_mount_mark - that record
 * @block_crc: checksum of the device's first block, which holds the super block
 * @mark: changes when the file system is mounted read-write, on ext2, ext3 and
 *	ext4; names the file system on others
 * @in_use: it was not unmounted, nor repaired, since it was mounted last
 */
struct dbd_mount_mark {
	u32 block_crc;
	u8 mark[COW_MOUNT_MARK_SIZE];
	bool in_use;
};

/* Process context. @block: a page to read into. A file system not known has no mark. */
int dbd_mount_mark_read(struct block_device *bdev, void *block, struct dbd_mount_mark *m);

#endif /* DBD_MOUNT_MARK_H */
