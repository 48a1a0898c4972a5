/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The writes of one tracked device.
 *
 * Each write is marked in the map; while a snapshot is kept it is first held
 * until its old blocks are saved. What the probe needs for that is one
 * RCU-published struct, replaced as a whole.
 *
 * Then, and before it goes on, its region must be open in the write-intent log.
 *
 * Above that stands a gate. While it is closed every write is held, so that map
 * and snapshot stand still. Sealing closes it for good and writes both to the
 * COW file, whose header then says that they are complete; the first write that
 * comes takes that back on disk before it passes. So at each instant the file
 * either says that it is not complete, or it is.
 */
#ifndef DBD_TRACKER_H
#define DBD_TRACKER_H

#include "copy.h"
#include "intent.h"
#include "intercept.h"
#include "map.h"
#include "mount_mark.h"

/* What the probe sees. @snap NULL: only mark. @log NULL: a crash costs the map. */
struct dbd_track {
	struct dbd_map *map;
	struct dbd_snap *snap;
	struct dbd_intent *log;
};

/**
 * struct dbd_tracker - the writes of one device
 * @target: interception of them
 * @track: what the probe sees, RCU; never NULL while armed
 * @error: the device's first failure
 * @why: what is known of it
 * @minor: of the device, for messages
 * @lock: guards @held, changes of @closed
 * @closed: no write passes
 * @held: writes held by the gate
 * @gate_lock: who closes or opens the gate; guards @sealed and @cow
 * @sealed: @cow says on disk that it is complete; @closed then
 * @confirmed: what it says of the device is so, with all ended that was let through before
 * @differs: what it says is not so
 * @map_lost: changes are in no map: somebody has written past this
 * @cow: what was sealed, or is guarded
 * @guard: extents of the COW file that nobody else may write, or NULL: the
 *	file system looks after them. RCU
 * @overwritten: by a write that could not be held: what @guard demands is to be done
 * @last_write: jiffies, of writes seen while guarded
 * @log_start, @log_nr: see dbd_tracker_await_mark(); nr 0: not, or not any more
 * @marked: there was a write to them
 * @watch, @watched, @watch_last: see dbd_tracker_watch(); sectors written of those since the
 *	last call, and when, in jiffies
 * @disclaimed: its COW file cannot be taken up any more; @gate_lock
 * @unsealed: called when the first write has taken a seal back; may be NULL
 * @wq: where the gate is opened
 * @open_work: opens it
 */
struct dbd_tracker {
	struct dbd_target target;
	struct dbd_track __rcu *track;
	int *error;
	struct dbd_why *why;
	unsigned int minor;
	spinlock_t lock;
	bool closed;
	struct bio_list held;
	struct mutex gate_lock;
	bool sealed;
	bool confirmed;
	bool differs;
	bool map_lost;
	struct cow_file *cow;
	const struct cow_extents *guard;
	bool overwritten;
	unsigned long last_write;
	sector_t log_start, log_nr;
	bool marked;
	bool disclaimed;
	void (*unsealed)(struct dbd_tracker *t);
	void (*logged)(struct dbd_tracker *t);
	struct dbd_watch watch;
	atomic_t watched;
	unsigned long watch_last;
	struct workqueue_struct *wq;
	struct work_struct open_work;
};

/* A log for @cow and @map, for the tracker's writes. As dbd_intent_create(). */
struct dbd_intent *dbd_tracker_new_log(struct dbd_tracker *t, struct cow_file *cow,
				       const struct dbd_map *map);

/* Process context. All arguments outlive it. */
int dbd_tracker_init(struct dbd_tracker *t, unsigned int minor, struct block_device *bdev,
		     int *error, struct dbd_why *why, void (*unsealed)(struct dbd_tracker *t),
		     void (*logged)(struct dbd_tracker *t));
/* Not armed, nothing held. */
void dbd_tracker_destroy(struct dbd_tracker *t);

/* From here on writes are seen. @track becomes the tracker's. */
void dbd_tracker_start(struct dbd_tracker *t, struct dbd_track *track);
/*
 * A mount writes its mark to these sectors and then to others. The mark is durable before any of
 * those reaches the device, once; so whoever does not find it knows that nothing was written.
 * For a track without snapshot and log.
 */
void dbd_tracker_await_mark(struct dbd_tracker *t, sector_t start, sector_t nr);
/*
 * The mark of a mount was noted just now. ->logged is called, in any context, each time when what
 * @watch says was written since; and at once when this is called for the first time, as such a write may have
 * been before. Not after dbd_tracker_stop().
 */
void dbd_tracker_watch(struct dbd_tracker *t, const struct dbd_watch *watch);
/*
 * Ends that; nothing is held when it returns. Frees what was published. A seal
 * stays.
 */
void dbd_tracker_stop(struct dbd_tracker *t);
/*
 * Replaces what the probe sees and frees what it saw; when this returns nobody
 * looks at that any more. Bios held on its account may remain.
 */
void dbd_tracker_publish(struct dbd_tracker *t, struct dbd_track *track);

/*
 * When this returns no write passes and nothing changes in map and snapshot,
 * until dbd_tracker_open(). The caller does not allocate in between in a way
 * that could wait for a write, and touches no file system.
 */
void dbd_tracker_close(struct dbd_tracker *t);
void dbd_tracker_open(struct dbd_tracker *t);

/*
 * Writes map and snapshot to @cow and seals it. 0 as well when it was. Process
 * context; no file system is touched, I/O is raw.
 */
int dbd_tracker_seal(struct dbd_tracker *t, struct cow_file *cow);
/*
 * Some time after the last write: what was on its way when the seal was made has ended. Whether the seal tells of
 * the device as it is. -ESTALE: not; a reload will say so. Process context, as above.
 */
int dbd_tracker_confirm(struct dbd_tracker *t);
/* Takes the seal back, on disk first; nothing to do when there is none. */
int dbd_tracker_unseal(struct dbd_tracker *t);
/*
 * @cow must not be taken up any more, says its header when this returns without an
 * error; and no log is written any more in either case. Process context.
 */
int dbd_tracker_disclaim(struct dbd_tracker *t, struct cow_file *cow);

static inline bool dbd_tracker_sealed(const struct dbd_tracker *t)
{
	return READ_ONCE(t->sealed);
}

/*
 * From here on a write of somebody else to where @cow is fails the device before it
 * passes: nothing is written there by us any more. NULL ends that; when it
 * returns nobody looks at its extents any more.
 */
void dbd_tracker_guard(struct dbd_tracker *t, struct cow_file *cow);

#endif /* DBD_TRACKER_H */
