/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place that knows how kernels differ. Force-included into every file:
 * the rest of the module sees a single interface, that of the newest kernel
 * where it can be given to older ones under its own name, else named dbd_*.
 *
 * What this kernel offers is asked, not concluded from its version: have.h has
 * a 0 or 1 for each probe of probes.list.
 */
#ifndef DBD_COMPAT_H
#define DBD_COMPAT_H

#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/namei.h>

#include "have.h"

#if DBD_HAVE_BIO_BDEV && !DBD_HAVE_BIO_INIT_BDEV
#error "dattobd: Linux 5.12 to 5.17 is not supported"
#endif

/* Writes are looked at where such a kernel forbids to wait for the locks that this takes. */
#ifdef CONFIG_PREEMPT_RT
#error "dattobd: kernels with CONFIG_PREEMPT_RT are not supported"
#endif

/* ---- bios ---- */

#if !DBD_HAVE_BLK_OPF_T
#define blk_opf_t unsigned int
#endif

#if DBD_HAVE_BIO_QUEUE_PROBE_BIO
#define DBD_PROBE_BIO_QUEUE(name, bio) name(void *data, bio)
#else
#define DBD_PROBE_BIO_QUEUE(name, bio) name(void *data, struct request_queue *q, bio)
#endif

/* DBD_SUBMIT_BIO(fn) defines fn_op, a ->submit_bio that calls void fn(struct bio *). */
#if DBD_HAVE_SUBMIT_BIO_VOID
#define DBD_SUBMIT_BIO(fn)                    \
	static void fn##_op(struct bio *bio) \
	{                                    \
		fn(bio);                     \
	}
#else
#define DBD_SUBMIT_BIO(fn)                        \
	static blk_qc_t fn##_op(struct bio *bio) \
	{                                        \
		fn(bio);                         \
		return BLK_QC_T_NONE;            \
	}
#endif

#if !DBD_HAVE_BIO_CLEAR_POLLED
static inline void bio_clear_polled(struct bio *bio)
{
	bio->bi_opf &= ~REQ_HIPRI;
}
#endif

#if DBD_HAVE_BIO_BDEV

static inline struct gendisk *dbd_bio_disk(const struct bio *bio)
{
	return bio->bi_bdev->bd_disk;
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

#else

static inline struct gendisk *dbd_bio_disk(const struct bio *bio)
{
	return bio->bi_disk;
}

static inline void dbd_bio_set_gate(struct bio *bio, struct gendisk *gate)
{
	bio->bi_disk = gate;
	bio->bi_partno = 0;
}

/* The sector is absolute by now: partition 0. The blkg stays as it was. */
static inline void dbd_bio_restore(struct bio *bio, struct block_device *bdev)
{
	bio->bi_disk = bdev->bd_disk;
	bio->bi_partno = 0;
}

#endif

/*
 * Whether the block core would honour a change of the bio's disk now. Where
 * ->submit_bio has a result, a bio submitted from within the submission of
 * another to a disk with blk-mq goes to blk-mq without a look at its disk.
 */
static inline bool dbd_compat_can_divert(void)
{
#if DBD_HAVE_SUBMIT_BIO_VOID
	return true;
#else
	return !current->bio_list;
#endif
}

static inline void dbd_bio_init(struct bio *bio, struct block_device *bdev, struct bio_vec *vecs,
				unsigned short nr, blk_opf_t opf)
{
#if DBD_HAVE_BIO_INIT_BDEV
	bio_init(bio, bdev, vecs, nr, opf);
#else
	bio_init(bio, vecs, nr);
	bio_set_dev(bio, bdev);
	bio->bi_opf = opf;
#endif
}

#if !DBD_HAVE_BIO_ALLOC_CLONE
static inline struct bio *bio_alloc_clone(struct block_device *bdev, struct bio *src, gfp_t gfp,
					  struct bio_set *bs)
{
	struct bio *bio = bio_clone_fast(src, gfp, bs);

	if (bio)
		bio_set_dev(bio, bdev);
	return bio;
}
#endif

/* ---- disks ---- */

/* Block sizes are those of @like, when given. ERR_PTR on failure. */
struct gendisk *dbd_alloc_disk(const struct block_device_operations *fops,
			       struct block_device *like);
int dbd_add_disk(struct gendisk *disk);
/* When this returns nobody is inside ->submit_bio. */
void dbd_del_disk(struct gendisk *disk);
void dbd_put_disk(struct gendisk *disk);
/* For a disk that only receives bios and is never given to dbd_add_disk(). */
void dbd_disk_never_added(struct gendisk *disk);
/*
 * Waits for everything in the queue; of a stacking disk, for its submitters. What comes meanwhile waits for that.
 * False: it was not done within @timeout jiffies; MAX_SCHEDULE_TIMEOUT is for ever.
 */
bool dbd_queue_drain(struct request_queue *q, unsigned long timeout);

/* For bios to a disk of dbd_alloc_disk(), as long as that lives. */
static inline struct block_device *dbd_disk_bdev(struct gendisk *disk)
{
#if DBD_HAVE_DISK_PART0_BDEV
	return disk->part0;
#else
	return disk->queue->queuedata;
#endif
}

#if !DBD_HAVE_GENHD_FL_NO_PART
#define GENHD_FL_NO_PART GENHD_FL_NO_PART_SCAN
#endif

/*
 * ->open(disk) and ->release(disk) of a block device: DBD_DISK_OPEN(fn) defines
 * fn_op, which calls int fn(struct gendisk *); likewise for release, void.
 */
#if DBD_HAVE_DISK_OPEN_DISK
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
	/* For compat alone: what the open, or the freeze, returned. */
	union {
		struct file *file;
		struct super_block *frozen;
	};
};

/* Shared open for reading, by path; errno of the kernel's own open. */
int dbd_bdev_open(const char *path, struct dbd_bdev *ref);
void dbd_bdev_close(struct dbd_bdev *ref);

/*
 * Whether somebody has claimed the device itself (a file system, device-mapper,
 * md, swap), not only some of its partitions. A snapshot in time.
 */
bool dbd_bdev_claimed(struct block_device *bdev);

int dbd_freeze(struct dbd_bdev *ref, struct super_block *sb);
int dbd_thaw(struct dbd_bdev *ref);
/* How many of the former there were without the latter. */
static inline int dbd_freeze_count(struct block_device *bdev)
{
#if DBD_HAVE_FREEZE_COUNT_ATOMIC
	return atomic_read(&bdev->bd_fsfreeze_count);
#else
	return READ_ONCE(bdev->bd_fsfreeze_count);
#endif
}
/* As fsfreeze does: the device does not count it. */
int dbd_freeze_sb(struct super_block *sb);
int dbd_thaw_sb(struct super_block *sb);

#if !DBD_HAVE_BDEV_NR_SECTORS
static inline sector_t bdev_nr_sectors(struct block_device *bdev)
{
	return READ_ONCE(bdev->bd_part->nr_sects);
}
#endif

#if !DBD_HAVE_BDEV_NR_BYTES
static inline loff_t bdev_nr_bytes(struct block_device *bdev)
{
	return (loff_t)bdev_nr_sectors(bdev) << SECTOR_SHIFT;
}
#endif

/* Whether some file systems write pages to it without a bio. */
static inline bool dbd_bdev_has_rw_page(struct block_device *bdev)
{
#if DBD_HAVE_RW_PAGE
	return bdev->bd_disk->fops->rw_page;
#else
	return false;
#endif
}

/* ---- files and memory ---- */

/*
 * Whether the file's data is known to be journalled, inline or encrypted: then direct I/O is not
 * possible. Kernels before 6.1 do not tell.
 */
bool dbd_file_without_dio(struct file *file);

/* @dir locked, as for vfs_unlink() and notify_change(). */
int dbd_unlink(struct inode *dir, struct dentry *dentry);
int dbd_notify_change(struct dentry *dentry, struct iattr *attr);

/* The dentry of @name in directory @parent, perhaps negative; ERR_PTR. */
static inline struct dentry *dbd_lookup_child(struct dentry *parent, const char *name)
{
#if DBD_HAVE_LOOKUP_NOPERM
	return lookup_noperm_unlocked(&QSTR(name), parent);
#else
	return lookup_one_len_unlocked(name, parent, strlen(name));
#endif
}

#if !DBD_HAVE_SYSTEM_DFL_WQ
#define system_dfl_wq system_unbound_wq
#endif

#if !DBD_HAVE_MEMZERO_PAGE
static inline void memzero_page(struct page *page, size_t offset, size_t len)
{
	/* Ours are never in high memory. */
	memset(page_address(page) + offset, 0, len);
}
#endif

#endif /* DBD_COMPAT_H */
