// SPDX-License-Identifier: GPL-2.0-only
#include <linux/crc32.h>
#include <linux/mm.h>

#include "cow_extents.h"
#include "mount_mark_impl.h"

static int read_mark(struct block_device *bdev, void *block, bool trace, struct dbd_mount_mark *m)
{
	int ret = cow_raw_read(bdev, 0, virt_to_page(block), COW_BLOCK_SIZE);

	*m = (struct dbd_mount_mark){};
	if (ret)
		return ret;
	if (mark_ext_is(block))
		return mark_ext_read(bdev, block, trace, m);
	return mark_xfs_is(block) ? mark_xfs_read(bdev, block, m) : 0;
}

int dbd_mount_mark_read(struct block_device *bdev, void *block, struct dbd_mount_mark *m)
{
	return read_mark(bdev, block, false, m);
}

int dbd_mount_mark_trace(struct block_device *bdev, void *block, struct dbd_mount_mark *m)
{
	return read_mark(bdev, block, true, m);
}

bool dbd_mount_mark_same(const u8 *noted, const struct dbd_mount_mark *found)
{
	if (!memcmp(found->mark, "ext", 4))
		return mark_ext_same(noted, found);
	return found->mark[0] && mark_xfs_same(noted, found);
}

int dbd_rest_mark_read(struct block_device *bdev, void *block, struct dbd_rest_mark *m)
{
	int ret = cow_raw_read(bdev, 0, virt_to_page(block), COW_BLOCK_SIZE);

	*m = (struct dbd_rest_mark){};
	if (ret)
		return ret;
	m->crc = crc32_le(~0u, block, COW_BLOCK_SIZE);
	if (mark_ext_is(block))
		return mark_ext_rest(bdev, block, m);
	return mark_xfs_is(block) ? mark_xfs_rest(bdev, block, m) : 0;
}
