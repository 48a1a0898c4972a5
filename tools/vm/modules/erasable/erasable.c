// SPDX-License-Identifier: MIT
/*
 * /dev/erasable: a disk in RAM that takes secure erase, which no disk of QEMU
 * does. Zeros are what is left. The parameter erased counts bytes.
 */
#include <linux/blkdev.h>
#include <linux/module.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

static unsigned int mib = 96;
module_param(mib, uint, 0444);
static unsigned long erased;
module_param(erased, ulong, 0444);

static struct gendisk *disk;
static u8 *store;

static void erasable_handle(struct bio *bio)
{
	u8 *at = store + (bio->bi_iter.bi_sector << SECTOR_SHIFT);
	struct bvec_iter iter;
	struct bio_vec vec;

	if (bio_op(bio) == REQ_OP_SECURE_ERASE) {
		memset(at, 0, bio->bi_iter.bi_size);
		erased += bio->bi_iter.bi_size;
	} else if (bio_has_data(bio)) {
		bio_for_each_segment(vec, bio, iter) {
			u8 *memory = (u8 *)page_address(vec.bv_page) + vec.bv_offset;

			if (op_is_write(bio_op(bio)))
				memcpy(at, memory, vec.bv_len);
			else
				memcpy(memory, at, vec.bv_len);
			at += vec.bv_len;
		}
	}
	bio_endio(bio);
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)

static void erasable_submit(struct bio *bio)
{
	erasable_handle(bio);
}

static struct gendisk *make_disk(void)
{
	struct queue_limits limits = { .max_secure_erase_sectors = UINT_MAX };

	return blk_alloc_disk(&limits, NUMA_NO_NODE);
}

#elif LINUX_VERSION_CODE >= KERNEL_VERSION(5, 19, 0)

static void erasable_submit(struct bio *bio)
{
	erasable_handle(bio);
}

static struct gendisk *make_disk(void)
{
	struct gendisk *new = blk_alloc_disk(NUMA_NO_NODE);

	if (!new)
		return ERR_PTR(-ENOMEM);
	blk_queue_max_secure_erase_sectors(new->queue, UINT_MAX);
	return new;
}

#else

static blk_qc_t erasable_submit(struct bio *bio)
{
	erasable_handle(bio);
	return BLK_QC_T_NONE;
}

static struct gendisk *make_disk(void)
{
	struct gendisk *new = alloc_disk(0);
	struct request_queue *queue = blk_alloc_queue(NUMA_NO_NODE);

	if (!new || !queue)
		return ERR_PTR(-ENOMEM);
	new->flags |= GENHD_FL_EXT_DEVT;
	new->queue = queue;
	/* There, secure erase is a discard that is meant seriously. */
	queue->limits.discard_granularity = SECTOR_SIZE;
	blk_queue_max_discard_sectors(queue, UINT_MAX);
	blk_queue_flag_set(QUEUE_FLAG_DISCARD, queue);
	blk_queue_flag_set(QUEUE_FLAG_SECERASE, queue);
	return new;
}

#endif

static const struct block_device_operations erasable_ops = {
	.owner = THIS_MODULE,
	.submit_bio = erasable_submit,
};

static int __init erasable_init(void)
{
	int ret = 0;

	store = vzalloc((unsigned long)mib << 20);
	if (!store)
		return -ENOMEM;
	disk = make_disk();
	if (IS_ERR(disk)) {
		vfree(store);
		return PTR_ERR(disk);
	}
	strscpy(disk->disk_name, "erasable", sizeof(disk->disk_name));
	disk->fops = &erasable_ops;
	set_capacity(disk, (sector_t)mib << (20 - SECTOR_SHIFT));
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 19, 0)
	ret = add_disk(disk);
	if (ret) {
		put_disk(disk);
		vfree(store);
	}
#else
	add_disk(disk);
#endif
	return ret;
}

static void __exit erasable_exit(void)
{
	del_gendisk(disk);
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 19, 0)
	blk_cleanup_queue(disk->queue);
#endif
	put_disk(disk);
	vfree(store);
}

module_init(erasable_init);
module_exit(erasable_exit);
MODULE_DESCRIPTION("Disk in RAM that takes secure erase, for tests");
MODULE_LICENSE("Dual MIT/GPL");
