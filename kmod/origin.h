/* SPDX-License-Identifier: GPL-2.0-only */
/* From the origin's name to its path and to its file system. */
#ifndef DBD_ORIGIN_H
#define DBD_ORIGIN_H

#include <linux/fs.h>

/*
 * The super block mounted from @bdev, held until deactivate_super(), or NULL.
 * Process context.
 */
struct super_block *dbd_origin_sb(struct block_device *bdev);

/*
 * Whether somebody froze it: what we do through it would hang until it is
 * thawed, with the control lock held.
 */
static inline bool dbd_sb_frozen(struct super_block *sb)
{
	return READ_ONCE(sb->s_writers.frozen) != SB_UNFROZEN;
}

/*
 * Writes dirty data back before a freeze, which would do it with all writers
 * blocked. Best effort: the freeze does what is left.
 */
void dbd_sb_presync(struct super_block *sb);

/* Whether @name is the node of this block device, in the caller's root and name space. */
bool dbd_names_device(const char *name, dev_t dev);

/* Absolute path with links followed, kmalloc'ed, in *@resolved. */
int dbd_resolve_path(const char *name, char **resolved);

#endif /* DBD_ORIGIN_H */
