/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place that knows kernel versions. Force-included into every file:
 * the rest of the module sees a single interface, named dbd_*.
 */
#ifndef DBD_COMPAT_H
#define DBD_COMPAT_H

#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0)
#error "dattobd: this kernel is older than any it was built for; 6.1 is the oldest"
#endif

/* ---- bios ---- */

#define DBD_PROBE_BIO_QUEUE(name, bio) name(void *data, bio)

#define DBD_SUBMIT_BIO(name, fn)      \
	static void name(struct bio *bio) \
	{                             \
		fn(bio);              \
	}

static inline struct gendisk *dbd_bio_disk(const struct bio *bio)
{
	return bio->bi_bdev->bd_disk;
}

/* Whether the block core would honour a change of the bio's disk now. */
static inline bool dbd_compat_can_divert(void)
{
	return true;
}

static inline void dbd_bio_set_gate(struct bio *bio, struct gendisk *gate)
{
	bio->bi_bdev = gate->part0;
}

/*
 * The sector is absolute by now: BIO_REMAPPED says whether the block core will
 * believe it beside a partition. Not bio_set_dev(), which drops that flag and
 * the blkg.
 */
static inline void dbd_bio_restore(struct bio *bio, struct block_device *bdev)
{
	bio->bi_bdev = bio_flagged(bio, BIO_REMAPPED) ? bdev : bdev_whole(bdev);
}

static inline void dbd_bio_init(struct bio *bio, struct block_device *bdev, struct bio_vec *vecs,
				unsigned short nr, blk_opf_t opf)
{
	bio_init(bio, bdev, vecs, nr, opf);
}

/* ---- disks ---- */

/* Block sizes are those of @like, when given. ERR_PTR on failure. */
struct gendisk *dbd_alloc_disk(const struct block_device_operations *fops,
			       struct block_device *like);
void dbd_put_disk(struct gendisk *disk);
/* For a disk that only receives bios and is never given to add_disk(). */
void dbd_disk_never_added(struct gendisk *disk);
/* Waits for everything in the queue; of a stacking disk, for its submitters. */
void dbd_queue_drain(struct request_queue *q);

static inline struct block_device *dbd_disk_bdev(struct gendisk *disk)
{
	return disk->part0;
}

/*
 * ->open(disk) and ->release(disk) of a block device: DBD_DISK_OPEN(fn) defines
 * fn_op, which calls int fn(struct gendisk *); likewise for release, void.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define DBD_DISK_OPEN(fn)                                        \
	static int fn##_op(struct gendisk *disk, blk_mode_t mode) \
	{                                                        \
		return fn(disk);                                 \
	}
#define DBD_DISK_RELEASE(fn)                      \
	static void fn##_op(struct gendisk *disk) \
	{                                         \
		fn(disk);                         \
	}
#else
#define DBD_DISK_OPEN(fn)                                          \
	static int fn##_op(struct block_device *bdev, fmode_t mode) \
	{                                                          \
		return fn(bdev->bd_disk);                          \
	}
#define DBD_DISK_RELEASE(fn)                                    \
	static void fn##_op(struct gendisk *disk, fmode_t mode) \
	{                                                       \
		fn(disk);                                       \
	}
#endif

/* ---- the tracked device ---- */

struct dbd_bdev {
	struct block_device *bdev;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	struct file *file;
#endif
};

/* Shared open for reading, by path; errno of the kernel's own open. */
int dbd_bdev_open(const char *path, struct dbd_bdev *ref);
void dbd_bdev_close(struct dbd_bdev *ref);

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define dbd_freeze(bdev) bdev_freeze(bdev)
#define dbd_thaw(bdev) bdev_thaw(bdev)
#else
#define dbd_freeze(bdev) freeze_bdev(bdev)
#define dbd_thaw(bdev) thaw_bdev(bdev)
#endif

/* ---- files ---- */

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define dbd_idmap() (&nop_mnt_idmap)
#else
#define dbd_idmap() (&init_user_ns)
#endif

/* The dentry of @name in directory @parent, perhaps negative; ERR_PTR. */
static inline struct dentry *dbd_lookup_child(struct dentry *parent, const char *name)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
	return lookup_noperm_unlocked(&QSTR(name), parent);
#else
	return lookup_one_len_unlocked(name, parent, strlen(name));
#endif
}

#endif /* DBD_COMPAT_H */
