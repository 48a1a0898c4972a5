// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracked devices, and the commands for them.
 *
 * Taking a snapshot means: prepare everything, freeze the
 * file system, publish, wait for writes in flight, thaw. Ending one means:
 * publish the same map without it, wait for held writes, throw it away. The map
 * outlives the snapshot and goes on as the map of changes.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "cow_track.h"
#include "dbd.h"
#include "device_impl.h"
#include "origin.h"

#define DBD_MINORS_MAX 256

/* How long the writers of a group wait for one more of it to be frozen. */
#define FREEZE_SECONDS 30

static DEFINE_MUTEX(control_lock);
DEFINE_MUTEX(dbd_view_lock);
/* Changed under control and view lock; RCU for those who have neither. */
static struct dbd_device __rcu *devices[DBD_MINORS_MAX];

/* ---- states ---- */

#define ANY_STATE (~0u)

enum dbd_event {
	EV_DESTROY,
	EV_TRANSITION_INC,
	EV_FORCE_INC,
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
	[EV_FORCE_INC] = { BIT(ACTIVE_SNAP) | BIT(ACTIVE_INC), true, true },
	[EV_TRANSITION_SNAP] = { BIT(ACTIVE_INC), false, true },
	[EV_RECONFIGURE] = { ANY_STATE, false, true },
	[EV_EXPAND] = { BIT(ACTIVE_SNAP), false, false },
};

static struct dbd_device *device_at(unsigned int minor)
{
	return rcu_dereference_protected(devices[minor], lockdep_is_held(&control_lock) ||
						 lockdep_is_held(&dbd_view_lock));
}

static int minor_too_large(unsigned int minor)
{
	dbd_refuse("minor %u is not below max_snap_devices, %u", minor, dbd_max_devices);
	return -EINVAL;
}

/* A mount that was not noticed is noticed now. */
static void catch_up(struct dbd_device *dev)
{
	struct super_block *sb;

	if (READ_ONCE(dev->active) || dev->dead)
		return;
	sb = dbd_origin_sb(dev->ref.bdev);
	if (!sb)
		return;
	dbd_device_follow(dev, sb);
	deactivate_super(sb);
}

static int check_accepts(struct dbd_device *dev, enum dbd_event event)
{
	if (accepts[event].exclusive && !dbd_snap_disk_close(dev->disk)) {
		dbd_refuse("/dev/datto%u is open", dev->minor);
		return -EBUSY;
	}
	catch_up(dev);
	if ((accepts[event].states & BIT(state_of(dev))) &&
	    (accepts[event].when_failed || !READ_ONCE(dev->error)))
		return 0;
	if (accepts[event].exclusive)
		dbd_snap_disk_reopen(dev->disk);
	dbd_refuse("the device is in state %u with error %d", state_of(dev), READ_ONCE(dev->error));
	return -EINVAL;
}

/*
 * The device of @minor, locked until device_done(), if it accepts @event, else
 * ERR_PTR. An exclusive event leaves the snapshot's disk closed.
 */
static struct dbd_device *device_for(unsigned int minor, enum dbd_event event)
{
	struct dbd_device *dev;
	int ret;

	lockdep_assert_held(&control_lock);
	if (minor >= dbd_max_devices)
		return ERR_PTR(minor_too_large(minor));
	dev = device_at(minor);
	if (!dev)
		return ERR_PTR(-ENOENT);
	mutex_lock(&dev->lock);
	ret = check_accepts(dev, event);
	if (!ret)
		return dev;
	mutex_unlock(&dev->lock);
	return ERR_PTR(ret);
}

/* The disk, if there is one by now, can be opened again. */
static void device_done(struct dbd_device *dev)
{
	dbd_snap_disk_reopen(dev->disk);
	mutex_unlock(&dev->lock);
}

/* ---- checks ---- */

static bool tracked(struct block_device *bdev)
{
	unsigned int i;

	for (i = 0; i < dbd_max_devices; i++)
		if (device_at(i) && device_at(i)->ref.bdev->bd_dev == bdev->bd_dev)
			return true;
	return false;
}

struct dbd_device *dbd_device_on(dev_t bdev)
{
	unsigned int i;

	for (i = 0; i < dbd_max_devices; i++) {
		struct dbd_device *dev = rcu_dereference(devices[i]);

		if (dev && dev->ref.bdev->bd_dev == bdev)
			return dev;
	}
	return NULL;
}

/* ---- making and ending a device ---- */

static void device_release(struct kref *kref)
{
	struct dbd_device *dev = container_of(kref, struct dbd_device, kref);

	if (dev->ref.bdev)
		dbd_bdev_close(&dev->ref);
	kfree(dev->path);
	mutex_destroy(&dev->lock);
	kfree(dev);
}

void dbd_device_put(struct dbd_device *dev)
{
	kref_put(&dev->kref, device_release);
}

/* The checks of setup and reload, up to the COW file. ERR_PTR. */
static struct dbd_device *device_open(const char *bdev, u64 cache, unsigned int minor)
{
	struct dbd_device *dev;
	int ret;

	if (minor >= dbd_max_devices)
		return ERR_PTR(minor_too_large(minor));
	if (device_at(minor)) {
		dbd_refuse("minor %u is in use for %s", minor, device_at(minor)->path);
		return ERR_PTR(-EBUSY);
	}
	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return ERR_PTR(-ENOMEM);
	kref_init(&dev->kref);
	mutex_init(&dev->lock);
	INIT_DELAYED_WORK(&dev->settle, dbd_device_settle_work);
	dev->minor = minor;
	dev->cache = cache;
	ret = dbd_bdev_open(bdev, &dev->ref);
	if (!ret)
		ret = dbd_resolve_path(bdev, &dev->path);
	if (ret) {
		dbd_refuse("%s cannot be opened as a block device", bdev);
		dbd_device_put(dev);
		return ERR_PTR(ret);
	}
	return dev;
}

static int refuse(const struct dbd_device *dev, int ret, const char *why)
{
	dbd_err("%s cannot be tracked: %s: %d", dev->path, why, ret);
	return ret;
}

static int check_trackable(struct dbd_device *dev)
{
	if (tracked(dev->ref.bdev))
		return refuse(dev, -EINVAL, "it is tracked already");
	if (bdev_is_zoned(dev->ref.bdev))
		return refuse(dev, -EOPNOTSUPP, "it is a zoned device");
	if (blk_queue_dax(bdev_get_queue(dev->ref.bdev)))
		return refuse(dev, -EOPNOTSUPP, "it can be written past the block layer (DAX)");
	return 0;
}

/* What setup demands of the device and of @sb, found on it or NULL. */
static int check_origin(struct dbd_device *dev, struct super_block *sb)
{
	if (!sb && dbd_bdev_claimed(dev->ref.bdev))
		return refuse(dev, -EOPNOTSUPP,
			      "in use, but not by an ext2, ext3, ext4 or xfs file system: only those can hold a COW file and be frozen for a snapshot");
	if (!sb)
		return refuse(dev, -EINVAL, "no file system is mounted from it");
	if (sb_rdonly(sb))
		return refuse(dev, -EINVAL, "it is mounted read-only");
	if (dbd_bdev_has_rw_page(dev->ref.bdev) && !strcmp(sb->s_type->name, "ext2"))
		return refuse(dev, -EOPNOTSUPP, "ext2 writes it past the block layer (rw_page)");
	if (dbd_sb_frozen(sb))
		return refuse(dev, -EBUSY, "its file system is frozen");
	return check_trackable(dev);
}

static u64 default_cow_size(const struct dbd_device *dev)
{
	u64 bytes = bdev_nr_bytes(dev->ref.bdev), hundredth = div_u64(bytes, 100);

	/* bytes * percent / 100, rounded down, without overflow */
	return hundredth * dbd_cow_percent_default +
	       (bytes - hundredth * 100) * dbd_cow_percent_default / 100;
}

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

/* Map, log, snapshot and published struct of a new snapshot, not yet in use. */
struct snap_parts {
	struct dbd_map *map;
	struct dbd_intent *log;
	struct dbd_snap *snap;
	struct dbd_track *track;
};

static void parts_free(struct snap_parts *p)
{
	kfree(p->track);
	dbd_snap_destroy(p->snap);
	dbd_intent_destroy(p->log);
	dbd_map_free(p->map);
}

/* *@log: NULL when there is to be none, or no room for one. */
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
	return ret ?: cow_track_use(cow, dev->ref.bdev, COW_TRACK_LOG | flags);
}

/*
 * @cache: bytes for the index, 0: the default. @flags: COW_TRACK_PENDING, when there
 * is a predecessor.
 */
static int parts_make(struct dbd_device *dev, struct cow_file *cow, u64 cache, u32 flags,
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
	parts_free(p);
	return ret;
}

/* @p becomes the device's. Control lock held; the caller publishes the track. */
static void parts_install(struct dbd_device *dev, struct snap_parts *p, struct cow_file *cow)
{
	dev->snap = p->snap;
	dev->log = p->log;
	mutex_lock(&dbd_view_lock);
	dev->map = p->map;
	dev->cow = cow;
	dev->snapshot = true;
	mutex_unlock(&dbd_view_lock);
}

static void end_freeze(struct dbd_device *dev)
{
	int ret = dbd_thaw(&dev->ref);

	if (ret)
		dbd_err("%s: cannot thaw the file system: %d", dev->path, ret);
}

/* Settings of growth end with the snapshot; a step under way is waited for. */
static void end_growth(struct dbd_device *dev)
{
	dbd_grow_destroy(dev->grow);
	dev->grow = NULL;
	mutex_lock(&dbd_view_lock);
	dev->step = 0;
	dev->reserved = 0;
	mutex_unlock(&dbd_view_lock);
}

int dbd_device_add_disk(struct dbd_device *dev)
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
	end_growth(dev);
	if (dev->snap)
		dbd_snap_stop_keeping(dev->snap);
	dbd_tracker_stop(&dev->tracker);
	dbd_snap_disk_remove(dev->disk);
	dev->disk = NULL;
	if (dev->snap)
		dbd_snap_quiesce(dev->snap);
	cow_set_owner(dev->cow, NULL, NULL);
	dbd_snap_destroy(dev->snap);
	dev->snap = NULL;
	dbd_intent_destroy(dev->log);
	dbd_tracker_destroy(&dev->tracker);
	dbd_map_free(dev->map);
}

static void table_set(unsigned int minor, struct dbd_device *dev)
{
	mutex_lock(&dbd_view_lock);
	rcu_assign_pointer(devices[minor], dev);
	mutex_unlock(&dbd_view_lock);
}

/* Nobody finds the device any more; events on their way find it dead. */
static void table_remove(struct dbd_device *dev)
{
	dev->dead = true;
	table_set(dev->minor, NULL);
	synchronize_rcu_expedited();
}

/* From here on the device is found; it may have been remounted read-only since. */
static void device_publish(struct dbd_device *dev, struct super_block *sb)
{
	mutex_lock(&dev->lock);
	dbd_device_activated(dev);
	table_set(dev->minor, dev);
	dbd_device_follow(dev, sb);
	mutex_unlock(&dev->lock);
	dbd_info("/dev/datto%u: snapshot 1 of %s", dev->minor, dev->path);
}

/* ---- first snapshots, of one device or of several at one instant ---- */

/**
 * struct newcomer - a device on its way to its first snapshot
 * @dev: the device, not in the table yet
 * @sb: its file system, held
 * @cow: its COW file; NULL: not prepared
 * @parts: what it starts with
 * @started: the snapshot runs
 * @frozen: its file system is frozen, by us
 * @work: starts it
 * @tried: @work is done
 * @ret: of @work
 */
struct newcomer {
	struct dbd_device *dev;
	struct super_block *sb;
	struct cow_file *cow;
	struct snap_parts parts;
	bool started, frozen;
	struct work_struct work;
	struct completion tried;
	int ret;
};

static int newcomer_open(struct newcomer *all, unsigned int i, const struct dbd_member *m)
{
	struct dbd_device *dev = device_open(m->bdev, m->cache, m->minor);
	unsigned int j;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	all[i].dev = dev;
	for (j = 0; j < i; j++) {
		if (all[j].dev->minor == dev->minor)
			return refuse(dev, -EINVAL, "its minor is in the group twice");
		if (all[j].dev->ref.bdev->bd_dev == dev->ref.bdev->bd_dev)
			return refuse(dev, -EINVAL, "it is in the group twice");
	}
	all[i].sb = dbd_origin_sb(dev->ref.bdev);
	return check_origin(dev, all[i].sb);
}

static int newcomer_prepare(struct newcomer *n, const struct dbd_member *m)
{
	struct dbd_device *dev = n->dev;
	struct cow_file *cow;
	int ret;

	cow = cow_create(m->cow, n->sb, dev->ref.bdev, m->size ?: default_cow_size(dev), NULL);
	if (IS_ERR(cow))
		return PTR_ERR(cow);
	if (cow->fpos << COW_BLOCK_SHIFT >= cow->fsize)
		dbd_warn("%s: a COW file of %llu bytes has no room for old blocks: they begin at byte %llu",
			 dev->path, cow->fsize, cow->fpos << COW_BLOCK_SHIFT);
	cow->seqid = 1;
	get_random_bytes(cow->uuid, sizeof(cow->uuid));
	ret = dbd_tracker_init(&dev->tracker, dev->minor, dev->ref.bdev, &dev->error,
			       &dev->why, dbd_device_unsealed);
	if (ret)
		goto remove_cow;
	ret = parts_make(dev, cow, dev->cache, 0, &n->parts);
	if (ret)
		goto destroy_tracker;
	cow_set_owner(cow, dev, dbd_device_unmounted);
	n->cow = cow;
	return 0;
destroy_tracker:
	dbd_tracker_destroy(&dev->tracker);
remove_cow:
	cow_remove(cow);
	return ret;
}

/*
 * The instant of the snapshot is any between this and the thaw. With the file
 * system frozen nothing of its is in flight, and what the probe sees from here on
 * is after the snapshot. Drained at once, since what the device stands on may be
 * frozen next. Nothing is allocated between freeze and thaw.
 */
static int newcomer_start(struct newcomer *n)
{
	struct dbd_device *dev = n->dev;
	int ret;

	ret = dbd_freeze(&dev->ref);
	if (ret)
		return ret;
	n->frozen = true;
	parts_install(dev, &n->parts, n->cow);
	WRITE_ONCE(dev->active, true);
	dbd_tracker_start(&dev->tracker, n->parts.track);
	dbd_target_drain(&dev->tracker.target);
	n->started = true;
	return 0;
}

/* Undoes whatever was done. Not frozen. */
static void newcomer_drop(struct newcomer *n)
{
	if (n->started) {
		device_stop(n->dev);
		cow_remove(n->cow);
	} else if (n->cow) {
		cow_set_owner(n->cow, NULL, NULL);
		parts_free(&n->parts);
		dbd_tracker_destroy(&n->dev->tracker);
		cow_remove(n->cow);
	}
	if (n->dev)
		dbd_device_put(n->dev);
}

static void newcomer_work(struct work_struct *work)
{
	struct newcomer *n = container_of(work, struct newcomer, work);

	n->ret = newcomer_start(n);
	complete(&n->tried);
}

static void thaw_started(struct newcomer *all, unsigned int nr)
{
	while (nr-- > 0) {
		if (all[nr].frozen)
			end_freeze(all[nr].dev);
		all[nr].frozen = false;
	}
}

/*
 * Starts @all[@i], all before it being frozen. What it stands on may be a file of
 * one of those, by whatever loop devices and networks: it is frozen then only
 * after they are thawed, so this does not wait for ever.
 */
static int newcomer_start_next(struct newcomer *all, unsigned int i)
{
	struct newcomer *n = &all[i];
	bool late;

	if (!i)
		return newcomer_start(n);
	INIT_WORK(&n->work, newcomer_work);
	init_completion(&n->tried);
	queue_work(system_unbound_wq, &n->work);
	late = !wait_for_completion_timeout(&n->tried, FREEZE_SECONDS * HZ);
	if (late)
		thaw_started(all, i);
	flush_work(&n->work);
	return late ? refuse(n->dev, -ETIMEDOUT,
			     "its file system could not be frozen in time while those named before it were: one that stands on a file of another has to be named before that") :
		      n->ret;
}

/* Freezes and starts all, then thaws all. */
static int start_all(struct newcomer *all, unsigned int nr, unsigned int *failed)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < nr; i++)
		dbd_sb_presync(all[i].sb);
	for (i = 0; !ret && i < nr; i++) {
		*failed = i;
		ret = newcomer_start_next(all, i);
	}
	thaw_started(all, nr);
	return ret;
}

static int setup_all(struct newcomer *all, const struct dbd_member *members, unsigned int nr,
		     unsigned int *failed)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < nr; i++) {
		*failed = i;
		ret = newcomer_open(all, i, &members[i]);
	}
	for (i = 0; !ret && i < nr; i++) {
		*failed = i;
		ret = newcomer_prepare(&all[i], &members[i]);
	}
	if (!ret)
		ret = start_all(all, nr, failed);
	for (i = 0; !ret && i < nr; i++) {
		*failed = i;
		ret = dbd_device_add_disk(all[i].dev);
	}
	return ret;
}

static int setup_locked(const struct dbd_member *members, unsigned int nr, unsigned int *failed)
{
	struct newcomer *all = kvcalloc(nr, sizeof(*all), GFP_KERNEL);
	unsigned int i;
	int ret;

	*failed = nr;
	if (!all)
		return -ENOMEM;
	ret = setup_all(all, members, nr, failed);
	for (i = 0; i < nr; i++) {
		if (ret)
			newcomer_drop(&all[i]);
		else
			device_publish(all[i].dev, all[i].sb);
		if (all[i].sb)
			deactivate_super(all[i].sb);
	}
	kvfree(all);
	return ret;
}

/* What reload demands of the device and of @sb, found on it or NULL. */
static int check_reload(struct dbd_device *dev, struct super_block *sb)
{
	if (sb && !sb_rdonly(sb))
		return refuse(dev, -EINVAL, "it is mounted read-write already");
	return check_trackable(dev);
}

/*
 * Tracking begins now, though the COW file is not known before the file system
 * is mounted: nothing that happens in between is missed.
 */
static int start_unverified(struct dbd_device *dev)
{
	struct dbd_track *track = NULL;
	int ret;

	ret = dbd_tracker_init(&dev->tracker, dev->minor, dev->ref.bdev, &dev->error,
			       &dev->why, dbd_device_unsealed);
	if (ret)
		return ret;
	ret = -ENOMEM;
	dev->map = dbd_map_alloc(dev->cow->layout.nr_blocks);
	if (!dev->map)
		goto destroy_tracker;
	if (dev->snapshot) {
		dev->snap = dbd_snap_create(dev->minor, &dev->tracker.target, dev->cow, dev->map,
					    &dev->error, &dev->why,
					    dev->cache ?: dbd_cache_default);
		if (IS_ERR(dev->snap)) {
			ret = PTR_ERR(dev->snap);
			dev->snap = NULL;
			goto free_map;
		}
		dbd_snap_park(dev->snap);
	}
	track = dbd_track_alloc(dev->map, dev->snap, NULL);
	if (!track)
		goto free_snap;
	dbd_tracker_start(&dev->tracker, track);
	dbd_target_drain(&dev->tracker.target);
	ret = dbd_mount_mark_read(dev->ref.bdev, dev->cow->block, &dev->origin);
	if (ret)
		device_stop(dev);
	return ret;
free_snap:
	dbd_snap_destroy(dev->snap);
free_map:
	dbd_map_free(dev->map);
destroy_tracker:
	dbd_tracker_destroy(&dev->tracker);
	return ret;
}

static int reload_locked(const char *bdev, const char *cow, u64 cache, unsigned int minor,
			 bool snapshot)
{
	struct super_block *sb;
	struct dbd_device *dev;
	int ret;

	dev = device_open(bdev, cache, minor);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	dev->snapshot = snapshot;
	dev->unverified = true;
	sb = dbd_origin_sb(dev->ref.bdev);
	ret = check_reload(dev, sb);
	if (sb)
		deactivate_super(sb);
	if (ret)
		goto put;
	dev->cow = cow_expect(cow, dev->ref.bdev);
	if (IS_ERR(dev->cow)) {
		ret = PTR_ERR(dev->cow);
		goto put;
	}
	ret = start_unverified(dev);
	if (ret) {
		cow_release(dev->cow);
		goto put;
	}
	table_set(minor, dev);
	/* It may have been mounted since it was looked at. */
	mutex_lock(&dev->lock);
	catch_up(dev);
	mutex_unlock(&dev->lock);
	dbd_info("datto%u: %s is tracked; its COW file is looked at when it is mounted", minor,
		 dev->path);
	return 0;
put:
	dbd_device_put(dev);
	return ret;
}

/* The device is locked and nobody has its disk open. */
static void device_end(struct dbd_device *dev, void (*end_cow)(struct cow_file *cow))
{
	bool held = dev->holds_module;

	table_remove(dev);
	device_stop(dev);
	end_cow(dev->cow);
	mutex_unlock(&dev->lock);
	cancel_delayed_work_sync(&dev->settle);
	dbd_device_put(dev);
	if (held)
		module_put(THIS_MODULE);
}

static void remove_cow(struct cow_file *cow)
{
	cow_remove(cow);
}

static int destroy_locked(unsigned int minor)
{
	struct dbd_device *dev = device_for(minor, EV_DESTROY);
	struct super_block *sb;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	if (dev->unverified) {
		device_end(dev, cow_release); /* the file was never ours */
		return 0;
	}
	sb = cow_hold_sb(dev->cow);
	if (!IS_ERR(sb) && dbd_sb_frozen(sb)) {
		dbd_refuse("its file system is frozen");
		deactivate_super(sb);
		device_done(dev);
		return -EBUSY;
	}
	/* A file that cannot be removed must not be taken up by a reload. */
	dbd_tracker_disclaim(&dev->tracker, dev->cow);
	device_end(dev, remove_cow);
	if (!IS_ERR(sb))
		deactivate_super(sb);
	return 0;
}

/* ---- transitions ---- */

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
	end_growth(dev);
	dbd_tracker_publish(&dev->tracker, track);
	dbd_snap_stop_keeping(dev->snap);
	dbd_target_wait_held(&dev->tracker.target);
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
	ret = cow_shrink(dev->cow);
	if (ret)
		dbd_warn("%s: cannot give the COW file's data area back: %d", dev->path, ret);
	ret = 0;
put_sb:
	deactivate_super(sb);
	return ret;
}

static int transition_inc_locked(unsigned int minor)
{
	struct dbd_device *dev = device_for(minor, EV_TRANSITION_INC);
	int ret;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	ret = end_snapshot(dev);
	if (!ret) /* The map is what counts now; a failure on the last metres shows there. */
		ret = READ_ONCE(dev->error);
	device_done(dev);
	return ret;
}

/*
 * The snapshot is lost, but not what changed since: its error is set before the
 * first write that passes without a copy, and each such write is marked before
 * it passes, whether the filter, the copy worker or a write that could not be
 * held was the first to see the error. A device whose map is not complete, since
 * its COW file could not be taken up, never becomes active.
 */
static int force_inc_locked(unsigned int minor)
{
	struct dbd_device *dev = device_for(minor, EV_FORCE_INC);
	int error, ret = -EINVAL;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	error = READ_ONCE(dev->error);
	if (!error) {
		dbd_refuse("the device has not failed: nothing is to be forced");
		goto done;
	}
	ret = dev->snapshot ? end_snapshot(dev) : 0;
	if (!ret) {
		dbd_info("datto%u: incremental by force after error %d", dev->minor, error);
		clear_error(dev);
	}
done:
	device_done(dev);
	return ret;
}

/* What a transition to snapshot replaces. */
struct predecessor {
	struct cow_file *cow;
	struct dbd_map *map;
	struct dbd_intent *log;
};

static int start_next(struct dbd_device *dev, struct super_block *sb, struct snap_parts *p,
		      struct cow_file *cow, struct predecessor *old)
{
	int ret;

	dbd_sb_presync(sb);
	ret = dbd_freeze(&dev->ref);
	if (ret)
		return ret;
	parts_install(dev, p, cow);
	dbd_tracker_publish(&dev->tracker, p->track);
	if (old->log)
		dbd_intent_drain(old->log);
	dbd_target_drain(&dev->tracker.target);
	end_freeze(dev);
	return 0;
}

/*
 * The new snapshot could not be completed: incremental again, with all changes
 * since the old one. @track: for the incremental mode.
 */
static void return_to_incremental(struct dbd_device *dev, struct predecessor *old,
				  struct dbd_track *track, struct vfsmount *mnt)
{
	int ret = cow_unfinish(old->cow, mnt);

	if (ret)
		dbd_warn("%s: cannot take back the header of the COW file %s: %d", dev->path,
			 old->cow->path, ret);
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
	clear_error(dev);
	if (!old->log)
		return;
	/* It has had all that the other one got: map and log on disk are complete. */
	dbd_intent_resume(old->log, dev->map);
	ret = cow_track_use(old->cow, dev->ref.bdev, COW_TRACK_LOG);
	if (ret)
		dbd_warn("%s: the COW file %s cannot be reloaded after a crash: %d", dev->path,
			 old->cow->path, ret);
}

/*
 * The predecessor's file and then the new one's, so that at each instant one of
 * them can be taken up after a crash: the old one, with all changes in its log, until
 * its header is written; from just before on the new one.
 */
static int finish_predecessor(struct dbd_device *dev, struct predecessor *old,
			      struct vfsmount *mnt)
{
	int ret = cow_finish_index(old->cow, old->map, mnt);

	if (!ret && dev->log)
		ret = cow_track_use(dev->cow, dev->ref.bdev, COW_TRACK_LOG | COW_TRACK_SNAPSHOT);
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
	int ret;

	if (!back)
		return -ENOMEM;
	ret = parts_make(dev, cow, 0, COW_TRACK_PENDING, &parts);
	if (ret)
		goto free_back;
	cow_set_owner(cow, dev, dbd_device_unmounted);
	ret = link_logs(dev, &old, parts.log);
	if (!ret)
		ret = start_next(dev, mnt->mnt_sb, &parts, cow, &old);
	if (ret) {
		parts_free(&parts);
		if (old.log)
			dbd_intent_resume(old.log, old.map);
		goto free_back;
	}
	/* The old map is final now: nobody sets bits in it any more. */
	cow_set_owner(old.cow, NULL, NULL);
	ret = finish_predecessor(dev, &old, mnt);
	if (!ret)
		ret = dbd_device_add_disk(dev);
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
	if (IS_ERR(sb)) {
		ret = -EINVAL; /* being unmounted: no longer active */
		goto done;
	}
	if (dbd_sb_frozen(sb)) {
		dbd_refuse("its file system is frozen");
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
	mutex_lock(&dbd_view_lock);
	dev->cache = 0;
	mutex_unlock(&dbd_view_lock);
	dbd_info("/dev/datto%u: snapshot %llu of %s", minor, cow->seqid, dev->path);
put_sb:
	deactivate_super(sb);
done:
	device_done(dev);
	return ret;
}

static int reconfigure_locked(u64 cache, unsigned int minor)
{
	struct dbd_device *dev = device_for(minor, EV_RECONFIGURE);

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	mutex_lock(&dbd_view_lock);
	dev->cache = cache;
	mutex_unlock(&dbd_view_lock);
	if (dev->snap)
		cow_index_set_limit(&dev->snap->index, cache ?: dbd_cache_default);
	device_done(dev);
	return 0;
}

/* ---- growth of the COW file ---- */

static int make_growable(struct dbd_device *dev)
{
	struct dbd_grow *grow;

	if (dev->grow)
		return 0;
	grow = dbd_grow_create(dev->snap, dev->path);
	if (IS_ERR(grow))
		return PTR_ERR(grow);
	dev->grow = grow;
	return 0;
}

static int expand(struct dbd_device *dev, u64 bytes)
{
	int ret;

	if (!bytes) {
		dbd_refuse("the COW file is to grow by nothing");
		return -EINVAL;
	}
	ret = make_growable(dev);
	return ret ?: dbd_grow_by(dev->grow, bytes);
}

static int auto_expand(struct dbd_device *dev, u64 step, u64 reserved)
{
	int ret = step ? make_growable(dev) : 0;

	if (ret)
		return ret;
	if (dev->grow)
		dbd_grow_auto(dev->grow, step, reserved);
	mutex_lock(&dbd_view_lock);
	dev->step = step;
	dev->reserved = reserved;
	mutex_unlock(&dbd_view_lock);
	return 0;
}

static int expand_locked(u64 bytes, unsigned int minor)
{
	struct dbd_device *dev = device_for(minor, EV_EXPAND);
	int ret;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	ret = expand(dev, bytes);
	mutex_unlock(&dev->lock);
	return ret;
}

static int auto_expand_locked(u64 step, u64 reserved, unsigned int minor)
{
	struct dbd_device *dev = device_for(minor, EV_EXPAND);
	int ret;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	ret = auto_expand(dev, step, reserved);
	mutex_unlock(&dev->lock);
	return ret;
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

int dbd_setup(const struct dbd_member *members, unsigned int nr, unsigned int *failed)
{
	return LOCKED(setup_locked(members, nr, failed));
}

int dbd_reload(const char *bdev, const char *cow, u64 cache, unsigned int minor, bool snapshot)
{
	return LOCKED(reload_locked(bdev, cow, cache, minor, snapshot));
}

int dbd_destroy(unsigned int minor)
{
	return LOCKED(destroy_locked(minor));
}

int dbd_transition_inc(unsigned int minor)
{
	return LOCKED(transition_inc_locked(minor));
}

int dbd_force_inc(unsigned int minor)
{
	return LOCKED(force_inc_locked(minor));
}

int dbd_transition_snap(const char *cow, u64 size, unsigned int minor)
{
	return LOCKED(transition_snap_locked(cow, size, minor));
}

int dbd_reconfigure(u64 cache, unsigned int minor)
{
	return LOCKED(reconfigure_locked(cache, minor));
}

int dbd_expand(u64 bytes, unsigned int minor)
{
	return LOCKED(expand_locked(bytes, minor));
}

int dbd_auto_expand(u64 step, u64 reserved, unsigned int minor)
{
	return LOCKED(auto_expand_locked(step, reserved, minor));
}

/* ---- at the end of the machine's run, or the module's ---- */

#define SEAL_PATIENCE_MS 5000

/* A device that is busy for long must not keep the machine from rebooting. */
static bool lock_soon(struct dbd_device *dev)
{
	unsigned int ms;

	for (ms = 0; ms < SEAL_PATIENCE_MS; ms += 20) {
		if (mutex_trylock(&dev->lock))
			return true;
		msleep(20);
	}
	return false;
}

static struct dbd_device *device_hold(unsigned int minor)
{
	struct dbd_device *dev;

	mutex_lock(&dbd_view_lock);
	dev = device_at(minor);
	if (dev)
		kref_get(&dev->kref);
	mutex_unlock(&dbd_view_lock);
	return dev;
}

void dbd_devices_seal(void)
{
	unsigned int i;

	for (i = 0; i < dbd_max_devices; i++) {
		struct dbd_device *dev = device_hold(i);

		if (!dev)
			continue;
		if (lock_soon(dev)) {
			if (!dev->dead && !dev->unverified)
				dbd_tracker_seal(&dev->tracker, dev->cow);
			mutex_unlock(&dev->lock);
		}
		dbd_device_put(dev);
	}
}

void dbd_devices_exit(void)
{
	unsigned int i;

	mutex_lock(&control_lock);
	for (i = 0; i < dbd_max_devices; i++) {
		struct dbd_device *dev = device_at(i);

		if (!dev)
			continue;
		mutex_lock(&dev->lock);
		if (!dev->unverified && dbd_tracker_seal(&dev->tracker, dev->cow))
			dbd_tracker_disclaim(&dev->tracker, dev->cow);
		device_end(dev, cow_release);
	}
	mutex_unlock(&control_lock);
}

/* ---- what is shown ---- */

static void fill_view(const struct dbd_device *dev, struct dbd_view *view)
{
	struct dattobd_info *info = &view->info;

	info->minor = dev->minor;
	info->state = state_of(dev);
	info->error = READ_ONCE(dev->error);
	info->cache_size = dev->cache ?: dbd_cache_default;
	strscpy(info->cow, dev->cow->path, sizeof(info->cow));
	strscpy(info->bdev, dev->path, sizeof(info->bdev));
	if (dev->unverified)
		return;
	info->falloc_size = READ_ONCE(dev->cow->fsize);
	info->seqid = dev->cow->seqid;
	memcpy(info->uuid, dev->cow->uuid, sizeof(info->uuid));
	info->version = COW_VERSION;
	info->nr_changed_blocks = dbd_map_nr_set(dev->map);
	view->asked = dev->cow->asked;
	view->step = dev->step;
	view->reserved = dev->reserved;
	/* @snap goes only after @snapshot was cleared, or the device left the table. */
	if (dev->snapshot)
		view->room = cow_room_left(&dev->snap->room) << COW_BLOCK_SHIFT;
}

int dbd_device_view(unsigned int minor, struct dbd_view *view)
{
	int ret = -ENOENT;

	if (minor >= dbd_max_devices)
		return -EINVAL;
	memset(view, 0, sizeof(*view));
	mutex_lock(&dbd_view_lock);
	if (device_at(minor)) {
		fill_view(device_at(minor), view);
		ret = 0;
	}
	mutex_unlock(&dbd_view_lock);
	return ret;
}

int dbd_device_failure(unsigned int minor, struct datto_failure *failure)
{
	struct dbd_device *dev;
	const char *text;

	if (minor >= dbd_max_devices)
		return -EINVAL;
	mutex_lock(&dbd_view_lock);
	dev = device_at(minor);
	if (dev) {
		failure->error = READ_ONCE(dev->error);
		text = smp_load_acquire(&dev->why.text); /* pairs with dbd_why_set() */
		if (failure->error && text) {
			failure->block = dev->why.block;
			strscpy(failure->reason, text, sizeof(failure->reason));
		}
	}
	mutex_unlock(&dbd_view_lock);
	return dev ? 0 : -ENOENT;
}

int dbd_free_minor(void)
{
	unsigned int i;

	mutex_lock(&dbd_view_lock);
	for (i = 0; i < dbd_max_devices && device_at(i); i++)
		;
	mutex_unlock(&dbd_view_lock);
	return i < dbd_max_devices ? (int)i : -ENOENT;
}
