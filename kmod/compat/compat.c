// SPDX-License-Identifier: GPL-2.0-only
/* Differences between kernels that are more than a line. */
#include <linux/numa.h>
#include <linux/slab.h>

/* ---- disks ---- */

#if !DBD_HAVE_BLK_ALLOC_DISK_LIMITS
static void set_limits(struct request_queue *q, struct block_device *like)
{
	if (!like)
		return;
	blk_queue_logical_block_size(q, bdev_logical_block_size(like));
	blk_queue_physical_block_size(q, bdev_physical_block_size(like));
	blk_queue_io_min(q, bdev_io_min(like));
	blk_queue_io_opt(q, bdev_io_opt(like));
	blk_queue_dma_alignment(q, queue_dma_alignment(bdev_get_queue(like)));
}
#endif

#if DBD_HAVE_BLK_ALLOC_DISK_LIMITS
static struct gendisk *alloc_bio_disk(struct block_device *like)
{
	struct queue_limits lim = {};

	if (like) {
		lim.logical_block_size = bdev_logical_block_size(like);
		lim.physical_block_size = bdev_physical_block_size(like);
		lim.io_min = bdev_io_min(like);
		lim.io_opt = bdev_io_opt(like);
		lim.dma_alignment = queue_dma_alignment(bdev_get_queue(like));
	}
	return blk_alloc_disk(like ? &lim : NULL, NUMA_NO_NODE);
}
#elif DBD_HAVE_BLK_ALLOC_DISK_NODE
static struct gendisk *alloc_bio_disk(struct block_device *like)
{
	struct gendisk *disk = blk_alloc_disk(NUMA_NO_NODE);

	if (!disk)
		return ERR_PTR(-ENOMEM);
	set_limits(disk->queue, like);
	return disk;
}
#else
/*
 * Disk and queue are apart, and there is no struct block_device before somebody
 * opens the disk. Bios only want to know the disk from it: one that says no
 * more serves, see dbd_disk_bdev().
 */
static struct gendisk *alloc_bio_disk(struct block_device *like)
{
	struct block_device *bdev = kzalloc(sizeof(*bdev), GFP_KERNEL);
	struct gendisk *disk = alloc_disk(1);
	struct request_queue *q = blk_alloc_queue(NUMA_NO_NODE);

	if (!bdev || !disk || !q) {
		if (q)
			blk_cleanup_queue(q);
		if (disk)
			put_disk(disk);
		kfree(bdev);
		return ERR_PTR(-ENOMEM);
	}
	bdev->bd_disk = disk;
	bdev->bd_part = &disk->part0;
	q->queuedata = bdev;
	/* put_disk() puts the queue, even if add_disk() did not get it. */
	WARN_ON(!blk_get_queue(q));
	disk->queue = q;
	set_limits(q, like);
	return disk;
}
#endif

struct gendisk *dbd_alloc_disk(const struct block_device_operations *fops,
			       struct block_device *like)
{
	struct gendisk *disk = alloc_bio_disk(like);

	if (!IS_ERR(disk))
		disk->fops = fops;
	return disk;
}

int dbd_add_disk(struct gendisk *disk)
{
#if DBD_HAVE_ADD_DISK_RESULT
	return add_disk(disk);
#else
	add_disk(disk);
	blk_put_queue(disk->queue); /* see alloc_bio_disk() */
	return 0;
#endif
}

#if DBD_HAVE_BLK_ALLOC_DISK_LIMITS || DBD_HAVE_BLK_ALLOC_DISK_NODE
void dbd_put_disk(struct gendisk *disk)
{
	put_disk(disk);
}
#else
void dbd_put_disk(struct gendisk *disk)
{
	struct request_queue *q = disk->queue;
	void *bdev = q->queuedata;

	blk_cleanup_queue(q);
	put_disk(disk);
	kfree(bdev);
}
#endif

void dbd_disk_never_added(struct gendisk *disk)
{
#if DBD_HAVE_BDEV_SET_FLAG
	/* Else add_disk() does it. */
	bdev_set_flag(disk->part0, BD_HAS_SUBMIT_BIO);
#elif DBD_HAVE_BD_HAS_SUBMIT_BIO
#error "dattobd: Linux 6.4 and 6.9 are not supported"
#endif
}

bool dbd_queue_drain(struct request_queue *q, unsigned long timeout)
{
#if DBD_HAVE_FREEZE_QUEUE_MEMFLAGS
	unsigned int memflags = memalloc_noio_save();
#endif
	bool ret;

	blk_freeze_queue_start(q);
	ret = blk_mq_freeze_queue_wait_timeout(q, timeout);
#if DBD_HAVE_FREEZE_QUEUE_MEMFLAGS
	blk_mq_unfreeze_queue(q, memflags);
#else
	blk_mq_unfreeze_queue(q);
#endif
	return ret;
}

/* ---- the tracked device ---- */

int dbd_bdev_open(const char *path, struct dbd_bdev *ref)
{
#if DBD_HAVE_BDEV_FILE_OPEN
	struct file *file = bdev_file_open_by_path(path, BLK_OPEN_READ, NULL, NULL);

	if (IS_ERR(file))
		return PTR_ERR(file);
	ref->file = file;
	ref->bdev = file_bdev(file);
#elif DBD_HAVE_BLKDEV_GET_BY_PATH_MODE
	struct block_device *bdev = blkdev_get_by_path(path, FMODE_READ, NULL);

	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	ref->bdev = bdev;
#else
#error "dattobd: Linux 6.5 to 6.8 is not supported"
#endif
	return 0;
}

void dbd_bdev_close(struct dbd_bdev *ref)
{
#if DBD_HAVE_BDEV_FILE_OPEN
	bdev_fput(ref->file);
#else
	blkdev_put(ref->bdev, FMODE_READ);
#endif
	ref->bdev = NULL;
}

#if DBD_HAVE_DISK_PART0_BDEV
static bool partition_claimed(struct gendisk *disk)
{
	struct block_device *part;
	unsigned long partno;
	bool ret = false;

	rcu_read_lock();
	xa_for_each_start(&disk->part_tbl, partno, part, 1)
		ret |= READ_ONCE(part->bd_holder) != NULL;
	rcu_read_unlock();
	return ret;
}
#else
static bool partition_claimed(struct gendisk *disk)
{
	bool ret = false;
	int partno;

	for (partno = 1; partno < disk_max_parts(disk); partno++) {
		struct block_device *part = bdget_disk(disk, partno);

		if (!part)
			continue;
		ret |= READ_ONCE(part->bd_holder) != NULL;
		bdput(part);
	}
	return ret;
}
#endif

bool dbd_bdev_claimed(struct block_device *bdev)
{
	bool ret = READ_ONCE(bdev->bd_holder);

	/* A claim of a partition marks the whole disk; then nobody can have that. */
	return ret && (bdev_is_partition(bdev) || !partition_claimed(bdev->bd_disk));
}

#if DBD_HAVE_BDEV_FREEZE
int dbd_freeze(struct dbd_bdev *ref, struct super_block *sb)
{
	int ret = bdev_freeze(ref->bdev);

	/* What it does after the freeze may have failed: it has taken its count back, and left the file system frozen. */
	if (ret && ret != -EBUSY && ret != -EINVAL &&
	    READ_ONCE(sb->s_writers.frozen) == SB_FREEZE_COMPLETE)
		dbd_thaw_sb(sb);
	return ret;
}

int dbd_thaw(struct dbd_bdev *ref)
{
	return bdev_thaw(ref->bdev);
}
#elif DBD_HAVE_THAW_BDEV_ALONE
int dbd_freeze(struct dbd_bdev *ref, struct super_block *sb)
{
	return freeze_bdev(ref->bdev);
}

int dbd_thaw(struct dbd_bdev *ref)
{
	return thaw_bdev(ref->bdev);
}
#else
int dbd_freeze(struct dbd_bdev *ref, struct super_block *sb)
{
	ref->frozen = freeze_bdev(ref->bdev);
	return PTR_ERR_OR_ZERO(ref->frozen);
}

int dbd_thaw(struct dbd_bdev *ref)
{
	return thaw_bdev(ref->bdev, ref->frozen);
}
#endif

int dbd_freeze_sb(struct super_block *sb)
{
#if DBD_HAVE_FREEZE_SUPER_OWNER
	return freeze_super(sb, FREEZE_HOLDER_USERSPACE, NULL);
#elif DBD_HAVE_FREEZE_SUPER_HOLDER
	return freeze_super(sb, FREEZE_HOLDER_USERSPACE);
#else
	return freeze_super(sb);
#endif
}

int dbd_thaw_sb(struct super_block *sb)
{
#if DBD_HAVE_FREEZE_SUPER_OWNER
	return thaw_super(sb, FREEZE_HOLDER_USERSPACE, NULL);
#elif DBD_HAVE_FREEZE_SUPER_HOLDER
	return thaw_super(sb, FREEZE_HOLDER_USERSPACE);
#else
	return thaw_super(sb);
#endif
}

/* ---- files ---- */

bool dbd_file_without_dio(struct file *file)
{
#if DBD_HAVE_STAT_DIO_ALIGN
	struct kstat stat;

	return !vfs_getattr(&file->f_path, &stat, STATX_DIOALIGN, AT_STATX_SYNC_AS_STAT) &&
	       (stat.result_mask & STATX_DIOALIGN) && !stat.dio_mem_align;
#else
	return false;
#endif
}

#if DBD_HAVE_NOP_MNT_IDMAP
int dbd_unlink(struct inode *dir, struct dentry *dentry)
{
	return vfs_unlink(&nop_mnt_idmap, dir, dentry, NULL);
}

int dbd_notify_change(struct dentry *dentry, struct iattr *attr)
{
	return notify_change(&nop_mnt_idmap, dentry, attr, NULL);
}
#elif DBD_HAVE_VFS_UNLINK_IDMAP
int dbd_unlink(struct inode *dir, struct dentry *dentry)
{
	return vfs_unlink(&init_user_ns, dir, dentry, NULL);
}

int dbd_notify_change(struct dentry *dentry, struct iattr *attr)
{
	return notify_change(&init_user_ns, dentry, attr, NULL);
}
#else
int dbd_unlink(struct inode *dir, struct dentry *dentry)
{
	return vfs_unlink(dir, dentry, NULL);
}

int dbd_notify_change(struct dentry *dentry, struct iattr *attr)
{
	return notify_change(dentry, attr, NULL);
}
#endif
