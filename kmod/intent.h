/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The write-intent log: makes the map survive a power cut.
 *
 * The device is divided into regions. At each instant the map on disk has every
 * block that differs from the snapshot, but for blocks of regions whose bit is in
 * the log on disk. So after a crash the map on disk, and every block of the
 * regions in the log, are what has changed.
 *
 * Kept by this: a write passes only after its blocks were marked in the map in
 * memory and then, in the same RCU section, its regions were found open. A region is
 * opened when its bit in the log is durable. It is closed again when it was idle
 * for some time: no longer open; an RCU grace period, so that the mark of whoever
 * found it open is in the map; the map's blocks to the disk; only then, behind
 * a flush, the log without its bit.
 *
 * Writers to closed regions share one write to the log (group commit); to open
 * ones nobody waits.
 */
#ifndef DBD_INTENT_H
#define DBD_INTENT_H

#include <linux/bio.h>

#include "cow_file.h"
#include "map.h"

struct dbd_intent;

/**
 * struct dbd_intent_owner - what a log belongs to
 * @minor: of the device, for messages
 * @cow: the COW file it is in
 * @bdev: the device
 * @map: its map
 * @release: takes back a held bio: its regions are open, or were. Worker context
 * @lost: the log could not be written, and that could not be noted either
 * @arg: of both
 */
struct dbd_intent_owner {
	unsigned int minor;
	struct cow_file *cow;
	struct block_device *bdev;
	const struct dbd_map *map;
	void (*release)(void *arg, struct bio *bio);
	void (*lost)(void *arg, int error);
	void *arg;
};

/*
 * Process context. NULL: the COW file has no room for one. ERR_PTR. Nothing is on
 * disk yet.
 */
struct dbd_intent *dbd_intent_create(const struct dbd_intent_owner *owner);
/* Nobody looks at it any more; waits until nothing is held. NULL is fine. */
void dbd_intent_destroy(struct dbd_intent *in);

/* No region is closed any more until a bio is held again: nothing of that writes to the map on disk. */
void dbd_intent_rest(struct dbd_intent *in);
/*
 * The log on disk, made empty, durable on return. Whatever the map on disk has
 * is complete then and no write passes, or there was no log yet. Allocates
 * nothing.
 */
int dbd_intent_clear(struct dbd_intent *in);

/*
 * Whether blocks [@first, @first + @nr), marked in the map by now, may be
 * written. Under RCU, any context.
 */
bool dbd_intent_covers(struct dbd_intent *in, u64 first, u64 nr);
/* Somebody will ask that: their regions are opened soon. Any context. */
void dbd_intent_want(struct dbd_intent *in, u64 first, u64 nr);
/* The same, and @bio goes to ->release when that is done. Any context. */
void dbd_intent_hold(struct dbd_intent *in, struct bio *bio, u64 first, u64 nr);
/* Waits until no bio is held. Process context. */
void dbd_intent_drain(struct dbd_intent *in);

/*
 * While the place of the COW file is looked after by us alone, nothing is written
 * before its header was found there.
 */
void dbd_intent_set_guarded(struct dbd_intent *in, bool guarded);

/*
 * A transition: until the predecessor's file is finished, its log has what
 * this one has, so that its map stays complete. Before anybody asks @in. NULL
 * ends that; nothing is written to the predecessor's when it returns.
 */
void dbd_intent_also(struct dbd_intent *in, struct dbd_intent *predecessor);
/* The transition failed: @in serves again, for @map. Nobody asks it yet. */
void dbd_intent_resume(struct dbd_intent *in, const struct dbd_map *map);

/*
 * No log any more: everything passes, nothing is written. The header must not
 * speak of one by now.
 */
void dbd_intent_stop(struct dbd_intent *in);
/* That begins; no write of the log is begun any more, but one may be under way. Any context. */
void dbd_intent_halt(struct dbd_intent *in);
/* It was, or could not be written. */
bool dbd_intent_stopped(const struct dbd_intent *in);
/* It could not be written, and the header speaks of it: to be written again, until it does not. */
void dbd_intent_unmark(struct dbd_intent *in);

/*
 * Sets in @map all blocks of the regions in the log of @cow, as it is on disk. *@nr:
 * how many regions. -EINVAL with a message: it is damaged.
 */
int dbd_intent_load(struct cow_file *cow, struct block_device *bdev, struct dbd_map *map,
		    u64 *nr);

#endif /* DBD_INTENT_H */
