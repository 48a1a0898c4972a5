// SPDX-License-Identifier: GPL-2.0-only
/* Version differences that are more than a line. */
#include <linux/numa.h>

struct gendisk *dbd_alloc_disk(const struct block_device_operations *fops,
			       struct block_device *like)
{
	struct gendisk *disk;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	struct queue_limits lim = {};

	if (like) {
		lim.logical_block_size = bdev_logical_block_size(like);
		lim.physical_block_size = bdev_physical_block_size(like);
		lim.io_min = bdev_io_min(like);
		lim.io_opt = bdev_io_opt(like);
	}
	disk = blk_alloc_disk(like ? &lim : NULL, NUMA_NO_NODE);
	if (IS_ERR(disk))
		return disk;
#else
	disk = blk_alloc_disk(NUMA_NO_NODE);
	if (!disk)
		return ERR_PTR(-ENOMEM);
	if (like) {
		blk_queue_logical_block_size(disk->queue, bdev_logical_block_size(like));
		blk_queue_physical_block_size(disk->queue, bdev_physical_block_size(like));
		blk_queue_io_min(disk->queue, bdev_io_min(like));
		blk_queue_io_opt(disk->queue, bdev_io_opt(like));
	}
#endif
	disk->fops = fops;
	return disk;
}

void dbd_put_disk(struct gendisk *disk)
{
	put_disk(disk);
}

void dbd_disk_never_added(struct gendisk *disk)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	bdev_set_flag(disk->part0, BD_HAS_SUBMIT_BIO);
#endif
}

void dbd_queue_drain(struct request_queue *q)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0)
	unsigned int memflags = blk_mq_freeze_queue(q);

	blk_mq_unfreeze_queue(q, memflags);
#else
	blk_mq_freeze_queue(q);
	blk_mq_unfreeze_queue(q);
#endif
}

int dbd_bdev_open(const char *path, struct dbd_bdev *ref)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	struct file *file = bdev_file_open_by_path(path, BLK_OPEN_READ, NULL, NULL);

	if (IS_ERR(file))
		return PTR_ERR(file);
	ref->file = file;
	ref->bdev = file_bdev(file);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#error "dattobd: Linux 6.5 to 6.8 is not supported"
#else
	struct block_device *bdev = blkdev_get_by_path(path, FMODE_READ, NULL);

	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	ref->bdev = bdev;
#endif
	return 0;
}

void dbd_bdev_close(struct dbd_bdev *ref)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	bdev_fput(ref->file);
#else
	blkdev_put(ref->bdev, FMODE_READ);
#endif
	ref->bdev = NULL;
}
