// SPDX-License-Identifier: GPL-2.0-only
/*
 * First snapshots, of one device or of several at one instant.
 *
 * Everything is prepared, then the file systems are frozen, one by one, each with
 * its snapshot started, then all are thawed. All or none.
 */
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/math64.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "dbd.h"
#include "device_impl.h"
#include "origin.h"

/* How long the writers of a group wait for one more of it to be frozen. */
#define FREEZE_SECONDS 30

/* What setup demands of the device and of @sb, found on it or NULL. */
static int check_origin(struct dbd_device *dev, struct super_block *sb)
{
	if (!sb && dbd_bdev_claimed(dev->ref.bdev))
		return dbd_device_refuse(dev, -EOPNOTSUPP,
			      "in use, but not by an ext2, ext3, ext4 or xfs file system: only those can hold a COW file and be frozen for a snapshot");
	if (!sb)
		return dbd_device_refuse(dev, -EINVAL, "no file system is mounted from it");
	if (sb_rdonly(sb))
		return dbd_device_refuse(dev, -EINVAL, "it is mounted read-only");
	if (dbd_bdev_has_rw_page(dev->ref.bdev) && !strcmp(sb->s_type->name, "ext2"))
		return dbd_device_refuse(dev, -EOPNOTSUPP, "ext2 writes it past the block layer (rw_page)");
	if (sb->s_flags & SB_INLINECRYPT)
		return dbd_device_refuse(dev, -EOPNOTSUPP, "its writes are encrypted below the file system (inlinecrypt): they cannot be held");
	if (sb->s_blocksize > PAGE_SIZE)
		return dbd_device_refuse(dev, -EOPNOTSUPP, "its file system has blocks larger than a page of memory");
	if (dbd_sb_frozen(sb))
		return dbd_device_refuse(dev, -EBUSY, "its file system is frozen");
	return dbd_device_check(dev);
}

static u64 default_cow_size(const struct dbd_device *dev)
{
	u64 bytes = bdev_nr_bytes(dev->ref.bdev), hundredth = div_u64(bytes, 100);

	/* bytes * percent / 100, without overflow */
	u64 size = hundredth * dbd_cow_percent_default +
		   (bytes - hundredth * 100) * dbd_cow_percent_default / 100;

	/* As if asked for, in MiB. */
	return round_down(size, size < SZ_1M ? COW_BLOCK_SIZE : SZ_1M);
}

/**
 * struct newcomer - a device on its way to its first snapshot
 * @dev: the device, not in the table yet
 * @sb: its file system, held
 * @cow: its COW file; NULL: not prepared
 * @parts: what it starts with
 * @started: the snapshot runs
 * @frozen: its file system is frozen, by us
 * @thawed: what ending that has returned
 * @work: starts it
 * @call: whose part that is
 * @tried: @work is done
 * @ret: of @work
 */
struct newcomer {
	struct dbd_device *dev;
	struct super_block *sb;
	struct cow_file *cow;
	struct snap_parts parts;
	bool started, frozen;
	int thawed;
	struct work_struct work;
	struct dbd_call *call;
	struct completion tried;
	int ret;
};

static int newcomer_open(struct newcomer *all, unsigned int i, const struct dbd_member *m)
{
	struct dbd_device *dev = dbd_device_open(m->bdev, m->cache, m->minor);
	unsigned int j;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	all[i].dev = dev;
	for (j = 0; j < i; j++) {
		if (all[j].dev->minor == dev->minor)
			return dbd_device_refuse(dev, -EINVAL, "its minor is in the group twice");
		if (all[j].dev->ref.bdev->bd_dev == dev->ref.bdev->bd_dev)
			return dbd_device_refuse(dev, -EINVAL, "it is in the group twice");
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
			       &dev->why, dbd_device_unsealed, dbd_device_logged);
	if (ret)
		goto remove_cow;
	ret = dbd_device_check_size(dev, cow->layout.device_bytes);
	if (ret)
		goto destroy_tracker;
	ret = dbd_parts_make(dev, cow, dev->cache, COW_TRACK_PENDING, &n->parts);
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

	ret = dbd_begin_freeze(dev, n->sb);
	if (ret)
		return ret;
	n->frozen = true;
	dbd_parts_install(dev, &n->parts, n->cow);
	WRITE_ONCE(dev->active, true);
	dbd_tracker_start(&dev->tracker, n->parts.track);
	n->started = true;
	return dbd_device_drain(dev);
}

/* Undoes whatever was done. Not frozen. */
static void newcomer_drop(struct newcomer *n)
{
	if (n->dev) {
		mutex_lock(&n->dev->lock);
		n->dev->dead = true;
		mutex_unlock(&n->dev->lock);
	}
	if (n->started) {
		/* Should a crash bring its name back. */
		dbd_tracker_disclaim(&n->dev->tracker, n->cow);
		dbd_device_stop(n->dev);
		cow_remove(n->cow);
	} else if (n->cow) {
		cow_set_owner(n->cow, NULL, NULL);
		dbd_parts_free(&n->parts);
		dbd_tracker_destroy(&n->dev->tracker);
		cow_remove(n->cow);
	}
	if (n->dev) {
		dbd_device_end_work(n->dev);
		dbd_device_put(n->dev);
	}
}

static void newcomer_work(struct work_struct *work)
{
	struct newcomer *n = container_of(work, struct newcomer, work);

	dbd_call_take(n->call);
	n->ret = newcomer_start(n);
	complete(&n->tried);
}

/* @ret, or what went wrong here, with *@failed. */
static int thaw_started(struct newcomer *all, unsigned int nr, int ret, unsigned int *failed)
{
	unsigned int i;

	for (i = nr; i-- > 0; all[i].frozen = false)
		all[i].thawed = all[i].frozen ? dbd_thaw(&all[i].dev->ref) : 0;
	/* While none is frozen. */
	for (i = 0; i < nr; i++) {
		int thawed = dbd_end_freeze(all[i].dev, all[i].sb, all[i].thawed);

		if (ret || !thawed)
			continue;
		ret = thawed;
		*failed = i;
	}
	return ret;
}

/*
 * Starts @all[@i], all before it being frozen. What it stands on may be a file of
 * one of those, by whatever loop devices and networks: it is frozen then only
 * after they are thawed, so this does not wait for ever.
 */
static int newcomer_start_next(struct newcomer *all, unsigned int i, unsigned int *failed)
{
	struct newcomer *n = &all[i];
	bool late;

	*failed = i;
	if (!i)
		return newcomer_start(n);
	n->call = dbd_call_own();
	INIT_WORK(&n->work, newcomer_work);
	init_completion(&n->tried);
	queue_work(system_dfl_wq, &n->work);
	late = !wait_for_completion_timeout(&n->tried, FREEZE_SECONDS * HZ);
	if (late)
		thaw_started(all, i, -ETIMEDOUT, failed);
	flush_work(&n->work);
	dbd_call_take(n->call);
	return late ? dbd_device_refuse(n->dev, -ETIMEDOUT,
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
	for (i = 0; !ret && i < nr; i++)
		ret = newcomer_start_next(all, i, failed);
	return thaw_started(all, nr, ret, failed);
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

int dbd_setup_locked(const struct dbd_member *members, unsigned int nr, unsigned int *failed)
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
			dbd_device_publish(all[i].dev, all[i].sb);
		if (all[i].sb)
			deactivate_super(all[i].sb);
	}
	kvfree(all);
	return ret;
}
