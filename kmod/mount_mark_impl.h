/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of mount_mark*.c: one part for each file system. */
#ifndef DBD_MOUNT_MARK_IMPL_H
#define DBD_MOUNT_MARK_IMPL_H

#include "mount_mark.h"

static inline u16 le16_at(const u8 *block, unsigned int at)
{
	return le16_to_cpup((const __le16 *)(block + at));
}

static inline u32 le32_at(const u8 *block, unsigned int at)
{
	return le32_to_cpup((const __le32 *)(block + at));
}

static inline u16 be16_at(const u8 *block, unsigned int at)
{
	return be16_to_cpup((const __be16 *)(block + at));
}

static inline u32 be32_at(const u8 *block, unsigned int at)
{
	return be32_to_cpup((const __be32 *)(block + at));
}

static inline u64 be64_at(const u8 *block, unsigned int at)
{
	return be64_to_cpup((const __be64 *)(block + at));
}

/* As in mount_mark.h; @block: the device's first one, and what is read into. */
bool mark_ext_is(const u8 *block);
int mark_ext_read(struct block_device *bdev, u8 *block, bool trace, struct dbd_mount_mark *m);
bool mark_ext_same(const u8 *noted, const struct dbd_mount_mark *found);
int mark_ext_rest(struct block_device *bdev, u8 *block, struct dbd_rest_mark *m);

bool mark_xfs_is(const u8 *block);
int mark_xfs_read(struct block_device *bdev, const u8 *block, struct dbd_mount_mark *m);
bool mark_xfs_same(const u8 *noted, const struct dbd_mount_mark *found);
int mark_xfs_rest(struct block_device *bdev, void *block, struct dbd_rest_mark *m);

#endif /* DBD_MOUNT_MARK_IMPL_H */
