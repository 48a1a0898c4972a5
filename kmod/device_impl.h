/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of the tracked device, shared by the files that make it up. */
#ifndef DBD_DEVICE_IMPL_H
#define DBD_DEVICE_IMPL_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "copy.h"
#include "cow_file.h"
#include "cow_grow.h"
#include "device.h"
#include "map.h"
#include "mount_mark.h"
#include "snap_disk.h"
#include "tracker.h"

/**
 * struct dbd_device - a tracked device
 * @minor: its number
 * @kref: the table's reference, given up an RCU grace period after it left the
 *	table, and one for each event on its way
 * @lock: guards all that follows unless said otherwise
 * @dead: destroyed: events that come now are too late
 * @ref: the origin, held open
 * @path: its resolved path
 * @cache: bytes asked for the index, 0: default (also view lock)
 * @snapshot: mode (also view lock)
 * @active: the file system is mounted read-write and the COW file pinned.
 *	Cleared without the lock when the file system ends
 * @unverified: reloaded, its COW file not seen yet (also view lock)
 * @resting: not active, and rest() has seen it
 * @seal_error: of the last seal that was tried then
 * @holds_module: active devices do
 * @error: first failure, negative errno, sticks; set by anybody
 * @why: what is known of it
 * @origin: of an unverified device: see cow_track_load()
 * @next: of one that is to be taken up by its record, whose path @cow has: path of the
 *	second record, or empty; else NULL
 * @resolved: @cow is what the record led to
 * @taken: what is in @cow was, or may have been, changed for the present mount
 * @cow: present COW file (also view lock)
 * @map: changes since the snapshot (also view lock)
 * @log: that of @map in @cow; NULL: none
 * @snap: the snapshot being kept
 * @disk: its disk
 * @grow: what makes the COW file of @snap larger; NULL: was not asked for yet
 * @step: bytes it grows by when little is left (also view lock)
 * @reserved: bytes that stay free then (also view lock)
 * @tracker: the origin's writes
 * @settle: looks after a device without a mount, see states.c
 * @note: notes the mount again, see dbd_tracker_watch()
 * @seal: seals it, as the machine goes down
 */
struct dbd_device {
	unsigned int minor;
	struct kref kref;
	struct mutex lock;
	bool dead;
	struct dbd_bdev ref;
	char *path;
	u64 cache;
	bool snapshot;
	bool active;
	bool unverified;
	bool resting;
	int seal_error;
	bool holds_module;
	int error;
	struct dbd_why why;
	struct dbd_found_marks origin;
	char *next;
	bool resolved, taken;
	struct cow_file *cow;
	struct dbd_map *map;
	struct dbd_intent *log;
	struct dbd_snap *snap;
	struct snap_disk *disk;
	struct dbd_grow *grow;
	u64 step;
	u64 reserved;
	struct dbd_tracker tracker;
	struct delayed_work settle;
	struct delayed_work note;
	struct work_struct seal;
};

enum dbd_state { /* the interface's state bits, as they may combine */
	DORMANT_INC = 0,
	DORMANT_SNAP = DATTO_STATE_SNAPSHOT,
	ACTIVE_INC = DATTO_STATE_ACTIVE,
	ACTIVE_SNAP = DATTO_STATE_SNAPSHOT | DATTO_STATE_ACTIVE,
	UNVERIFIED_INC = DATTO_STATE_UNVERIFIED,
	UNVERIFIED_SNAP = DATTO_STATE_UNVERIFIED | DATTO_STATE_SNAPSHOT,
};

static inline enum dbd_state state_of(const struct dbd_device *dev)
{
	return (dev->snapshot ? DATTO_STATE_SNAPSHOT : 0) |
	       (READ_ONCE(dev->active) ? DATTO_STATE_ACTIVE : 0) |
	       (dev->unverified ? DATTO_STATE_UNVERIFIED : 0);
}

/* ---- device.c ---- */

/* What INFO and the status file show is changed under this; a leaf lock. */
extern struct mutex dbd_view_lock;

/*
 * The device on @bdev, or NULL; it does not go before the caller's RCU section
 * ends. Any context.
 */
struct dbd_device *dbd_device_on(dev_t bdev);
/* Drops a reference. Process context. */
void dbd_device_put(struct dbd_device *dev);
int dbd_device_add_disk(struct dbd_device *dev);
/* Says why the device cannot be tracked; @ret. */
int dbd_device_refuse(const struct dbd_device *dev, int ret, const char *why);
/* What setup and reload demand of it. */
int dbd_device_check(struct dbd_device *dev);
/*
 * Whether @bytes is what is tracked of the device. It may grow while it is: that is
 * seen by no filter and has no place in map or COW file.
 */
int dbd_device_check_size(const struct dbd_device *dev, u64 bytes);
/* A new device, not in the table. ERR_PTR. Control lock. */
struct dbd_device *dbd_device_open(const char *bdev, u64 cache, unsigned int minor);
/* From here on the device is found; it may have been remounted read-only since. */
void dbd_device_publish(struct dbd_device *dev, struct super_block *sb);
/*
 * Ends tracking. The filter is off and no write is held when the snapshot goes;
 * it goes after the last chance of the unmount callback.
 */
void dbd_device_stop(struct dbd_device *dev);
/* No worker has the device in hand any more, nor will; it is dead and not locked. */
void dbd_device_end_work(struct dbd_device *dev);

enum dbd_event {
	EV_DESTROY,
	EV_TRANSITION_INC,
	EV_FORCE_INC,
	EV_TRANSITION_SNAP,
	EV_RECONFIGURE,
	EV_EXPAND,
};

/*
 * The device of @minor, locked until dbd_device_done(), if it accepts @event, else
 * ERR_PTR. An exclusive event leaves the snapshot's disk closed. Control lock.
 */
struct dbd_device *dbd_device_for(unsigned int minor, enum dbd_event event);
/* The disk, if there is one by now, can be opened again. */
void dbd_device_done(struct dbd_device *dev);

/* ---- parts.c ---- */

/* Map, log, snapshot and published struct of a new snapshot, not yet in use. */
struct snap_parts {
	struct dbd_map *map;
	struct dbd_intent *log;
	struct dbd_snap *snap;
	struct dbd_track *track;
};

/*
 * @cache: bytes for the index, 0: the default. @flags: COW_TRACK_PENDING, when there
 * is a predecessor.
 */
int dbd_parts_make(struct dbd_device *dev, struct cow_file *cow, u64 cache, u32 flags,
		   struct snap_parts *p);
void dbd_parts_free(struct snap_parts *p);
/* @p becomes the device's. Control lock held; the caller publishes the track. */
void dbd_parts_install(struct dbd_device *dev, struct snap_parts *p, struct cow_file *cow);
/* Freezes the device's file system, which is @sb, and makes sure of it. */
int dbd_begin_freeze(struct dbd_device *dev, struct super_block *sb);
/*
 * Says and mends what went wrong when it was thawed, by dbd_thaw(), which has returned @ret. Else 0. An error: somebody
 * else did, some time before, and what was taken is not of one instant. May freeze it, and so wait for whatever is frozen.
 */
int dbd_end_freeze(struct dbd_device *dev, struct super_block *sb, int ret);
/* While it is frozen: nothing is under way that the filter has not seen. */
int dbd_device_drain(struct dbd_device *dev);
/* Settings of growth end with the snapshot; a step under way is waited for. */
void dbd_end_growth(struct dbd_device *dev);

/* What the tracker publishes; NULL: no memory. */
struct dbd_track *dbd_track_alloc(struct dbd_map *map, struct dbd_snap *snap,
				  struct dbd_intent *log);
/* A log of @map in @cow, not begun; *@log NULL: there is to be none. */
int dbd_device_new_log(struct dbd_device *dev, struct cow_file *cow, struct dbd_map *map,
		       struct dbd_intent **log);
/*
 * From here on the file can be taken up after a crash. @log may be NULL. @map is
 * complete, and nobody writes, or asks the log. @flags: for cow_track_use().
 */
int dbd_device_begin_log(struct dbd_device *dev, struct cow_file *cow, const struct dbd_map *map,
			 struct dbd_intent *log, u32 flags);
/*
 * The header names the present mount and the log, unless there is none, or it could not be
 * written. @flags: for cow_track_use().
 */
int dbd_device_claim_log(struct dbd_device *dev, struct cow_file *cow, struct dbd_intent *log,
			 u32 flags);

/* ---- setup.c, transition.c: the calls of device.h, under the control lock ---- */

int dbd_setup_locked(const struct dbd_member *members, unsigned int nr, unsigned int *failed);
int dbd_transition_inc_locked(unsigned int minor);
int dbd_force_inc_locked(unsigned int minor);
int dbd_transition_snap_locked(const char *cow_path, u64 size, unsigned int minor);

/* ---- states.c ---- */

/*
 * Brings the state in line with what is: @sb is the device's file system, held,
 * or NULL when none is mounted. Device lock. In a task without an address space
 * a device does not become active.
 */
void dbd_device_follow(struct dbd_device *dev, struct super_block *sb);
/* The COW file's header names the present mount from now on; else a crash costs the map. Device lock. */
void dbd_device_note_mount(struct dbd_device *dev);
/*
 * The snapshot is over, or was lost in a crash, perhaps of this very step: its old blocks are worth nothing. If they
 * cannot be given back, next time. Device lock.
 */
void dbd_device_drop_old_blocks(struct dbd_device *dev);
/* The first snapshot is running. Device lock. */
void dbd_device_activated(struct dbd_device *dev);
/* Has a worker look at the device soon. Any context. */
void dbd_device_settle(struct dbd_device *dev);
void dbd_device_settle_work(struct work_struct *work);
void dbd_device_note_work(struct work_struct *work);
void dbd_device_seal_work(struct work_struct *work);
/* Callbacks of the tracker. */
void dbd_device_unsealed(struct dbd_tracker *tracker);
void dbd_device_logged(struct dbd_tracker *tracker);
/* Callback of the COW file: its file system is ending. @dev: the device. */
void dbd_device_unmounted(void *dev);

#endif /* DBD_DEVICE_IMPL_H */
