// SPDX-License-Identifier: GPL-2.0-only
/* What a snapshot is made of: made beforehand, put in place at its instant, thrown away. */
#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "cow_track.h"
#include "dbd.h"
#include "device_impl.h"
#include "origin.h"

#define DRAIN_SECONDS 10

struct dbd_track *dbd_track_alloc(struct dbd_map *map, struct dbd_snap *snap,
				  struct dbd_intent *log)
{
	struct dbd_track *track = kmalloc(sizeof(*track), GFP_KERNEL);

	if (track) {
		track->map = map;
		track->snap = snap;
		track->log = log;
	}
	return track;
}

void dbd_parts_free(struct snap_parts *p)
{
	kfree(p->track);
	dbd_snap_destroy(p->snap);
	dbd_intent_destroy(p->log);
	dbd_map_free(p->map);
}

int dbd_device_new_log(struct dbd_device *dev, struct cow_file *cow, struct dbd_map *map,
		       struct dbd_intent **log)
{
	*log = dbd_intent_log ? dbd_tracker_new_log(&dev->tracker, cow, map) : NULL;
	if (IS_ERR(*log)) {
		int ret = PTR_ERR(*log);

		*log = NULL;
		return ret;
	}
	if (!*log && dbd_intent_log)
		dbd_warn("%s: the COW file has no room for a write-intent log: a crash costs the map",
			 dev->path);
	return 0;
}

int dbd_device_begin_log(struct dbd_device *dev, struct cow_file *cow, const struct dbd_map *map,
			 struct dbd_intent *log, u32 flags)
{
	int ret;

	if (!log)
		return 0;
	ret = cow_track_save_map(cow, dev->ref.bdev, map);
	if (!ret)
		ret = dbd_intent_clear(log);
	return ret ?: dbd_device_claim_log(dev, cow, log, flags);
}

int dbd_device_claim_log(struct dbd_device *dev, struct cow_file *cow, struct dbd_intent *log,
			 u32 flags)
{
	int ret;

	if (!log || dbd_intent_stopped(log))
		return 0;
	ret = cow_track_use(cow, dev->ref.bdev, COW_TRACK_LOG | flags);
	/* It may have failed meanwhile, and said so in the header before. */
	if (!ret && dbd_intent_stopped(log)) {
		ret = cow_track_unlog(cow, dev->ref.bdev);
		if (ret)
			dbd_intent_unmark(log);
	}
	if (!ret)
		dbd_tracker_watch(&dev->tracker, &cow->watch);
	return ret;
}

int dbd_parts_make(struct dbd_device *dev, struct cow_file *cow, u64 cache, u32 flags,
		      struct snap_parts *p)
{
	int ret = -ENOMEM;

	*p = (struct snap_parts){};
	p->map = dbd_map_alloc(cow->layout.nr_blocks);
	if (!p->map)
		return ret;
	p->snap = dbd_snap_create(dev->minor, &dev->tracker.target, cow, p->map, &dev->error,
				  &dev->why, cache ?: dbd_cache_default);
	if (IS_ERR(p->snap)) {
		ret = PTR_ERR(p->snap);
		p->snap = NULL;
		goto free;
	}
	ret = dbd_device_new_log(dev, cow, p->map, &p->log);
	if (ret)
		goto free;
	ret = dbd_device_begin_log(dev, cow, p->map, p->log, COW_TRACK_SNAPSHOT | flags);
	if (ret)
		goto free;
	p->track = dbd_track_alloc(p->map, p->snap, p->log);
	if (p->track)
		return 0;
	ret = -ENOMEM;
free:
	dbd_parts_free(p);
	return ret;
}

void dbd_parts_install(struct dbd_device *dev, struct snap_parts *p, struct cow_file *cow)
{
	dev->snap = p->snap;
	dev->log = p->log;
	dev->tracker.disclaimed = false; /* that was the predecessor */
	mutex_lock(&dbd_view_lock);
	dev->map = p->map;
	dev->cow = cow;
	dev->snapshot = true;
	mutex_unlock(&dbd_view_lock);
}

/*
 * The device counts its freezes. Somebody may thaw the file system itself under them (fsfreeze -u, an agent that
 * thaws all): then the last thaw of the device fails, it goes on counting as frozen, and nothing would freeze its file
 * system again, or mount it, until the next boot. Here all are ended: not frozen when it succeeds, unless somebody else
 * has frozen the file system since.
 */
static int end_all_freezes(struct dbd_device *dev, struct super_block *sb)
{
	int n = dbd_freeze_count(dev->ref.bdev); /* 0: they were ended as well (sysrq j) */
	int ret = dbd_freeze_sb(sb);

	if (!ret && !n)
		ret = dbd_thaw_sb(sb);
	while (!ret && n-- && dbd_sb_frozen(sb))
		ret = dbd_thaw(&dev->ref);
	if (ret)
		dbd_err("%s: its file system cannot be thawed: %d", dev->path, ret);
	return ret;
}

int dbd_begin_freeze(struct dbd_device *dev, struct super_block *sb)
{
	int ret = dbd_freeze(&dev->ref, sb);

	if (ret || READ_ONCE(sb->s_writers.frozen) == SB_FREEZE_COMPLETE)
		return ret;
	dbd_warn("%s counts as frozen, but somebody has thawed its file system: put right", dev->path);
	ret = end_all_freezes(dev, sb);
	if (ret) {
		dbd_thaw(&dev->ref);
		return ret;
	}
	ret = dbd_freeze(&dev->ref, sb);
	if (ret || READ_ONCE(sb->s_writers.frozen) == SB_FREEZE_COMPLETE)
		return ret;
	dbd_end_freeze(dev, sb, dbd_thaw(&dev->ref));
	return dbd_device_refuse(dev, -EBUSY, "its file system is thawed by somebody else all the time");
}

int dbd_end_freeze(struct dbd_device *dev, struct super_block *sb, int ret)
{
	if (ret == -EINVAL)
		ret = end_all_freezes(dev, sb) ?:
		      dbd_device_refuse(dev, -EAGAIN,
					"its file system was thawed by somebody else while the snapshot was taken: try again");
	else if (ret)
		dbd_err("%s: cannot thaw the file system: %d", dev->path, ret);
	return ret;
}

/*
 * Requests of other users or partitions count as well, and some end only after the thaw: a reader that polls for
 * his may be held by it.
 */
int dbd_device_drain(struct dbd_device *dev)
{
	int ret = dbd_target_drain(&dev->tracker.target, DRAIN_SECONDS * HZ);

	return ret ? dbd_device_refuse(dev, ret,
				       "what its disk was asked for before has not ended in time: its file system cannot stay frozen for that") :
		     0;
}

void dbd_end_growth(struct dbd_device *dev)
{
	dbd_grow_destroy(dev->grow);
	dev->grow = NULL;
	mutex_lock(&dbd_view_lock);
	dev->step = 0;
	dev->reserved = 0;
	mutex_unlock(&dbd_view_lock);
}
