// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dormant, active, unverified: what a device does when its file system comes
 * and goes.
 *
 * Without a writable mount nobody looks after the COW file but we: its place is
 * guarded, and as soon as the device is quiet the map is sealed. Whatever is
 * written then is seen all the same.
 */
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/sched/signal.h>

#include "cow_track.h"
#include "dbd.h"
#include "device_impl.h"
#include "mounts.h"
#include "origin.h"

#define SETTLE_DELAY HZ /* from the last write to the seal */
#define CONFIRM_DELAY (30 * HZ) /* to the end of all that was written, and to another look */

/*
 * Of a write that is to be noted when it is done it is only known when it begins: it is looked
 * at soon, and again and again until it was long ago.
 */
#define NOTE_DELAY (HZ / 20)
#define NOTE_AGAIN HZ
#define NOTE_SETTLED (5 * HZ)

static void device_fail(struct dbd_device *dev, int error, const char *why)
{
	if (cmpxchg(&dev->error, 0, error) == 0) {
		dbd_why_set(&dev->why, why, 0);
		dbd_err("datto%u: %s: %s: %d", dev->minor, dev->path, why, error);
	}
}

static void hold_module(struct dbd_device *dev, bool hold)
{
	if (dev->holds_module == hold)
		return;
	dev->holds_module = hold;
	if (hold)
		__module_get(THIS_MODULE);
	else
		module_put(THIS_MODULE);
}

/* ---- at rest ---- */

static void seal(struct dbd_device *dev)
{
	int ret = dbd_tracker_seal(&dev->tracker, dev->cow);

	if (ret == -ESTALE)
		device_fail(dev, ret, "its COW file is not where it was");
	else if (ret && ret != dev->seal_error && !READ_ONCE(dev->error))
		dbd_warn("datto%u: the map cannot be saved to the COW file %s: %d", dev->minor,
			 dev->cow->path, ret);
	dev->seal_error = ret; /* it is tried again each second, of a disk that is gone for ever */
}

static bool quiet(struct dbd_device *dev)
{
	return time_after(jiffies, READ_ONCE(dev->tracker.last_write) + SETTLE_DELAY);
}

/*
 * Nothing of ours is on its way to the COW file any more, nor will be. It says that
 * before its place is anybody's.
 */
static int rest_failed(struct dbd_device *dev)
{
	int ret;

	dbd_tracker_guard(&dev->tracker, dev->cow);
	ret = dbd_tracker_disclaim(&dev->tracker, dev->cow);
	if (ret == -ESTALE)
		ret = 0;
	if (ret && ret != dev->seal_error)
		dbd_warn("datto%u: the COW file %s cannot be marked as lost: %d", dev->minor,
			 dev->cow->path, ret);
	dev->seal_error = ret;
	if (dev->snap)
		dbd_snap_quiesce(dev->snap);
	/* What is still to be written there needs it. */
	if (!ret)
		dbd_tracker_guard(&dev->tracker, NULL);
	return ret;
}

static void look_again(struct dbd_device *dev)
{
	queue_delayed_work(system_dfl_wq, &dev->settle, CONFIRM_DELAY + 1);
}

/* Until it is known: from then on, what is written past the driver shows. */
static void confirm(struct dbd_device *dev)
{
	if (!time_after(jiffies, READ_ONCE(dev->tracker.last_write) + CONFIRM_DELAY)) {
		look_again(dev);
		return;
	}
	switch (dbd_tracker_confirm(&dev->tracker)) {
	case 0:
		break;
	case -ESTALE:
		dbd_warn("datto%u: %s was written while the map was saved, or past the driver: a reload will be refused",
			 dev->minor, dev->path);
		break;
	default:
		look_again(dev);
	}
}

/* No writable mount. */
static void rest(struct dbd_device *dev)
{
	hold_module(dev, false);
	if (READ_ONCE(dev->error)) {
		if (rest_failed(dev))
			look_again(dev);
		return;
	}
	if (!dev->resting) {
		dev->resting = true;
		dbd_tracker_guard(&dev->tracker, dev->cow);
		seal(dev);
		dbd_info("datto%u: dormant: %s is not mounted read-write", dev->minor, dev->path);
	} else if (quiet(dev)) {
		seal(dev);
	}
	if (!dbd_tracker_sealed(&dev->tracker))
		dbd_device_settle(dev);
	else if (!READ_ONCE(dev->tracker.confirmed) && !dev->tracker.differs)
		confirm(dev);
}

void dbd_device_unsealed(struct dbd_tracker *tracker)
{
	struct dbd_device *dev = container_of(tracker, struct dbd_device, tracker);

	if (READ_ONCE(tracker->guard))
		dbd_device_settle(dev);
}

void dbd_device_unmounted(void *owner)
{
	struct dbd_device *dev = owner;

	WRITE_ONCE(dev->active, false);
	/* What comes next may be another's, and rest() not at once. */
	dbd_tracker_guard(&dev->tracker, dev->cow);
	dbd_mounts_after_umount(dev);
}

void dbd_device_settle(struct dbd_device *dev)
{
	mod_delayed_work(system_dfl_wq, &dev->settle, SETTLE_DELAY + 1);
}

void dbd_device_settle_work(struct work_struct *work)
{
	struct dbd_device *dev = container_of(to_delayed_work(work), struct dbd_device, settle);
	struct super_block *sb = NULL;

	/* Else nobody has written since, nor mounted it for that. */
	if (!dbd_tracker_sealed(&dev->tracker))
		sb = dbd_origin_sb(dev->ref.bdev);
	mutex_lock(&dev->lock);
	if (!dev->dead)
		dbd_device_follow(dev, sb);
	mutex_unlock(&dev->lock);
	if (sb)
		deactivate_super(sb);
}

/* ---- becoming active ---- */

static void activate(struct dbd_device *dev)
{
	dev->resting = false;
	dbd_tracker_guard(&dev->tracker, NULL);
	hold_module(dev, true);
	mutex_lock(&dbd_view_lock);
	dev->unverified = false;
	WRITE_ONCE(dev->active, true);
	mutex_unlock(&dbd_view_lock);
	cow_set_owner(dev->cow, dev, dbd_device_unmounted);
}

void dbd_device_activated(struct dbd_device *dev)
{
	hold_module(dev, true);
}

static u32 track_mode(const struct dbd_device *dev)
{
	return dev->snapshot ? COW_TRACK_SNAPSHOT : 0;
}

static void warn_unnoted(const struct dbd_device *dev, int error)
{
	dbd_warn("%s: a crash will cost the map: %s cannot be written: %d", dev->path,
		 dev->cow->path, error);
}

/* Whether this fails shows in the mark: there is none then. */
static void log_mount(struct dbd_device *dev)
{
	int ret = 0;

	if (dev->log && !dbd_intent_stopped(dev->log))
		ret = cow_log_mount(dev->cow);
	if (ret)
		dbd_warn("%s: a crash will cost the map: a change of %s cannot be logged: %d", dev->path,
			 dev->cow->path, ret);
}

void dbd_device_note_mount(struct dbd_device *dev)
{
	int ret = dbd_device_claim_log(dev, dev->cow, dev->log, track_mode(dev));

	if (ret)
		warn_unnoted(dev, ret);
}

static bool notes_each(const struct dbd_tracker *tracker)
{
	return tracker->watch.limit == 1;
}

/* Or sooner, as it was to be. */
static void note_in(struct dbd_device *dev, unsigned long delay)
{
	if (!delayed_work_pending(&dev->note) ||
	    time_before(jiffies + delay, READ_ONCE(dev->note.timer.expires)))
		mod_delayed_work(system_dfl_wq, &dev->note, delay);
}

void dbd_device_logged(struct dbd_tracker *tracker)
{
	note_in(container_of(tracker, struct dbd_device, tracker),
		notes_each(tracker) ? NOTE_DELAY : 0);
}

static void note(struct dbd_device *dev)
{
	int ret = cow_track_note(dev->cow, dev->ref.bdev);

	if (ret)
		warn_unnoted(dev, ret);
}

void dbd_device_note_work(struct work_struct *work)
{
	struct dbd_device *dev = container_of(to_delayed_work(work), struct dbd_device, note);
	unsigned long begin = jiffies;

	mutex_lock(&dev->lock);
	if (!dev->dead && READ_ONCE(dev->active)) {
		note(dev);
		if (notes_each(&dev->tracker) &&
		    time_before(begin, READ_ONCE(dev->tracker.watch_last) + NOTE_SETTLED))
			note_in(dev, NOTE_AGAIN);
	}
	mutex_unlock(&dev->lock);
}

/*
 * Whether something failed for want of memory, or because this task is being killed, as one may be whose mount took
 * long: the next call or mount tries again. Nothing that such a task does for itself succeeds any more.
 */
static bool can_put_off(int ret)
{
	/* -EFAULT: its memory, which the file system is asked with, has reached its limit. */
	return ret == -ENOMEM || ((ret == -EINTR || ret == -EFAULT) && fatal_signal_pending(current));
}

static bool put_off(const struct dbd_device *dev, int ret)
{
	if (!can_put_off(ret))
		return false;
	dbd_warn("datto%u: %s is mounted, but is taken up by the next command only: %d", dev->minor,
		 dev->path, ret);
	return true;
}

/* Dormant, and mounted again. A failed device as well: its file can be removed then. */
static void wake(struct dbd_device *dev, struct super_block *sb)
{
	int ret = cow_attach(dev->cow, sb);

	if (put_off(dev, ret)) {
		look_again(dev); /* should it be unmounted before that */
		return;
	}
	if (ret) {
		device_fail(dev, ret, "its COW file is not there as it was");
		return;
	}
	/* Who finds the file in use does not believe what is in it. */
	if (dbd_tracker_unseal(&dev->tracker)) {
		cow_detach(dev->cow);
		return;
	}
	activate(dev);
	log_mount(dev);
	dbd_device_note_mount(dev);
	note(dev); /* if its log was over, and the header could not be told */
	dbd_info("datto%u: active: %s is mounted", dev->minor, dev->path);
}

/*
 * What was seen since the reload joins what the file knows, and the log begins. No
 * write passes while that happens: nothing here may wait for one. @track is
 * published in any case.
 */
static int join(struct dbd_device *dev, const struct dbd_map *loaded, struct dbd_track *track)
{
	int ret;

	dbd_tracker_close(&dev->tracker);
	if (dev->snap)
		dbd_snap_take_up(dev->snap, loaded);
	else
		dbd_map_merge(dev->map, loaded);
	ret = dbd_device_begin_log(dev, dev->cow, dev->map, dev->log, track_mode(dev));
	dbd_tracker_publish(&dev->tracker, track);
	dbd_tracker_open(&dev->tracker);
	return ret;
}

static int join_loaded(struct dbd_device *dev, const struct cow_loaded *loaded)
{
	struct dbd_track *track;
	int ret;

	ret = dbd_device_new_log(dev, dev->cow, dev->map, &dev->log);
	if (ret)
		return ret;
	track = dbd_track_alloc(dev->map, dev->snap, dev->log);
	if (!track) {
		dbd_intent_destroy(dev->log);
		dev->log = NULL;
		return -ENOMEM;
	}
	dev->taken = true;
	/* It is not complete alone any more; nor with the log it had, when there is none now. */
	if (!dev->log)
		ret = cow_track_unlog(dev->cow, dev->ref.bdev);
	else if (!loaded->crashed)
		ret = cow_track_unseal(dev->cow, dev->ref.bdev);
	if (ret) {
		kfree(track);
		return ret;
	}
	ret = join(dev, loaded->map, track);
	return ret ?: READ_ONCE(dev->error);
}

static enum cow_take mode_wanted(const struct dbd_device *dev)
{
	if (dev->next)
		return COW_TAKE_ANY;
	return dev->snapshot ? COW_TAKE_SNAP : COW_TAKE_INC;
}

/* The file is attached. *@loaded: what it knew, but not the map. */
static int take_up(struct dbd_device *dev, struct cow_loaded *loaded)
{
	int ret;

	ret = cow_track_load(dev->cow, dev->ref.bdev, mode_wanted(dev), &dev->origin, loaded);
	if (ret)
		return ret;
	ret = join_loaded(dev, loaded);
	dbd_map_free(loaded->map);
	if (!ret && dev->snapshot)
		ret = dbd_device_add_disk(dev);
	return ret;
}

void dbd_device_drop_old_blocks(struct dbd_device *dev)
{
	int ret = 0;

	if (dev->cow->fsize != dev->cow->layout.data_start << COW_BLOCK_SHIFT)
		ret = cow_shrink(dev->cow);
	if (ret)
		dbd_warn("%s: cannot give the COW file's data area back: %d", dev->path, ret);
}

/* What a record leads to: *@cow, with its extents known, and *@place. -ENOENT: no such record. */
static int follow_record(struct dbd_device *dev, struct super_block *sb, const char *record,
			 struct cow_file **cow, struct cow_place *place)
{
	char *path = cow_read_record(sb, record);
	int ret;

	*cow = NULL;
	if (IS_ERR(path))
		return PTR_ERR(path);
	*cow = cow_expect(path, dev->ref.bdev);
	kfree(path);
	if (IS_ERR(*cow)) {
		ret = PTR_ERR(*cow);
		*cow = NULL;
		return ret;
	}
	ret = cow_attach(*cow, sb);
	if (!ret)
		ret = cow_track_place(*cow, dev->ref.bdev, place);
	if (!ret)
		return 0;
	cow_release(*cow);
	*cow = NULL;
	/* There is a record, and it leads to nothing. */
	return ret == -ENOENT ? -ESTALE : ret;
}

static bool succeeds(const struct cow_place *next, const struct cow_place *last)
{
	return !next->finished && last->finished && next->seqid == last->seqid + 1 &&
	       !memcmp(next->uuid, last->uuid, sizeof(next->uuid));
}

/*
 * The first one counts while it can be taken up. For a moment of a transition both can: the other
 * one must not be mistaken later for the successor that this one will have.
 */
static void renounce(struct dbd_device *dev, struct cow_file *next, const struct cow_place *place)
{
	int ret = place->finished ? 0 : cow_track_unlog(next, dev->ref.bdev);

	if (ret)
		dbd_warn("%s: the COW file %s cannot be marked as lost: %d", dev->path, next->path,
			 ret);
}

/*
 * The file that counts. During a transition there are two; the second is it from the
 * moment on in which the first is finished. One that is not the first's successor may be left
 * from anything.
 */
static int resolve_record(struct dbd_device *dev, struct super_block *sb)
{
	struct cow_place place, next_place;
	struct cow_file *cow, *next = NULL, *old = dev->cow;
	int ret = follow_record(dev, sb, dev->cow->path, &cow, &place);

	if (ret) {
		dbd_err("%s: the record %s leads to no COW file: %d", dev->path, dev->cow->path,
			ret);
		return ret;
	}
	if (*dev->next)
		ret = follow_record(dev, sb, dev->next, &next, &next_place);
	if (can_put_off(ret)) {
		cow_release(cow);
		return ret;
	}
	if (next) {
		if (succeeds(&next_place, &place))
			swap(cow, next);
		else if (!place.finished)
			renounce(dev, next, &next_place);
	}
	cow_release(next);
	mutex_lock(&dbd_view_lock);
	dev->cow = cow;
	mutex_unlock(&dbd_view_lock);
	cow_release(old);
	return 0;
}

/* Once resolved the record counts no more: this may be asked again. */
static int find_file(struct dbd_device *dev, struct super_block *sb)
{
	int ret;

	if (!dev->next || dev->resolved)
		return cow_attach(dev->cow, sb);
	ret = resolve_record(dev, sb);
	dev->resolved = !ret;
	return ret;
}

static void after_crash(struct dbd_device *dev, const struct cow_loaded *loaded)
{
	dbd_info("datto%u: %s is taken up after a crash, with %llu regions from its log",
		 dev->minor, dev->cow->path, loaded->regions);
}

/* What take_up() has begun. The file lacks what was written since, and nobody will know that later. */
static void lay_down(struct dbd_device *dev)
{
	int ret;

	if (dev->snap)
		dbd_snap_quiesce(dev->snap);
	/* Before anything passes that is not logged. */
	ret = cow_track_give_up(dev->cow, dev->ref.bdev);
	if (dev->log)
		dbd_intent_stop(dev->log);
	if (ret)
		dbd_warn("%s: the COW file %s cannot be marked as lost: %d", dev->path,
			 dev->cow->path, ret);
	cow_detach(dev->cow);
}

/* Unverified, and mounted. A failure stays: what the file knew is lost then. */
static void verify(struct dbd_device *dev, struct super_block *sb)
{
	struct cow_loaded loaded;
	int ret;

	if (READ_ONCE(dev->error))
		return;
	ret = find_file(dev, sb);
	if (put_off(dev, ret))
		return;
	if (ret) {
		device_fail(dev, ret, "its COW file cannot be found");
		if (dev->snap)
			dbd_snap_quiesce(dev->snap);
		return;
	}
	ret = dbd_device_check_size(dev, dev->cow->layout.device_bytes);
	if (!ret)
		ret = take_up(dev, &loaded);
	if (!dev->taken && put_off(dev, ret)) {
		cow_detach(dev->cow);
		return;
	}
	if (ret) {
		device_fail(dev, ret, "its COW file cannot be taken up");
		lay_down(dev);
		return;
	}
	activate(dev);
	log_mount(dev);
	note(dev);
	if (!dev->snapshot)
		dbd_device_drop_old_blocks(dev);
	if (loaded.crashed)
		after_crash(dev, &loaded);
	dbd_info("datto%u: active: snapshot %llu of %s is taken up again", dev->minor,
		 dev->cow->seqid, dev->path);
}

void dbd_device_follow(struct dbd_device *dev, struct super_block *sb)
{
	bool writable = sb && !sb_rdonly(sb);

	lockdep_assert_held(&dev->lock);
	if (READ_ONCE(dev->active)) {
		if (!sb || writable)
			return; /* a new mount was quicker than the end of the old */
		WRITE_ONCE(dev->active, false);
	}
	/* Finding the file's place needs an address space, and not to be killed meanwhile: see put_off(). */
	if (writable && (!current->mm || fatal_signal_pending(current))) {
		if (!dev->unverified)
			look_again(dev);
		return;
	}
	if (dev->unverified) {
		if (writable)
			verify(dev, sb);
	} else if (writable) {
		wake(dev, sb);
	} else {
		rest(dev);
	}
}
