/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copy before write: keeps a snapshot's old blocks.
 *
 * A block is untouched -> pending (being read) -> saved (in RAM, bit set in the
 * map) -> stored (in the COW file). A held write waits until all its blocks are
 * saved, not until they are stored. When anything fails the snapshot's error is
 * set first and then every held write goes on: the origin never suffers.
 *
 * One worker for each snapshot does all copying; it never waits for memory, a
 * lock that is held across I/O, or a file system; for I/O only for the index's
 * own. Another sends the held writes
 * on, since the block layer may make their sender wait (throttling): copies do
 * not wait behind that.
 */
#ifndef DBD_COPY_H
#define DBD_COPY_H

#include <linux/bio.h>
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "copy_pool.h"
#include "cow_file.h"
#include "cow_index.h"
#include "cow_room.h"
#include "intercept.h"
#include "map.h"
#include "reason.h"

/**
 * struct dbd_snap - a snapshot being kept
 * @minor: of its device, for messages
 * @bdev: the origin
 * @target: interception of the origin's writes
 * @cow: where old blocks are stored
 * @map: bits of saved blocks; owned by the device
 * @error: the device's error: 0, then once a negative errno
 * @why: what is known of it; who sets @error sets this
 * @keeping: false once the device is incremental: held writes just pass
 * @dev_bytes: size of the origin
 * @room: where in the COW file the next old blocks go
 * @index: where saved blocks are stored
 * @lock: guards @incoming, @outgoing, @done and changes of @copies
 * @incoming: bios held and not yet looked at
 * @outgoing: bios to be sent on
 * @done: copies whose I/O has ended
 * @copies: by block; pending, and saved but not yet stored. Changed by the
 *	worker only, which reads it without @lock
 * @idle: woken when a copy is gone
 * @pending: bios the copy worker could not deal with yet; its own
 * @roomless: those that wait for the COW file to grow; its own
 * @nr_bios: held here and not yet sent on or ended
 * @nr_moving: copies that are being read or stored
 * @parking: the COW file is not known yet: copies stay in memory, in @parked
 * @parked: those, saved; the worker's
 * @taken_up: blocks that the file had when it became known, while parked copies
 *	are dealt with
 * @copy_work: the copy worker
 * @send_work: the other
 * @late_work: for @roomless, when the growth takes too long
 * @late: it does
 */
struct dbd_snap {
	unsigned int minor;
	struct block_device *bdev;
	struct dbd_target *target;
	struct cow_file *cow;
	struct dbd_map *map;
	int *error;
	struct dbd_why *why;
	bool keeping;
	u64 dev_bytes;
	struct cow_room room;
	struct cow_index index;
	spinlock_t lock;
	struct bio_list incoming;
	struct bio_list outgoing;
	struct list_head done;
	struct rb_root copies;
	wait_queue_head_t idle;
	struct bio_list pending;
	struct bio_list roomless;
	atomic_t nr_bios;
	atomic_t nr_moving;
	bool parking;
	struct list_head parked;
	const struct dbd_map *taken_up;
	struct copy_pool pool;
	mempool_t copy_mem;
	struct workqueue_struct *wq;
	struct work_struct copy_work;
	struct work_struct send_work;
	struct delayed_work late_work;
	bool late;
};

/* Module load and unload. */
int dbd_copy_init(void);
void dbd_copy_exit(void);

/*
 * Process context. ERR_PTR. Takes no reference: all arguments outlive it.
 * @cache: bytes of memory for the index.
 */
struct dbd_snap *dbd_snap_create(unsigned int minor, struct dbd_target *target,
				 struct cow_file *cow, struct dbd_map *map, int *error,
				 struct dbd_why *why, u64 cache);
/* Nothing is diverted to it any more and dbd_snap_quiesce() has returned. */
void dbd_snap_destroy(struct dbd_snap *snap);

/* Takes a diverted bio. Submitter's context. */
void dbd_snap_hold(struct dbd_snap *snap, struct bio *bio);

/*
 * The snapshot is lost: sets the device's error if it has none. After that
 * reads fail, held and later writes pass. Any context. @why is a constant.
 */
void dbd_snap_fail(struct dbd_snap *snap, int error, const char *why, u64 block);

/* From now on held writes pass without a copy. Process context. */
void dbd_snap_stop_keeping(struct dbd_snap *snap);

/* Neither that, nor has it failed: what it reads as is good. */
bool dbd_snap_keeping(struct dbd_snap *snap);

/*
 * Waits until no copy is on its way. New ones must be excluded, by an error or
 * by dbd_snap_stop_keeping(). May sleep.
 */
void dbd_snap_quiesce(struct dbd_snap *snap);

/*
 * Waits until every held bio was sent on and every copy is stored, or parked.
 * Nothing new may be held meanwhile. May sleep.
 */
void dbd_snap_drain(struct dbd_snap *snap);

/*
 * For a snapshot that is to be taken up again from a file not yet known:
 * copies are kept in memory. Before the first bio.
 */
void dbd_snap_park(struct dbd_snap *snap);
/*
 * The file is known: @loaded has the blocks that it holds. They join the map,
 * and parked copies of others go to the file. After dbd_snap_drain(), while
 * nothing can be held.
 */
void dbd_snap_take_up(struct dbd_snap *snap, const struct dbd_map *loaded);

/* The room has grown, or will not: looks again at writes that wait for it. */
void dbd_snap_room_changed(struct dbd_snap *snap);

/* Waits until @block is not on its way to the COW file. May sleep. */
void dbd_snap_wait_stored(struct dbd_snap *snap, u64 block);

#endif /* DBD_COPY_H */
