/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Room in the COW file of a snapshot: where the next old blocks go.
 *
 * It is taken by the copy worker, in order, run by run; growing the file adds
 * runs behind. When little is left a worker that makes the file larger is
 * asked for; while it is at it, writes that find no room wait for it, but not
 * for long: what it does may itself wait for one of them. What the file system
 * and its log write goes first, since that it surely waits for.
 */
#ifndef DBD_COW_ROOM_H
#define DBD_COW_ROOM_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "cow_file.h"

struct cow_run {
	u64 first; /* block number in the file */
	u64 nr;
};

/**
 * struct cow_runs - runs of blocks of the file, from one step of growth
 * @node: in cow_room.behind
 * @nr: runs
 * @next: the first that is not in use yet
 * @runs: in order
 */
struct cow_runs {
	struct list_head node;
	unsigned int nr;
	unsigned int next;
	struct cow_run runs[];
};

/**
 * struct cow_room - see above
 * @cow: the file; its fpos is the next block of the run in use, its run_end is
 *	behind that run's last (the taker's)
 * @lock: guards the others
 * @behind: struct cow_runs, what comes after that run
 * @nr_behind: blocks in there
 * @wq: where @grower runs
 * @grower: makes the file larger, or NULL
 * @low: blocks; with no more than that left @grower is asked for
 * @growing: it was, or somebody else is growing the file
 */
struct cow_room {
	struct cow_file *cow;
	spinlock_t lock;
	struct list_head behind;
	u64 nr_behind;
	struct workqueue_struct *wq;
	struct work_struct *grower;
	u64 low;
	bool growing;
};

/* The run that @cow is in. */
void cow_room_init(struct cow_room *room, struct cow_file *cow);
void cow_room_destroy(struct cow_room *room);

/* ---- the taker ---- */

/*
 * How many blocks, up to @nr, can be taken in one run. @urgent: the last ones
 * as well, which others leave while the file grows.
 */
u64 cow_room_get(struct cow_room *room, u64 nr, bool urgent);
/* Takes @nr of them; the block number of the first. */
u64 cow_room_take(struct cow_room *room, u64 nr);
/* No room does not mean full: it is being made. Asks for that when it is time. */
bool cow_room_is_growing(struct cow_room *room);

/* ---- who grows the file; any context but an interrupt ---- */

/* @runs becomes the room's. */
void cow_room_add(struct cow_room *room, struct cow_runs *runs);
bool cow_room_is_low(struct cow_room *room);
/* Blocks that old blocks can still go to. */
u64 cow_room_left(struct cow_room *room);
/* NULL: nobody grows it from now on; the caller then waits for @grower. */
void cow_room_set_grower(struct cow_room *room, struct workqueue_struct *wq,
			 struct work_struct *grower, u64 low);
/* A step begins. */
void cow_room_grow_begin(struct cow_room *room);
/* It has ended. @failed: to be tried again when half as much is left. */
void cow_room_grow_end(struct cow_room *room, bool failed);

#endif /* DBD_COW_ROOM_H */
