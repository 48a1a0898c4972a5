// SPDX-License-Identifier: GPL-2.0-only
/*
 * From snapshot to incremental and back. Ending a snapshot means: publish the same
 * map without it, wait for held writes, throw it away. The map outlives the
 * snapshot and goes on as the map of changes.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/mount.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "cow_track.h"
#include "dbd.h"
#include "device_impl.h"
#include "origin.h"

/* Nothing is left that could set it. */
static void clear_error(struct dbd_device *dev)
{
	WRITE_ONCE(dev->error, 0);
	WRITE_ONCE(dev->why.text, NULL);
}

/*
 * Ends the snapshot and goes on with its map alone. Held writes pass; nothing
 * of the snapshot is in use when this returns. Control lock and a hold of the
 * file system.
 */
static void stop_snapshot(struct dbd_device *dev, struct dbd_track *track)
{
	/* First: a write that waits for room is not to find the file full. */
	dbd_snap_stop_keeping(dev->snap);
	dbd_end_growth(dev);
	dbd_tracker_publish(&dev->tracker, track);
	/* No more come. Others that are held, for the log, may come for ever. */
	dbd_snap_drain(dev->snap);
	dbd_snap_disk_remove(dev->disk);
	dev->disk = NULL;
	dbd_snap_quiesce(dev->snap);
	mutex_lock(&dbd_view_lock);
	dev->snapshot = false;
	mutex_unlock(&dbd_view_lock);
	dbd_snap_destroy(dev->snap);
	dev->snap = NULL;
}

/* Of an accepted device in snapshot mode: incremental, its error stays. */
static int end_snapshot(struct dbd_device *dev)
{
	struct dbd_track *track;
	struct super_block *sb;
	int ret;

	sb = cow_hold_sb(dev->cow);
	if (IS_ERR(sb))
		return -EINVAL; /* being unmounted: no longer active */
	if (dbd_sb_frozen(sb)) {
		dbd_refuse("its file system is frozen");
		ret = -EBUSY;
		goto put_sb;
	}
	track = dbd_track_alloc(dev->map, NULL, dev->log);
	if (!track) {
		ret = -ENOMEM;
		goto put_sb;
	}
	stop_snapshot(dev, track);
	dbd_device_drop_old_blocks(dev);
	ret = 0;
put_sb:
	deactivate_super(sb);
	return ret;
}

int dbd_transition_inc_locked(unsigned int minor)
{
	struct dbd_device *dev = dbd_device_for(minor, EV_TRANSITION_INC);
	int ret;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	ret = end_snapshot(dev);
	if (!ret) /* The map is what counts now; a failure on the last metres shows there. */
		ret = READ_ONCE(dev->error);
	dbd_device_done(dev);
	return ret;
}

/*
 * The snapshot is lost, but not what changed since: its error is set before the
 * first write that passes without a copy, and each such write is marked before
 * it passes, whether the filter, the copy worker or a write that could not be
 * held was the first to see the error. A device whose map is not complete, since
 * its COW file could not be taken up, never becomes active.
 */
int dbd_force_inc_locked(unsigned int minor)
{
	struct dbd_device *dev = dbd_device_for(minor, EV_FORCE_INC);
	int error, ret = -EINVAL;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	error = READ_ONCE(dev->error);
	if (!error) {
		dbd_refuse("the device has not failed: nothing is to be forced");
		goto done;
	}
	if (READ_ONCE(dev->tracker.map_lost)) {
		dbd_refuse("what has changed is not known any more");
		goto done;
	}
	ret = dev->snapshot ? end_snapshot(dev) : 0;
	if (!ret) {
		dbd_info("datto%u: incremental by force after error %d", dev->minor, error);
		clear_error(dev);
	}
done:
	dbd_device_done(dev);
	return ret;
}

/* What a transition to snapshot replaces. */
struct predecessor {
	struct cow_file *cow;
	struct dbd_map *map;
	struct dbd_intent *log;
};

/* When it succeeds the new snapshot is there, good if *@drained is 0, and the file system frozen. */
static int start_next(struct dbd_device *dev, struct super_block *sb, struct snap_parts *p,
		      struct cow_file *cow, struct predecessor *old, int *drained)
{
	int ret;

	dbd_sb_presync(sb);
	ret = dbd_begin_freeze(dev, sb);
	if (ret)
		return ret;
	dbd_parts_install(dev, p, cow);
	dbd_tracker_publish(&dev->tracker, p->track);
	if (old->log)
		dbd_intent_drain(old->log);
	*drained = dbd_device_drain(dev);
	return 0;
}

/*
 * The new snapshot could not be completed: incremental again, with all changes
 * since the old one. @track: for the incremental mode.
 */
static void return_to_incremental(struct dbd_device *dev, struct predecessor *old,
				  struct dbd_track *track, struct vfsmount *mnt)
{
	/* What was written meanwhile is in the old log only if that has had all that the new one got. */
	bool logged = old->log && dev->log && !dbd_intent_stopped(dev->log) &&
		      !dbd_intent_stopped(old->log);
	int ret = dev->log ? cow_track_unlog(dev->cow, dev->ref.bdev) : 0;

	/* Where the records lead, should the old file count as finished all the same. */
	if (ret)
		dbd_warn("%s: the COW file %s cannot be marked as lost: %d", dev->path, dev->cow->path, ret);
	ret = cow_unfinish(old->cow, mnt);
	if (ret)
		dbd_warn("%s: cannot take back the header of the COW file %s: %d", dev->path,
			 old->cow->path, ret);
	/* Else the old header may speak of a log that lacks what was written meanwhile. Its map goes below. */
	if (old->log && !logged) {
		dbd_intent_stop(old->log);
		if (ret)
			dbd_intent_unmark(old->log);
	}
	track->map = dev->map;
	track->log = old->log;
	stop_snapshot(dev, track);
	dbd_map_merge(dev->map, old->map);
	dbd_map_free(old->map);
	dbd_intent_destroy(dev->log);
	dev->log = old->log;
	mutex_lock(&dbd_view_lock);
	dev->cow = old->cow;
	mutex_unlock(&dbd_view_lock);
	cow_set_owner(old->cow, dev, dbd_device_unmounted);
	if (!ret || logged || !old->log)
		clear_error(dev);
	if (!logged)
		return;
	dbd_intent_resume(old->log, dev->map);
	ret = dbd_device_claim_log(dev, old->cow, old->log, 0);
	if (ret)
		dbd_warn("%s: the COW file %s cannot be reloaded after a crash: %d", dev->path,
			 old->cow->path, ret);
}

/*
 * The predecessor's file and then the new one's, so that at each instant one of
 * them can be taken up after a crash: the old one, with all changes in its log, until
 * its header is written; from just before on the new one, whose disk is there by then.
 */
static int finish_predecessor(struct dbd_device *dev, struct predecessor *old,
			      struct vfsmount *mnt)
{
	/* The freeze has emptied ext4's journal, by which the mount is known again. */
	int ret = dbd_device_claim_log(dev, old->cow, dev->log ? old->log : NULL, 0);

	if (!ret)
		ret = cow_finish_index(old->cow, old->map, mnt);
	if (!ret)
		ret = dbd_device_claim_log(dev, dev->cow, dev->log, COW_TRACK_SNAPSHOT);
	if (!ret)
		ret = dbd_device_add_disk(dev);
	/* Last: a task that is being killed could not take it back. */
	return ret ?: cow_finish_header(old->cow, old->map, mnt);
}

/* The new log feeds that of the predecessor; without one, that cannot be trusted. */
static int link_logs(struct dbd_device *dev, struct predecessor *old, struct dbd_intent *log)
{
	if (!old->log)
		return 0;
	if (!log)
		return cow_track_unlog(old->cow, dev->ref.bdev);
	dbd_intent_also(log, old->log);
	return 0;
}

/* @mnt: a mount of the file system. On failure @cow is the caller's again. */
static int next_snapshot(struct dbd_device *dev, struct cow_file *cow, struct vfsmount *mnt)
{
	struct predecessor old = { .cow = dev->cow, .map = dev->map, .log = dev->log };
	struct dbd_track *back = dbd_track_alloc(NULL, NULL, NULL);
	struct snap_parts parts;
	int ret, drained;

	if (!back)
		return -ENOMEM;
	ret = dbd_device_check_size(dev, cow->layout.device_bytes);
	if (ret)
		goto free_back;
	ret = dbd_parts_make(dev, cow, 0, COW_TRACK_PENDING, &parts);
	if (ret)
		goto free_back;
	cow_set_owner(cow, dev, dbd_device_unmounted);
	ret = link_logs(dev, &old, parts.log);
	if (!ret)
		ret = start_next(dev, mnt->mnt_sb, &parts, cow, &old, &drained);
	if (ret) {
		dbd_parts_free(&parts);
		if (old.log)
			dbd_intent_resume(old.log, old.map);
		goto free_back;
	}
	ret = dbd_end_freeze(dev, mnt->mnt_sb, dbd_thaw(&dev->ref)) ?: drained;
	/* The old map is final now: nobody sets bits in it any more. */
	cow_set_owner(old.cow, NULL, NULL);
	if (!ret)
		ret = finish_predecessor(dev, &old, mnt);
	if (ret) {
		dbd_err("%s: no transition to snapshot: %d", dev->path, ret);
		return_to_incremental(dev, &old, back, mnt);
		return ret;
	}
	if (dev->log)
		dbd_intent_also(dev->log, NULL);
	dbd_intent_destroy(old.log);
	cow_release(old.cow);
	dbd_map_free(old.map);
free_back:
	kfree(back);
	return ret;
}

int dbd_transition_snap_locked(const char *cow_path, u64 size, unsigned int minor)
{
	struct dbd_device *dev = dbd_device_for(minor, EV_TRANSITION_SNAP);
	struct super_block *sb;
	struct cow_file *cow;
	struct file *file;
	int ret;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	sb = cow_hold_sb(dev->cow);
	if (IS_ERR(sb)) {
		ret = -EINVAL; /* being unmounted: no longer active */
		goto done;
	}
	if (dbd_sb_frozen(sb)) {
		dbd_refuse("its file system is frozen");
		ret = -EBUSY;
		goto put_sb;
	}
	ret = dbd_device_check_size(dev, bdev_nr_bytes(dev->ref.bdev));
	if (ret)
		goto put_sb;
	dbd_device_drop_old_blocks(dev);
	cow = cow_create(cow_path, sb, dev->ref.bdev, size ?: dev->cow->asked, &file);
	if (IS_ERR(cow)) {
		ret = PTR_ERR(cow);
		goto put_sb;
	}
	cow->seqid = dev->cow->seqid + 1;
	memcpy(cow->uuid, dev->cow->uuid, sizeof(cow->uuid));
	ret = next_snapshot(dev, cow, file->f_path.mnt);
	filp_close(file, NULL);
	if (ret) {
		cow_remove(cow);
		goto put_sb;
	}
	mutex_lock(&dbd_view_lock);
	dev->cache = 0;
	mutex_unlock(&dbd_view_lock);
	dbd_info("/dev/datto%u: snapshot %llu of %s", minor, cow->seqid, dev->path);
put_sb:
	deactivate_super(sb);
done:
	dbd_device_done(dev);
	return ret;
}
