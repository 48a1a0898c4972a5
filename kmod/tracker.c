// SPDX-License-Identifier: GPL-2.0-only
/* See tracker.h. Lock order: gate_lock, lock, the snapshot's or the log's lock. */
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "cow_track.h"
#include "dbd.h"
#include "tracker.h"

static struct dbd_tracker *tracker_of(struct dbd_target *t)
{
	return container_of(t, struct dbd_tracker, target);
}

static u64 first_block(sector_t first)
{
	return first / COW_SECTORS_PER_BLOCK;
}

static u64 end_block(sector_t first, sector_t nr)
{
	return DIV_ROUND_UP_ULL(first + nr, COW_SECTORS_PER_BLOCK);
}

/* Whether sectors [@first, @first + @nr) touch the COW file while nobody may. */
static bool on_guarded(struct dbd_tracker *t, sector_t first, sector_t nr)
{
	const struct cow_extents *guard = READ_ONCE(t->guard);

	if (!guard)
		return false;
	WRITE_ONCE(t->last_write, jiffies);
	return cow_extents_overlap(guard, (u64)first << SECTOR_SHIFT, (u64)nr << SECTOR_SHIFT);
}

/* Whether a write has to wait for the mark of a mount, see dbd_tracker_await_mark(). */
static bool awaits_mark(struct dbd_tracker *t, sector_t first, sector_t nr)
{
	sector_t log_nr = smp_load_acquire(&t->log_nr); /* as in dbd_tracker_await_mark() */

	if (!log_nr)
		return false;
	if (first < t->log_start + log_nr && first + nr > t->log_start) {
		WRITE_ONCE(t->marked, true);
		return false;
	}
	return READ_ONCE(t->marked);
}

static void watch_log(struct dbd_tracker *t, sector_t first, sector_t nr)
{
	sector_t watch_nr = smp_load_acquire(&t->watch.nr); /* as in dbd_tracker_watch() */

	if (!watch_nr || (first >= t->watch.head &&
			  (first >= t->watch.start + watch_nr || first + nr <= t->watch.start)))
		return;
	WRITE_ONCE(t->watch_last, jiffies);
	if (atomic_add_return(nr, &t->watched) < t->watch.limit)
		return;
	atomic_set(&t->watched, 0);
	t->logged(t);
}

/* Whether blocks [@b, @end), marked by now, may be written. Under RCU. */
static bool logged(const struct dbd_track *track, u64 b, u64 end)
{
	return !track->log || dbd_intent_covers(track->log, b, end - b);
}

static enum dbd_verdict filter_write(struct dbd_target *target, struct bio *bio, sector_t first,
				     sector_t nr)
{
	struct dbd_tracker *t = tracker_of(target);
	struct dbd_track *track = rcu_dereference(t->track);
	u64 b = first_block(first), end = end_block(first, nr);

	watch_log(t, first, nr);
	if (READ_ONCE(t->closed) || on_guarded(t, first, nr))
		return DBD_DIVERT;
	if (!track->snap && !track->log && awaits_mark(t, first, nr))
		return DBD_DIVERT;
	if (!track->snap || READ_ONCE(*t->error))
		dbd_map_set(track->map, b, end - b);
	else if (dbd_map_next_clear(track->map, b, end) < end)
		return DBD_DIVERT;
	return logged(track, b, end) ? DBD_PASS : DBD_DIVERT;
}

static const char overwritten[] = "the place of its COW file was overwritten";

static void tracker_fail(struct dbd_tracker *t, int error, const char *why)
{
	struct dbd_snap *snap;

	/* It may be ending. */
	rcu_read_lock();
	snap = rcu_dereference(t->track)->snap;
	if (snap)
		dbd_snap_fail(snap, error, why, 0);
	rcu_read_unlock();
	if (snap || cmpxchg(t->error, 0, error) != 0)
		return;
	dbd_why_set(t->why, why, 0);
	dbd_err("datto%u: tracking is lost: %s: %d", t->minor, why, error);
}

/* Error first: a reader that gets what this write leaves sees it. */
static void missed_write(struct dbd_target *target, struct bio *bio, sector_t first, sector_t nr)
{
	struct dbd_tracker *t = tracker_of(target);
	struct dbd_track *track = rcu_dereference(t->track);
	u64 b = first_block(first), end = end_block(first, nr);

	if (track->snap) /* it may have ended since the filter looked */
		dbd_snap_fail(track->snap, -EOPNOTSUPP, "a write that cannot be held", b);
	dbd_map_set(track->map, b, end - b);
	/* Best effort: all of this should have been done before it passes. */
	if (on_guarded(t, first, nr)) {
		tracker_fail(t, -ESTALE, overwritten);
		if (track->log)
			dbd_intent_halt(track->log);
		WRITE_ONCE(t->overwritten, true);
		queue_work(t->wq, &t->open_work);
	}
	if (READ_ONCE(t->closed)) {
		WRITE_ONCE(t->confirmed, false); /* this is what differs from it then */
		queue_work(t->wq, &t->open_work);
	} else if (track->log)
		dbd_intent_want(track->log, b, end - b);
}

static void bio_blocks(const struct dbd_tracker *t, const struct bio *bio, u64 *b, u64 *end)
{
	sector_t first, nr;

	dbd_target_range(&t->target, bio, &first, &nr);
	*b = first_block(first);
	*end = end_block(first, nr);
}

static bool bio_on_guarded(struct dbd_tracker *t, struct bio *bio)
{
	sector_t first, nr;

	dbd_target_range(&t->target, bio, &first, &nr);
	return on_guarded(t, first, nr);
}

/*
 * Neither snapshot nor log is freed while a bio is diverted. What is published may
 * be without either by now: then the worker deals with the bio.
 */
static void hold_write(struct dbd_target *target, struct bio *bio)
{
	struct dbd_tracker *t = tracker_of(target);
	struct dbd_track *track;
	unsigned long flags;
	u64 b, end;

	bio_blocks(t, bio, &b, &end);
	rcu_read_lock();
	track = rcu_dereference(t->track);
	spin_lock_irqsave(&t->lock, flags);
	if (t->closed || bio_on_guarded(t, bio) || (!track->snap && !track->log)) {
		bio_list_add(&t->held, bio);
		queue_work(t->wq, &t->open_work);
	} else if (track->snap) {
		if (track->log) /* while the old blocks are read */
			dbd_intent_want(track->log, b, end - b);
		dbd_snap_hold(track->snap, bio);
	} else {
		dbd_intent_hold(track->log, bio, b, end - b);
	}
	spin_unlock_irqrestore(&t->lock, flags);
	rcu_read_unlock();
}

/*
 * Marks the blocks of a held bio that needs no copy any more. Whether it may go; if
 * not, the log has it. What was decided by @track is done before an instant:
 * dbd_tracker_publish(), then dbd_intent_drain().
 */
static bool mark_and_ask(const struct dbd_track *track, struct bio *bio, u64 b, u64 end)
{
	dbd_map_set(track->map, b, end - b);
	if (logged(track, b, end))
		return true;
	dbd_intent_hold(track->log, bio, b, end - b);
	return false;
}

/* The snapshot is done with a held bio. Process context. */
static void let_go(struct dbd_target *target, struct bio *bio)
{
	struct dbd_tracker *t = tracker_of(target);
	bool go;
	u64 b, end;

	bio_blocks(t, bio, &b, &end);
	rcu_read_lock();
	go = mark_and_ask(rcu_dereference(t->track), bio, b, end);
	rcu_read_unlock();
	if (go)
		dbd_target_send(target, bio);
}

/* A bio held for the log or by the gate, by what stands now. Process context. */
static void dispatch(struct dbd_tracker *t, struct bio *bio)
{
	struct dbd_track *track;
	bool go = false;
	u64 b, end;

	bio_blocks(t, bio, &b, &end);
	rcu_read_lock();
	track = rcu_dereference(t->track);
	spin_lock_irq(&t->lock);
	if (t->closed || bio_on_guarded(t, bio)) {
		bio_list_add(&t->held, bio);
		queue_work(t->wq, &t->open_work);
	} else if (track->snap && !READ_ONCE(*t->error) &&
		   dbd_map_next_clear(track->map, b, end) < end) {
		dbd_snap_hold(track->snap, bio);
	} else {
		go = mark_and_ask(track, bio, b, end);
	}
	spin_unlock_irq(&t->lock);
	rcu_read_unlock();
	if (go)
		dbd_target_send(&t->target, bio);
}

static const struct dbd_target_ops write_ops = {
	.filter = filter_write,
	.missed = missed_write,
	.held = hold_write,
	.let_go = let_go,
};

/* ---- the gate ---- */

static struct dbd_snap *snap_of(struct dbd_tracker *t)
{
	struct dbd_snap *snap;

	rcu_read_lock();
	snap = rcu_dereference(t->track)->snap;
	rcu_read_unlock();
	return snap;
}

/* NULL as well when the tracker was stopped: an unmount may come later. */
static struct dbd_intent *log_of(struct dbd_tracker *t)
{
	struct dbd_intent *log;
	struct dbd_track *track;

	rcu_read_lock();
	track = rcu_dereference(t->track);
	log = track ? track->log : NULL;
	rcu_read_unlock();
	return log;
}

static void stop_log(struct dbd_tracker *t)
{
	struct dbd_intent *log = log_of(t);

	if (log)
		dbd_intent_stop(log);
}

/*
 * Somebody writes to where the COW file was: it is no longer ours. No raw write
 * of ours is on its way there when this returns, and none will be; only then may
 * others' pass.
 */
static void tracker_disown(struct dbd_tracker *t)
{
	struct dbd_snap *snap = snap_of(t);

	tracker_fail(t, -ESTALE, overwritten);
	/* If its header is not, that must not be believed any more. */
	cow_track_unlog(t->cow, t->target.bdev);
	t->disclaimed = true; /* as far as that can be: from here on the place is theirs */
	stop_log(t);
	if (snap)
		dbd_snap_quiesce(snap);
	WRITE_ONCE(t->guard, NULL);
}

static void route(struct dbd_tracker *t, struct bio *bio)
{
	if (bio_on_guarded(t, bio))
		tracker_disown(t);
	dispatch(t, bio);
}

static int take_seal_back(struct dbd_tracker *t)
{
	int ret;

	if (!t->sealed)
		return 0;
	WRITE_ONCE(t->sealed, false);
	/* Nothing has passed since: what differs was written by other ways. */
	if (READ_ONCE(t->guard) && READ_ONCE(t->confirmed) &&
	    cow_track_check_rest(t->cow, t->target.bdev) == -ESTALE) {
		tracker_fail(t, -ESTALE, "its file system was written past the driver while it was not mounted");
		WRITE_ONCE(t->map_lost, true);
		ret = cow_track_unlog(t->cow, t->target.bdev);
		stop_log(t);
	} else {
		ret = cow_track_unseal(t->cow, t->target.bdev);
	}
	if (ret)
		tracker_fail(t, ret, "cannot mark its COW file as in use");
	if (t->unsealed)
		t->unsealed(t);
	return ret;
}

/* Who marks waits for that write before others are begun: it is done, and in the device's cache. */
static void flush_mark(struct dbd_tracker *t)
{
	struct bio bio;
	int ret;

	if (!t->log_nr || !READ_ONCE(t->marked))
		return;
	dbd_bio_init(&bio, t->target.bdev, NULL, 0, REQ_OP_WRITE | REQ_PREFLUSH);
	ret = submit_bio_wait(&bio);
	bio_uninit(&bio);
	if (ret)
		tracker_fail(t, ret, "the mark of a mount cannot be flushed");
	WRITE_ONCE(t->log_nr, 0);
}

static int gate_open(struct dbd_tracker *t)
{
	struct bio_list list;
	struct bio *bio;
	int ret;

	lockdep_assert_held(&t->gate_lock);
	flush_mark(t);
	ret = take_seal_back(t);
	spin_lock_irq(&t->lock);
	list = t->held;
	bio_list_init(&t->held);
	t->closed = false;
	spin_unlock_irq(&t->lock);
	if (xchg(&t->overwritten, false) && READ_ONCE(t->guard))
		tracker_disown(t);
	while ((bio = bio_list_pop(&list)))
		route(t, bio);
	return ret;
}

static void open_work(struct work_struct *work)
{
	struct dbd_tracker *t = container_of(work, struct dbd_tracker, open_work);

	mutex_lock(&t->gate_lock);
	gate_open(t);
	mutex_unlock(&t->gate_lock);
}

void dbd_tracker_await_mark(struct dbd_tracker *t, sector_t start, sector_t nr)
{
	t->log_start = start;
	smp_store_release(&t->log_nr, nr); /* as in awaits_mark() */
}

void dbd_tracker_watch(struct dbd_tracker *t, const struct dbd_watch *watch)
{
	bool first = watch->nr && !t->watch.nr;

	atomic_set(&t->watched, 0);
	/* Only ever set to one and the same. */
	t->watch.start = watch->start;
	t->watch.head = watch->head;
	t->watch.limit = watch->limit;
	smp_store_release(&t->watch.nr, watch->nr); /* as in watch_log() */
	if (!first)
		return;
	WRITE_ONCE(t->watch_last, jiffies);
	t->logged(t);
}

void dbd_tracker_close(struct dbd_tracker *t)
{
	struct dbd_intent *log;
	struct dbd_snap *snap;

	mutex_lock(&t->gate_lock);
	spin_lock_irq(&t->lock);
	t->closed = true;
	spin_unlock_irq(&t->lock);
	dbd_target_sync(&t->target);
	snap = snap_of(t);
	if (snap)
		dbd_snap_drain(snap);
	log = log_of(t);
	if (log)
		dbd_intent_drain(log);
}

void dbd_tracker_open(struct dbd_tracker *t)
{
	gate_open(t);
	mutex_unlock(&t->gate_lock);
}

static int save(struct dbd_tracker *t, struct cow_file *cow)
{
	struct dbd_track *track = rcu_dereference_protected(t->track,
							    lockdep_is_held(&t->gate_lock));
	u32 flags = track->snap ? COW_TRACK_SNAPSHOT : 0;
	bool with_log;
	int ret = 0;

	/* Two writes of one block of the map may end in any order; and it may fail until then. */
	if (track->log)
		dbd_intent_rest(track->log);
	with_log = track->log && !dbd_intent_stopped(track->log);
	if (with_log)
		flags |= COW_TRACK_LOG;
	if (track->snap)
		ret = cow_index_flush(&track->snap->index);
	if (!ret)
		ret = cow_track_save_map(cow, t->target.bdev, track->map);
	if (!ret && with_log)
		ret = dbd_intent_clear(track->log);
	return ret ?: cow_track_seal(cow, t->target.bdev, track->map, flags);
}

int dbd_tracker_seal(struct dbd_tracker *t, struct cow_file *cow)
{
	int ret = 0;

	dbd_tracker_close(t);
	if (!t->sealed)
		ret = READ_ONCE(*t->error) ?: save(t, cow);
	t->cow = cow;
	if (ret) {
		/* Taken back before anything passes. */
		WRITE_ONCE(t->sealed, cow_track_maybe_sealed(cow));
		dbd_tracker_open(t);
		return ret;
	}
	t->disclaimed = false;
	if (!t->sealed) {
		WRITE_ONCE(t->confirmed, false);
		t->differs = false;
		/* One that was held may have been sent just before. */
		WRITE_ONCE(t->last_write, jiffies);
	}
	WRITE_ONCE(t->sealed, true);
	mutex_unlock(&t->gate_lock);
	return 0;
}

int dbd_tracker_confirm(struct dbd_tracker *t)
{
	int ret = 0;

	mutex_lock(&t->gate_lock);
	if (t->sealed && READ_ONCE(t->guard)) {
		/* First, since a write that cannot be held may say otherwise meanwhile. */
		WRITE_ONCE(t->confirmed, true);
		smp_mb(); /* before what is read; missed_write() stores before its write is sent */
		ret = cow_track_check_rest(t->cow, t->target.bdev);
		if (ret)
			WRITE_ONCE(t->confirmed, false);
		t->differs = ret == -ESTALE;
	}
	mutex_unlock(&t->gate_lock);
	return ret;
}

int dbd_tracker_unseal(struct dbd_tracker *t)
{
	int ret;

	mutex_lock(&t->gate_lock);
	ret = gate_open(t);
	mutex_unlock(&t->gate_lock);
	return ret;
}

int dbd_tracker_disclaim(struct dbd_tracker *t, struct cow_file *cow)
{
	int ret = 0;

	/* With the gate's lock: others' writes to its place are let pass under that. */
	mutex_lock(&t->gate_lock);
	if (!t->disclaimed)
		ret = gate_open(t);
	if (!t->disclaimed) {
		if (!ret)
			ret = cow_track_unlog(cow, t->target.bdev);
		stop_log(t);
		t->disclaimed = !ret;
	}
	mutex_unlock(&t->gate_lock);
	return ret;
}

void dbd_tracker_guard(struct dbd_tracker *t, struct cow_file *cow)
{
	struct dbd_intent *log = log_of(t);

	if (cow)
		t->cow = cow;
	if (log)
		dbd_intent_set_guarded(log, cow);
	WRITE_ONCE(t->last_write, jiffies);
	WRITE_ONCE(t->guard, cow ? &cow->extents : NULL);
	if (cow)
		return;
	dbd_target_sync(&t->target);
	flush_work(&t->open_work);
}

/* ---- the log ---- */

static void log_release(void *arg, struct bio *bio)
{
	dispatch(arg, bio);
}

static void log_lost(void *arg, int error)
{
	tracker_fail(arg, error, "cannot mark its COW file as not logged");
}

struct dbd_intent *dbd_tracker_new_log(struct dbd_tracker *t, struct cow_file *cow,
				       const struct dbd_map *map)
{
	const struct dbd_intent_owner owner = {
		.minor = t->minor,
		.cow = cow,
		.bdev = t->target.bdev,
		.map = map,
		.release = log_release,
		.lost = log_lost,
		.arg = t,
	};

	return dbd_intent_create(&owner);
}

/* ---- making and ending one ---- */

int dbd_tracker_init(struct dbd_tracker *t, unsigned int minor, struct block_device *bdev,
		     int *error, struct dbd_why *why, void (*unsealed)(struct dbd_tracker *t),
		     void (*logged)(struct dbd_tracker *t))
{
	int ret;

	*t = (struct dbd_tracker){
		.minor = minor,
		.error = error,
		.why = why,
		.unsealed = unsealed,
		.logged = logged,
	};
	spin_lock_init(&t->lock);
	bio_list_init(&t->held);
	mutex_init(&t->gate_lock);
	INIT_WORK(&t->open_work, open_work);
	t->wq = alloc_workqueue("datto_gate%u", WQ_UNBOUND | WQ_MEM_RECLAIM | WQ_HIGHPRI, 1, minor);
	if (!t->wq)
		return -ENOMEM;
	ret = dbd_target_init(&t->target, bdev, &write_ops);
	if (ret)
		destroy_workqueue(t->wq);
	return ret;
}

void dbd_tracker_destroy(struct dbd_tracker *t)
{
	WARN_ON_ONCE(!bio_list_empty(&t->held));
	/* The worker has left the target's functions. */
	destroy_workqueue(t->wq);
	dbd_target_destroy(&t->target);
	mutex_destroy(&t->gate_lock);
}

void dbd_tracker_start(struct dbd_tracker *t, struct dbd_track *track)
{
	RCU_INIT_POINTER(t->track, track);
	dbd_target_arm(&t->target);
}

void dbd_tracker_stop(struct dbd_tracker *t)
{
	struct dbd_track *track = rcu_dereference_protected(t->track, true);

	dbd_target_disarm(&t->target);
	dbd_target_wait_held(&t->target); /* what is held opens the gate */
	flush_work(&t->open_work);
	stop_log(t);
	RCU_INIT_POINTER(t->track, NULL);
	dbd_target_sync(&t->target);
	kfree(track);
}

void dbd_tracker_publish(struct dbd_tracker *t, struct dbd_track *track)
{
	struct dbd_track *old = rcu_dereference_protected(t->track, true);

	rcu_assign_pointer(t->track, track);
	dbd_target_sync(&t->target);
	kfree(old);
}
