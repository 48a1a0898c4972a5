// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracked device.
 *
 * What the probe needs is one RCU-published struct: the map, and the snapshot
 * if one is being kept. Taking a snapshot means: prepare everything, freeze the
 * file system, publish, wait for writes in flight, thaw. Ending one means:
 * publish the same map without it, wait for held writes, throw it away. The map
 * outlives the snapshot and goes on as the map of changes.
 */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "copy.h"
#include "cow_file.h"
#include "dbd.h"
#include "device.h"
#include "intercept.h"
#include "map.h"
#include "origin.h"
#include "snap_disk.h"

#define DBD_MINORS_MAX 256

/* What the probe sees; replaced as a whole. @snap NULL: only mark. */
struct dbd_track {
	struct dbd_map *map;
	struct dbd_snap *snap;
};

/**
 * struct dbd_device - a tracked device
 * @minor: its number
 * @ref: the origin, held open
 * @path: its resolved path
 * @cache: bytes asked for the index, 0: default (control and view lock)
 * @snapshot: mode (control and view lock)
 * @active: the file system is mounted and the COW file pinned
 * @error: first failure, negative errno, sticks
 * @cow: present COW file (control and view lock)
 * @map: changes since the snapshot (control and view lock)
 * @snap: the snapshot being kept; freed only while the unmount callback cannot
 *	run (control lock)
 * @disk: its disk (control lock)
 * @target: interception of the origin's writes
 * @track: what the probe sees, RCU; the current one is also @map and @snap
 */
struct dbd_device {
	unsigned int minor;
	struct dbd_bdev ref;
	char *path;
	u64 cache;
	bool snapshot;
	bool active;
	int error;
	struct cow_file *cow;
	struct dbd_map *map;
	struct dbd_snap *snap;
	struct snap_disk *disk;
	struct dbd_target target;
	struct dbd_track __rcu *track;
};

static DEFINE_MUTEX(control_lock);
static DEFINE_MUTEX(view_lock);
static struct dbd_device *devices[DBD_MINORS_MAX]; /* control and view lock */

/* ---- states ---- */

enum dbd_state { /* the interface's state bits, as they may combine */
	DORMANT_INC = 0,
	DORMANT_SNAP = DATTO_STATE_SNAPSHOT,
	ACTIVE_INC = DATTO_STATE_ACTIVE,
	ACTIVE_SNAP = DATTO_STATE_SNAPSHOT | DATTO_STATE_ACTIVE,
};

#define ANY_STATE (~0u)

enum dbd_event {
	EV_DESTROY,
	EV_TRANSITION_INC,
	EV_TRANSITION_SNAP,
	EV_RECONFIGURE,
	EV_EXPAND,
};

/*
 * Which events a device accepts: states as bits, whether a failed device does,
 * and whether the snapshot must not be open (looked at first).
 */
static const struct {
	unsigned int states;
	bool when_failed;
	bool exclusive;
} accepts[] = {
	[EV_DESTROY] = { ANY_STATE, true, true },
	[EV_TRANSITION_INC] = { BIT(ACTIVE_SNAP), false, true },
	[EV_TRANSITION_SNAP] = { BIT(ACTIVE_INC), false, true },
	[EV_RECONFIGURE] = { ANY_STATE, false, true },
	[EV_EXPAND] = { BIT(ACTIVE_SNAP), false, false },
};

static enum dbd_state state_of(const struct dbd_device *dev)
{
	return (dev->snapshot ? DATTO_STATE_SNAPSHOT : 0) |
	       (READ_ONCE(dev->active) ? DATTO_STATE_ACTIVE : 0);
}

/*
 * The device of @minor if it accepts @event, else ERR_PTR. An exclusive event
 * leaves the snapshot's disk closed: dbd_snap_disk_reopen() if it fails.
 */
static struct dbd_device *device_for(unsigned int minor, enum dbd_event event)
{
	struct dbd_device *dev;

	lockdep_assert_held(&control_lock);
	if (minor >= dbd_max_devices)
		return ERR_PTR(-EINVAL);
	dev = devices[minor];
	if (!dev)
		return ERR_PTR(-ENOENT);
	if (accepts[event].exclusive && !dbd_snap_disk_close(dev->disk))
		return ERR_PTR(-EBUSY);
	if ((accepts[event].states & BIT(state_of(dev))) &&
	    (accepts[event].when_failed || !READ_ONCE(dev->error)))
		return dev;
	if (accepts[event].exclusive)
		dbd_snap_disk_reopen(dev->disk);
	return ERR_PTR(-EINVAL);
}

/* ---- the write path ---- */

static struct dbd_device *device_of(struct dbd_target *t)
{
	return container_of(t, struct dbd_device, target);
}

static u64 first_block(sector_t first)
{
	return first / COW_SECTORS_PER_BLOCK;
}

static u64 end_block(sector_t first, sector_t nr)
{
	return DIV_ROUND_UP_ULL(first + nr, COW_SECTORS_PER_BLOCK);
}

static enum dbd_verdict filter_write(struct dbd_target *t, struct bio *bio, sector_t first,
				     sector_t nr)
{
	struct dbd_device *dev = device_of(t);
	struct dbd_track *track = rcu_dereference(dev->track);
	u64 b = first_block(first), end = end_block(first, nr);

	if (track->snap && !READ_ONCE(dev->error)) {
		if (dbd_map_next_clear(track->map, b, end) == end)
			return DBD_PASS;
		return DBD_DIVERT;
	}
	dbd_map_set(track->map, b, end - b);
	return DBD_PASS;
}

/* Error first: a reader that gets what this write leaves sees it. */
static void missed_write(struct dbd_target *t, struct bio *bio, sector_t first, sector_t nr)
{
	struct dbd_track *track = rcu_dereference(device_of(t)->track);
	u64 b = first_block(first), end = end_block(first, nr);

	if (track->snap) /* it may have ended since the filter looked */
		dbd_snap_fail(track->snap, -EOPNOTSUPP, "a write that cannot be held", b);
	dbd_map_set(track->map, b, end - b);
}

/* The snapshot is not freed while a bio is diverted. */
static void hold_write(struct dbd_target *t, struct bio *bio)
{
	/*
	 * The filter saw a track with a snapshot; @snap was set before that was
	 * published (rcu_assign_pointer()).
	 */
	smp_rmb();
	dbd_snap_hold(device_of(t)->snap, bio);
}

static const struct dbd_target_ops write_ops = {
	.filter = filter_write,
	.missed = missed_write,
	.held = hold_write,
};

/* Publishes map and snapshot to the probe; frees what was published before. */
static void publish(struct dbd_device *dev, struct dbd_track *track)
{
	struct dbd_track *old = rcu_dereference_protected(dev->track,
							  lockdep_is_held(&control_lock));

	rcu_assign_pointer(dev->track, track);
	dbd_target_sync(&dev->target);
	kfree(old);
}

static struct dbd_track *new_track(struct dbd_map *map, struct dbd_snap *snap)
{
	struct dbd_track *track = kmalloc(sizeof(*track), GFP_KERNEL);

	if (track) {
		track->map = map;
		track->snap = snap;
	}
	return track;
}

/*
 * The file system has ended: no raw I/O from here on. The map goes on. This
 * version does not take up the COW file again at the next mount, so a snapshot
 * is lost.
 */
static void device_unmounted(void *owner)
{
	struct dbd_device *dev = owner;

	WRITE_ONCE(dev->active, false);
	if (dev->snap) {
		dbd_snap_fail(dev->snap, -ESTALE, "its file system was unmounted", 0);
		dbd_snap_quiesce(dev->snap);
	}
	dbd_info("/dev/datto%u: dormant: its file system was unmounted", dev->minor);
}

/* ---- checks ---- */

static bool tracked(struct block_device *bdev)
{
	unsigned int i;

	for (i = 0; i < dbd_max_devices; i++)
		if (devices[i] && devices[i]->ref.bdev->bd_dev == bdev->bd_dev)
			return true;
	return false;
}

/* ---- making and ending a device ---- */

/* Frees what device_open() made; nothing points at @dev. */
static void device_free(struct dbd_device *dev)
{
	if (dev->ref.bdev)
		dbd_bdev_close(&dev->ref);
	kfree(dev->path);
	kfree(dev);
}

/* The checks of setup and reload, up to the COW file. ERR_PTR. */
static struct dbd_device *device_open(const char *bdev, u64 cache, unsigned int minor)
{
	struct dbd_device *dev;
	int ret;

	if (minor >= dbd_max_devices)
		return ERR_PTR(-EINVAL);
	if (devices[minor])
		return ERR_PTR(-EBUSY);
	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return ERR_PTR(-ENOMEM);
	dev->minor = minor;
	dev->cache = cache;
	ret = dbd_bdev_open(bdev, &dev->ref);
	if (!ret)
		ret = dbd_resolve_path(bdev, &dev->path);
	if (ret) {
		device_free(dev);
		return ERR_PTR(ret);
	}
	return dev;
}

static int refuse(const struct dbd_device *dev, int ret, const char *why)
{
	dbd_err("no snapshot of %s: %s: %d", dev->path, why, ret);
	return ret;
}

/* What setup demands of the device and of @sb, found on it or NULL. */
static int check_origin(struct dbd_device *dev, struct super_block *sb)
{
	if (!sb)
		return refuse(dev, -EINVAL, "no ext4 or xfs file system is mounted from it");
	if (sb_rdonly(sb))
		return refuse(dev, -EINVAL, "it is mounted read-only");
	if (tracked(dev->ref.bdev))
		return refuse(dev, -EINVAL, "it is tracked already");
	if (bdev_is_zoned(dev->ref.bdev))
		return refuse(dev, -EOPNOTSUPP, "it is a zoned device");
	if (blk_queue_dax(bdev_get_queue(dev->ref.bdev)))
		return refuse(dev, -EOPNOTSUPP, "it can be written past the block layer (DAX)");
	if (dbd_sb_frozen(sb))
		return refuse(dev, -EBUSY, "its file system is frozen");
	return 0;
}

static u64 default_cow_size(const struct dbd_device *dev)
{
	u64 bytes = bdev_nr_bytes(dev->ref.bdev), hundredth = div_u64(bytes, 100);

	/* bytes * percent / 100, rounded down, without overflow */
	return hundredth * dbd_cow_percent_default +
	       (bytes - hundredth * 100) * dbd_cow_percent_default / 100;
}

/* Map, snapshot and published struct of a new snapshot, not yet in use. */
struct snap_parts {
	struct dbd_map *map;
	struct dbd_snap *snap;
	struct dbd_track *track;
};

static void parts_free(struct snap_parts *p)
{
	kfree(p->track);
	dbd_snap_destroy(p->snap);
	dbd_map_free(p->map);
}

/* @cache: bytes for the index, 0: the default. */
static int parts_make(struct dbd_device *dev, struct cow_file *cow, u64 cache,
		      struct snap_parts *p)
{
	*p = (struct snap_parts){};
	p->map = dbd_map_alloc(cow->layout.nr_blocks);
	if (!p->map)
		return -ENOMEM;
	p->snap = dbd_snap_create(dev->minor, &dev->target, cow, p->map, &dev->error,
				  cache ?: dbd_cache_default);
	if (IS_ERR(p->snap)) {
		int ret = PTR_ERR(p->snap);

		p->snap = NULL;
		parts_free(p);
		return ret;
	}
	p->track = new_track(p->map, p->snap);
	if (!p->track) {
		parts_free(p);
		return -ENOMEM;
	}
	return 0;
}

/* @p becomes the device's. Control lock held; the caller publishes the track. */
static void parts_install(struct dbd_device *dev, struct snap_parts *p, struct cow_file *cow)
{
	dev->snap = p->snap;
	mutex_lock(&view_lock);
	dev->map = p->map;
	dev->cow = cow;
	dev->snapshot = true;
	mutex_unlock(&view_lock);
}

static void end_freeze(struct dbd_device *dev)
{
	int ret = dbd_thaw(dev->ref.bdev);

	if (ret)
		dbd_err("%s: cannot thaw the file system: %d", dev->path, ret);
}

/*
 * The instant of the snapshot. With the file system frozen nothing of its is in
 * flight: what the probe sees from here on is after the snapshot. Nothing is
 * allocated between freeze and thaw.
 */
static int start_first(struct dbd_device *dev, struct super_block *sb, struct snap_parts *p,
		       struct cow_file *cow)
{
	int ret;

	dbd_sb_presync(sb);
	ret = dbd_freeze(dev->ref.bdev);
	if (ret)
		return ret;
	parts_install(dev, p, cow);
	WRITE_ONCE(dev->active, true);
	RCU_INIT_POINTER(dev->track, p->track);
	dbd_target_arm(&dev->target);
	dbd_target_drain(&dev->target);
	end_freeze(dev);
	return 0;
}

static int add_disk_of(struct dbd_device *dev)
{
	struct snap_disk *disk = dbd_snap_disk_add(dev->snap, &dev->active);

	if (IS_ERR(disk))
		return PTR_ERR(disk);
	dev->disk = disk;
	return 0;
}

/*
 * Ends tracking. The filter is off and no write is held when the snapshot goes;
 * it goes after the last chance of the unmount callback.
 */
static void device_stop(struct dbd_device *dev)
{
	if (dev->snap)
		dbd_snap_stop_keeping(dev->snap);
	dbd_target_disarm(&dev->target);
	dbd_target_wait_held(&dev->target);
	dbd_snap_disk_remove(dev->disk);
	dev->disk = NULL;
	if (dev->snap)
		dbd_snap_quiesce(dev->snap);
	cow_set_owner(dev->cow, NULL, NULL);
	dbd_snap_destroy(dev->snap);
	dev->snap = NULL;
	kfree(rcu_dereference_protected(dev->track, lockdep_is_held(&control_lock)));
	dbd_target_destroy(&dev->target);
	dbd_map_free(dev->map);
}

static void table_set(unsigned int minor, struct dbd_device *dev)
{
	mutex_lock(&view_lock);
	devices[minor] = dev;
	mutex_unlock(&view_lock);
}

/* From the checked device and its file system to a running snapshot. */
static int device_start(struct dbd_device *dev, struct super_block *sb, const char *cow_path,
			u64 size)
{
	struct snap_parts parts;
	struct cow_file *cow;
	int ret;

	cow = cow_create(cow_path, sb, dev->ref.bdev, size, NULL);
	if (IS_ERR(cow))
		return PTR_ERR(cow);
	if (cow->fpos << COW_BLOCK_SHIFT >= cow->fsize)
		dbd_warn("%s: a COW file of %llu bytes has no room for old blocks: they begin at byte %llu",
			 dev->path, cow->fsize, cow->fpos << COW_BLOCK_SHIFT);
	cow->seqid = 1;
	get_random_bytes(cow->uuid, sizeof(cow->uuid));
	ret = dbd_target_init(&dev->target, dev->ref.bdev, &write_ops);
	if (ret)
		goto remove_cow;
	ret = parts_make(dev, cow, dev->cache, &parts);
	if (ret)
		goto destroy_target;
	cow_set_owner(cow, dev, device_unmounted);
	ret = start_first(dev, sb, &parts, cow);
	if (ret) {
		cow_set_owner(cow, NULL, NULL);
		parts_free(&parts);
		goto destroy_target;
	}
	ret = add_disk_of(dev);
	if (ret) {
		device_stop(dev);
		goto remove_cow;
	}
	return 0;
destroy_target:
	dbd_target_destroy(&dev->target);
remove_cow:
	cow_remove(cow);
	return ret;
}

static int setup_locked(const char *bdev, const char *cow, u64 size, u64 cache, unsigned int minor)
{
	struct super_block *sb;
	struct dbd_device *dev;
	int ret;

	dev = device_open(bdev, cache, minor);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	sb = dbd_origin_sb(dev->ref.bdev);
	ret = check_origin(dev, sb);
	if (!ret)
		ret = device_start(dev, sb, cow, size ?: default_cow_size(dev));
	if (!ret) {
		__module_get(THIS_MODULE);
		table_set(minor, dev);
		dbd_info("/dev/datto%u: snapshot 1 of %s", minor, dev->path);
	}
	if (sb)
		deactivate_super(sb);
	if (ret)
		device_free(dev);
	return ret;
}

static int reload_locked(const char *bdev, u64 cache, unsigned int minor)
{
	struct super_block *sb;
	struct dbd_device *dev;
	int ret = -EOPNOTSUPP;

	dev = device_open(bdev, cache, minor);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	sb = dbd_origin_sb(dev->ref.bdev);
	if ((sb && !sb_rdonly(sb)) || tracked(dev->ref.bdev))
		ret = -EINVAL;
	if (sb)
		deactivate_super(sb);
	device_free(dev);
	return ret;
}

static int destroy_locked(unsigned int minor)
{
	struct dbd_device *dev = device_for(minor, EV_DESTROY);
	struct super_block *sb;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	sb = cow_hold_sb(dev->cow);
	if (!IS_ERR(sb) && dbd_sb_frozen(sb)) {
		deactivate_super(sb);
		dbd_snap_disk_reopen(dev->disk);
		return -EBUSY;
	}
	table_set(minor, NULL);
	device_stop(dev);
	cow_remove(dev->cow);
	if (!IS_ERR(sb))
		deactivate_super(sb);
	device_free(dev);
	module_put(THIS_MODULE);
	return 0;
}

/* ---- transitions ---- */

/*
 * Ends the snapshot and goes on with its map alone. Held writes pass; nothing
 * of the snapshot is in use when this returns. Control lock and a hold of the
 * file system.
 */
static void stop_snapshot(struct dbd_device *dev, struct dbd_track *track)
{
	publish(dev, track);
	dbd_snap_stop_keeping(dev->snap);
	dbd_target_wait_held(&dev->target);
	dbd_snap_disk_remove(dev->disk);
	dev->disk = NULL;
	dbd_snap_quiesce(dev->snap);
	mutex_lock(&view_lock);
	dev->snapshot = false;
	mutex_unlock(&view_lock);
	dbd_snap_destroy(dev->snap);
	dev->snap = NULL;
}

static int transition_inc_locked(unsigned int minor)
{
	struct dbd_device *dev = device_for(minor, EV_TRANSITION_INC);
	struct dbd_track *track;
	struct super_block *sb;
	int ret;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	sb = cow_hold_sb(dev->cow);
	if (IS_ERR(sb)) {
		ret = -EINVAL; /* being unmounted: no longer active */
		goto reopen;
	}
	if (dbd_sb_frozen(sb)) {
		ret = -EBUSY;
		goto put_sb;
	}
	track = new_track(dev->map, NULL);
	if (!track) {
		ret = -ENOMEM;
		goto put_sb;
	}
	stop_snapshot(dev, track);
	ret = cow_shrink(dev->cow);
	if (ret)
		dbd_warn("%s: cannot give the COW file's data area back: %d", dev->path, ret);
	/* The map is what counts now; a failure on the last metres shows there. */
	ret = READ_ONCE(dev->error);
	deactivate_super(sb);
	return ret;
put_sb:
	deactivate_super(sb);
reopen:
	dbd_snap_disk_reopen(dev->disk);
	return ret;
}

/* What a transition to snapshot replaces. */
struct predecessor {
	struct cow_file *cow;
	struct dbd_map *map;
};

static int start_next(struct dbd_device *dev, struct super_block *sb, struct snap_parts *p,
		      struct cow_file *cow)
{
	int ret;

	dbd_sb_presync(sb);
	ret = dbd_freeze(dev->ref.bdev);
	if (ret)
		return ret;
	parts_install(dev, p, cow);
	publish(dev, p->track);
	dbd_target_drain(&dev->target);
	end_freeze(dev);
	return 0;
}

/*
 * The new snapshot could not be completed: incremental again, with all changes
 * since the old one. @track: for the incremental mode.
 */
static void return_to_incremental(struct dbd_device *dev, struct predecessor *old,
				  struct dbd_track *track)
{
	track->map = dev->map;
	stop_snapshot(dev, track);
	dbd_map_merge(dev->map, old->map);
	dbd_map_free(old->map);
	mutex_lock(&view_lock);
	dev->cow = old->cow;
	mutex_unlock(&view_lock);
	cow_set_owner(old->cow, dev, device_unmounted);
	WRITE_ONCE(dev->error, 0);
}

/* @mnt: a mount of the file system. On failure @cow is the caller's again. */
static int next_snapshot(struct dbd_device *dev, struct cow_file *cow, struct vfsmount *mnt)
{
	struct predecessor old = { .cow = dev->cow, .map = dev->map };
	struct dbd_track *back = new_track(NULL, NULL);
	struct snap_parts parts;
	int ret;

	if (!back)
		return -ENOMEM;
	ret = parts_make(dev, cow, 0, &parts);
	if (ret)
		goto free_back;
	cow_set_owner(cow, dev, device_unmounted);
	ret = start_next(dev, mnt->mnt_sb, &parts, cow);
	if (ret) {
		parts_free(&parts);
		goto free_back;
	}
	/* The old map is final now: nobody sets bits in it any more. */
	cow_set_owner(old.cow, NULL, NULL);
	ret = cow_finish(old.cow, old.map, mnt);
	if (!ret)
		ret = add_disk_of(dev);
	if (ret) {
		dbd_err("%s: no transition to snapshot: %d", dev->path, ret);
		return_to_incremental(dev, &old, back);
		return ret;
	}
	cow_release(old.cow);
	dbd_map_free(old.map);
free_back:
	kfree(back);
	return ret;
}

static int transition_snap_locked(const char *cow_path, u64 size, unsigned int minor)
{
	struct dbd_device *dev = device_for(minor, EV_TRANSITION_SNAP);
	struct super_block *sb;
	struct cow_file *cow;
	struct file *file;
	int ret;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	sb = cow_hold_sb(dev->cow);
	if (IS_ERR(sb))
		return -EINVAL; /* being unmounted: no longer active */
	if (dbd_sb_frozen(sb)) {
		ret = -EBUSY;
		goto put_sb;
	}
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
	mutex_lock(&view_lock);
	dev->cache = 0;
	mutex_unlock(&view_lock);
	dbd_info("/dev/datto%u: snapshot %llu of %s", minor, cow->seqid, dev->path);
put_sb:
	deactivate_super(sb);
	return ret;
}

static int reconfigure_locked(u64 cache, unsigned int minor)
{
	struct dbd_device *dev = device_for(minor, EV_RECONFIGURE);

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	mutex_lock(&view_lock);
	dev->cache = cache;
	mutex_unlock(&view_lock);
	if (dev->snap)
		cow_index_set_limit(&dev->snap->index, cache ?: dbd_cache_default);
	dbd_snap_disk_reopen(dev->disk);
	return 0;
}

/* ---- the calls ---- */

#define LOCKED(call)                                         \
	({                                                   \
		int __ret = mutex_lock_killable(&control_lock); \
		if (!__ret) {                                \
			__ret = (call);                      \
			mutex_unlock(&control_lock);         \
		}                                            \
		__ret;                                       \
	})

int dbd_setup(const char *bdev, const char *cow, u64 size, u64 cache, unsigned int minor)
{
	return LOCKED(setup_locked(bdev, cow, size, cache, minor));
}

int dbd_reload(const char *bdev, const char *cow, u64 cache, unsigned int minor)
{
	return LOCKED(reload_locked(bdev, cache, minor));
}

int dbd_destroy(unsigned int minor)
{
	return LOCKED(destroy_locked(minor));
}

int dbd_transition_inc(unsigned int minor)
{
	return LOCKED(transition_inc_locked(minor));
}

int dbd_transition_snap(const char *cow, u64 size, unsigned int minor)
{
	return LOCKED(transition_snap_locked(cow, size, minor));
}

int dbd_reconfigure(u64 cache, unsigned int minor)
{
	return LOCKED(reconfigure_locked(cache, minor));
}

/* Growing the COW file is not in this version: it says so, after the checks. */
int dbd_expand(unsigned int minor)
{
	return LOCKED(PTR_ERR_OR_ZERO(device_for(minor, EV_EXPAND)) ?: -EOPNOTSUPP);
}

/* ---- what is shown ---- */

static void fill_view(const struct dbd_device *dev, struct dbd_view *view)
{
	struct dattobd_info *info = &view->info;

	info->minor = dev->minor;
	info->state = state_of(dev);
	info->error = READ_ONCE(dev->error);
	info->cache_size = dev->cache ?: dbd_cache_default;
	info->falloc_size = dev->cow->fsize;
	info->seqid = dev->cow->seqid;
	memcpy(info->uuid, dev->cow->uuid, sizeof(info->uuid));
	strscpy(info->cow, dev->cow->path, sizeof(info->cow));
	strscpy(info->bdev, dev->path, sizeof(info->bdev));
	info->version = COW_VERSION;
	info->nr_changed_blocks = dbd_map_nr_set(dev->map);
	view->asked = dev->cow->asked;
}

int dbd_device_view(unsigned int minor, struct dbd_view *view)
{
	int ret = -ENOENT;

	if (minor >= dbd_max_devices)
		return -EINVAL;
	memset(view, 0, sizeof(*view));
	mutex_lock(&view_lock);
	if (devices[minor]) {
		fill_view(devices[minor], view);
		ret = 0;
	}
	mutex_unlock(&view_lock);
	return ret;
}

int dbd_free_minor(void)
{
	unsigned int i;

	mutex_lock(&view_lock);
	for (i = 0; i < dbd_max_devices && devices[i]; i++)
		;
	mutex_unlock(&view_lock);
	return i < dbd_max_devices ? (int)i : -ENOENT;
}
