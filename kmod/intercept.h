/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Seeing and holding other people's writes.
 *
 * The only part that knows how writes are intercepted. A target is a range of
 * sectors of one disk. Its filter sees each bio that changes a sector of the
 * range, once, in the submitter's context, before the driver of the disk does;
 * when it answers DBD_DIVERT the bio is taken out of the way and handed to
 * ->held, whose owner later sends it on or ends it.
 */
#ifndef DBD_INTERCEPT_H
#define DBD_INTERCEPT_H

#include <linux/blkdev.h>
#include <linux/list.h>
#include <linux/wait.h>

struct dbd_target;

enum dbd_verdict {
	DBD_PASS, /* goes on as if nobody had looked */
	DBD_DIVERT, /* goes to ->held */
};

struct dbd_target_ops {
	/*
	 * The part of @bio on the target is [@first, @first + @nr), sectors
	 * from the target's start. Called under RCU, must not sleep; preemption
	 * may be on.
	 */
	enum dbd_verdict (*filter)(struct dbd_target *t, struct bio *bio, sector_t first,
				   sector_t nr);
	/*
	 * The filter wanted @bio diverted but this bio cannot be: it passes.
	 * Same context and arguments.
	 */
	void (*missed)(struct dbd_target *t, struct bio *bio, sector_t first, sector_t nr);
	/*
	 * Takes @bio, which is out of the submitter's hands until
	 * dbd_target_send() or dbd_target_end(). Submitter's context; must not
	 * wait for other I/O, since bios submitted here are queued behind us.
	 */
	void (*held)(struct dbd_target *t, struct bio *bio);
	/* For whoever got it there and is done with it. Process context. */
	void (*let_go)(struct dbd_target *t, struct bio *bio);
};

/**
 * struct dbd_target - a range of sectors whose writes are seen
 * @node: in the list of targets, RCU
 * @ops: what to do with them
 * @bdev: the device tracked; the caller keeps it open
 * @disk: its disk
 * @start: first sector on the disk
 * @nr: sectors
 * @gate: private disk, never added, that diverted bios are sent to
 * @nr_diverted: bios diverted and not yet sent on or ended
 * @idle: woken when @nr_diverted becomes 0
 */
struct dbd_target {
	struct list_head node;
	const struct dbd_target_ops *ops;
	struct block_device *bdev;
	struct gendisk *disk;
	sector_t start;
	sector_t nr;
	struct gendisk *gate;
	atomic_t nr_diverted;
	wait_queue_head_t idle;
};

/*
 * Module load and unload. Init runs the self-test: -EOPNOTSUPP when this
 * kernel does not deliver a diverted bio. Exit requires that no target is left.
 */
int dbd_intercept_init(void);
void dbd_intercept_exit(void);
int dbd_intercept_selftest(void);

/* Process context. @t stays owned by the caller. */
int dbd_target_init(struct dbd_target *t, struct block_device *bdev,
		    const struct dbd_target_ops *ops);
/* Only when not armed and nothing is diverted. */
void dbd_target_destroy(struct dbd_target *t);

/* From here on the filter is called. */
void dbd_target_arm(struct dbd_target *t);
/* When this returns the filter is not running and will not be called again. */
void dbd_target_disarm(struct dbd_target *t);

/*
 * Returns when each filter call that began before has returned; what it
 * decided on older state has been decided.
 */
void dbd_target_sync(struct dbd_target *t);
/* As above, and each bio then diverted has been sent on or ended. May sleep. */
void dbd_target_wait_held(struct dbd_target *t);
/*
 * As dbd_target_sync(), and requests that were in the disk's queue have completed, be they of other users or
 * partitions. For a stacking disk only its submitters are waited for. Called with the file system frozen: allocates
 * nothing. -ETIMEDOUT: they have not after @timeout jiffies.
 */
int dbd_target_drain(struct dbd_target *t, unsigned long timeout);

/*
 * Process context. Ends the hold of a bio given to ->held; the filter must pass
 * a bio that is sent. The caller's thread must be known to have left these
 * functions before the target is destroyed (flush the worker).
 */
void dbd_target_send(struct dbd_target *t, struct bio *bio);
void dbd_target_end(struct dbd_target *t, struct bio *bio, blk_status_t status);

/* The part of @bio on the target: sectors from its start. */
static inline void dbd_target_range(const struct dbd_target *t, const struct bio *bio,
				    sector_t *first, sector_t *nr)
{
	sector_t begin = max(bio->bi_iter.bi_sector, t->start);

	*first = begin - t->start;
	*nr = min(bio_end_sector(bio), t->start + t->nr) - begin;
}

/* Our own bio, just initialised: hidden from all filters. */
static inline void dbd_bio_hide(struct bio *bio)
{
	bio_set_flag(bio, BIO_TRACE_COMPLETION);
}

#endif /* DBD_INTERCEPT_H */
