// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracked devices: their table, the states in which they accept a command, and
 * the commands that are neither a first snapshot nor a transition.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "cow_track.h"
#include "dbd.h"
#include "device_impl.h"
#include "origin.h"

#define DBD_MINORS_MAX 256

static DEFINE_MUTEX(control_lock);
DEFINE_MUTEX(dbd_view_lock);
/* Changed under control and view lock; RCU for those who have neither. */
static struct dbd_device __rcu *devices[DBD_MINORS_MAX];

/* ---- states ---- */

#define ANY_STATE (~0u)

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

struct dbd_device *dbd_device_for(unsigned int minor, enum dbd_event event)
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

void dbd_device_done(struct dbd_device *dev)
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
	kfree(dev->next);
	mutex_destroy(&dev->lock);
	kfree(dev);
}

void dbd_device_put(struct dbd_device *dev)
{
	kref_put(&dev->kref, device_release);
}

/* The checks of setup and reload, up to the COW file. ERR_PTR. */
struct dbd_device *dbd_device_open(const char *bdev, u64 cache, unsigned int minor)
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
	INIT_DELAYED_WORK(&dev->note, dbd_device_note_work);
	INIT_WORK(&dev->seal, dbd_device_seal_work);
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

int dbd_device_refuse(const struct dbd_device *dev, int ret, const char *why)
{
	dbd_err("%s cannot be tracked: %s: %d", dev->path, why, ret);
	return ret;
}

int dbd_device_check(struct dbd_device *dev)
{
	if (tracked(dev->ref.bdev))
		return dbd_device_refuse(dev, -EINVAL, "it is tracked already");
	if (bdev_is_zoned(dev->ref.bdev))
		return dbd_device_refuse(dev, -EOPNOTSUPP, "it is a zoned device");
	if (blk_queue_dax(bdev_get_queue(dev->ref.bdev)))
		return dbd_device_refuse(dev, -EOPNOTSUPP, "it can be written past the block layer (DAX)");
	return 0;
}

int dbd_device_check_size(const struct dbd_device *dev, u64 bytes)
{
	if (bytes == (u64)dev->tracker.target.nr << SECTOR_SHIFT)
		return 0;
	return dbd_device_refuse(dev, -EINVAL, "its size has changed since tracking began");
}

int dbd_device_add_disk(struct dbd_device *dev)
{
	struct snap_disk *disk = dbd_snap_disk_add(dev->snap, &dev->active);

	if (IS_ERR(disk))
		return PTR_ERR(disk);
	dev->disk = disk;
	return 0;
}

void dbd_device_stop(struct dbd_device *dev)
{
	/* First: a write that waits for room is not to find the file full. */
	if (dev->snap)
		dbd_snap_stop_keeping(dev->snap);
	dbd_end_growth(dev);
	/* Before the place of the COW file, at rest, may be written to by others without its being noticed. */
	if (dev->snap)
		dbd_snap_quiesce(dev->snap);
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

void dbd_device_end_work(struct dbd_device *dev)
{
	cancel_delayed_work_sync(&dev->settle);
	cancel_delayed_work_sync(&dev->note);
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

void dbd_device_publish(struct dbd_device *dev, struct super_block *sb)
{
	mutex_lock(&dev->lock);
	dbd_device_activated(dev);
	/* The freeze has emptied ext4's journal, by which the mount is known again. */
	dbd_device_note_mount(dev);
	table_set(dev->minor, dev);
	dbd_device_follow(dev, sb);
	mutex_unlock(&dev->lock);
	dbd_info("/dev/datto%u: snapshot 1 of %s", dev->minor, dev->path);
}

/* What reload demands of the device and of @sb, found on it or NULL. */
static int check_reload(struct dbd_device *dev, struct super_block *sb)
{
	if (sb && !sb_rdonly(sb))
		return dbd_device_refuse(dev, -EINVAL, "it is mounted read-write already");
	return dbd_device_check(dev);
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
			       &dev->why, dbd_device_unsealed, dbd_device_logged);
	if (ret)
		return ret;
	ret = dbd_device_check_size(dev, dev->cow->layout.device_bytes);
	if (ret)
		goto destroy_tracker;
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
	ret = dbd_device_drain(dev);
	if (ret) {
		dbd_device_stop(dev);
		return ret;
	}
	ret = dbd_mount_mark_trace(dev->ref.bdev, dev->cow->block, &dev->origin.mount);
	dbd_tracker_await_mark(&dev->tracker, dev->origin.mount.log_start,
			       dev->origin.mount.log_nr);
	if (!ret)
		ret = dbd_rest_mark_read(dev->ref.bdev, dev->cow->block, &dev->origin.rest);
	if (ret)
		dbd_device_stop(dev);
	return ret;
free_snap:
	dbd_snap_destroy(dev->snap);
free_map:
	dbd_map_free(dev->map);
destroy_tracker:
	dbd_tracker_destroy(&dev->tracker);
	return ret;
}

/* Whether something may have passed unseen, before the writes are followed or before the marks were read. */
static int check_still(struct dbd_device *dev, bool mounted)
{
	struct super_block *sb;
	int ret;

	if (!mounted)
		return dbd_bdev_claimed(dev->ref.bdev) ?
			       dbd_device_refuse(dev, -EBUSY, "it is being mounted, checked or used otherwise") : 0;
	sb = dbd_origin_sb(dev->ref.bdev);
	ret = sb ? check_reload(dev, sb) : 0;
	if (sb)
		deactivate_super(sb);
	return ret;
}

static int reload_locked(const char *bdev, const char *cow, const char *next, u64 cache,
			 unsigned int minor, bool snapshot)
{
	struct super_block *sb;
	struct dbd_device *dev;
	bool mounted;
	int ret;

	dev = dbd_device_open(bdev, cache, minor);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	dev->snapshot = snapshot;
	dev->unverified = true;
	dev->next = kstrdup(next, GFP_KERNEL);
	if (next && !dev->next) {
		ret = -ENOMEM;
		goto put;
	}
	sb = dbd_origin_sb(dev->ref.bdev);
	mounted = sb;
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
	if (ret)
		goto release_cow;
	ret = check_still(dev, mounted);
	if (ret) {
		dbd_device_stop(dev);
		goto release_cow;
	}
	table_set(minor, dev);
	/* It may have been mounted since it was looked at. */
	mutex_lock(&dev->lock);
	catch_up(dev);
	mutex_unlock(&dev->lock);
	dbd_info("datto%u: %s is tracked; its COW file is looked at when it is mounted", minor,
		 dev->path);
	return 0;
release_cow:
	cow_release(dev->cow);
put:
	dbd_device_put(dev);
	return ret;
}

/* The device is locked and nobody has its disk open. */
static void device_end(struct dbd_device *dev, void (*end_cow)(struct dbd_device *dev))
{
	bool held = dev->holds_module;

	table_remove(dev);
	dbd_device_stop(dev);
	end_cow(dev);
	mutex_unlock(&dev->lock);
	dbd_device_end_work(dev);
	dbd_device_put(dev);
	if (held)
		module_put(THIS_MODULE);
}

static void release_cow(struct dbd_device *dev)
{
	cow_release(dev->cow);
}

static void remove_cow(struct dbd_device *dev)
{
	cow_remove(dev->cow);
}

/* What is written from now on is seen by nobody: if something was after the seal, its log is not complete. */
static void leave_cow(struct dbd_device *dev)
{
	int ret = 0;

	if (!dev->unverified && !dev->tracker.disclaimed && !dbd_tracker_sealed(&dev->tracker))
		ret = cow_track_unlog(dev->cow, dev->ref.bdev);
	if (ret && ret != -ESTALE)
		dbd_warn("%s: the COW file %s cannot be marked as lost: %d", dev->path,
			 dev->cow->path, ret);
	cow_release(dev->cow);
}

static int destroy_locked(unsigned int minor)
{
	struct dbd_device *dev = dbd_device_for(minor, EV_DESTROY);
	struct super_block *sb;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	if (dev->unverified) {
		device_end(dev, release_cow); /* the file was never ours */
		return 0;
	}
	sb = cow_hold_sb(dev->cow);
	if (!IS_ERR(sb) && dbd_sb_frozen(sb)) {
		dbd_refuse("its file system is frozen");
		deactivate_super(sb);
		dbd_device_done(dev);
		return -EBUSY;
	}
	/* A file that cannot be removed must not be taken up by a reload. */
	dbd_tracker_disclaim(&dev->tracker, dev->cow);
	device_end(dev, remove_cow);
	if (!IS_ERR(sb))
		deactivate_super(sb);
	return 0;
}

static int reconfigure_locked(u64 cache, unsigned int minor)
{
	struct dbd_device *dev = dbd_device_for(minor, EV_RECONFIGURE);

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	mutex_lock(&dbd_view_lock);
	dev->cache = cache;
	mutex_unlock(&dbd_view_lock);
	if (dev->snap)
		cow_index_set_limit(&dev->snap->index, cache ?: dbd_cache_default);
	dbd_device_done(dev);
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
	struct dbd_device *dev = dbd_device_for(minor, EV_EXPAND);
	int ret;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	ret = expand(dev, bytes);
	mutex_unlock(&dev->lock);
	return ret;
}

static int auto_expand_locked(u64 step, u64 reserved, unsigned int minor)
{
	struct dbd_device *dev = dbd_device_for(minor, EV_EXPAND);
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
	return LOCKED(dbd_setup_locked(members, nr, failed));
}

int dbd_reload(const char *bdev, const char *cow, const char *next, u64 cache, unsigned int minor,
	       bool snapshot)
{
	return LOCKED(reload_locked(bdev, cow, next, cache, minor, snapshot));
}

int dbd_destroy(unsigned int minor)
{
	return LOCKED(destroy_locked(minor));
}

int dbd_transition_inc(unsigned int minor)
{
	return LOCKED(dbd_transition_inc_locked(minor));
}

int dbd_force_inc(unsigned int minor)
{
	return LOCKED(dbd_force_inc_locked(minor));
}

int dbd_transition_snap(const char *cow, u64 size, unsigned int minor)
{
	return LOCKED(dbd_transition_snap_locked(cow, size, minor));
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

#define LOCK_PATIENCE_MS 5000
#define SEAL_PATIENCE_S 30

static atomic_t nr_sealing;
static DECLARE_WAIT_QUEUE_HEAD(all_sealed);

static bool lock_soon(struct dbd_device *dev)
{
	unsigned int ms;

	for (ms = 0; ms < LOCK_PATIENCE_MS; ms += 20) {
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

bool dbd_devices_any(void)
{
	unsigned int i;
	bool ret = false;

	rcu_read_lock();
	for (i = 0; i < dbd_max_devices; i++)
		ret |= rcu_access_pointer(devices[i]) != NULL;
	rcu_read_unlock();
	return ret;
}

void dbd_device_seal_work(struct work_struct *work)
{
	struct dbd_device *dev = container_of(work, struct dbd_device, seal);

	if (lock_soon(dev)) {
		if (!dev->dead && !dev->unverified)
			dbd_tracker_seal(&dev->tracker, dev->cow);
		mutex_unlock(&dev->lock);
	}
	dbd_device_put(dev);
	if (atomic_dec_and_test(&nr_sealing))
		wake_up(&all_sealed);
}

/*
 * A device that is busy for long, or a disk that does not answer, must not keep the machine from
 * rebooting: what changed is in the log as well.
 */
void dbd_devices_seal(void)
{
	unsigned int i;

	for (i = 0; i < dbd_max_devices; i++) {
		struct dbd_device *dev = device_hold(i);

		if (!dev)
			continue;
		atomic_inc(&nr_sealing);
		if (!queue_work(system_dfl_wq, &dev->seal)) {
			atomic_dec(&nr_sealing); /* still at it */
			dbd_device_put(dev);
		}
	}
	if (!wait_event_idle_timeout(all_sealed, !atomic_read(&nr_sealing), SEAL_PATIENCE_S * HZ))
		dbd_warn("%d devices could not be sealed in time", atomic_read(&nr_sealing));
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
		device_end(dev, leave_cow);
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
