/* SPDX-License-Identifier: GPL-2.0-only */
/* Which blocks a file system had free when a snapshot of it was taken. */
#ifndef DBD_FS_FREE_H
#define DBD_FS_FREE_H

#include <linux/fs.h>

#include "map.h"

/*
 * A map of @nr_blocks with the bits of blocks that were free set: fewer at
 * most, never one that was in use. @sb is the live file system, @minor the
 * snapshot's. Context of a user process. ERR_PTR, with a reason.
 */
struct dbd_map *dbd_fs_free(struct super_block *sb, unsigned int minor, u64 nr_blocks);

#endif /* DBD_FS_FREE_H */
