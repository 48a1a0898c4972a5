// SPDX-License-Identifier: GPL-2.0-only
/*
 * One step: fallocate, ask where the new blocks are, find those that may be
 * used, publish the longer list of extents, hand the room to the copy worker.
 *
 * The file stays protected like a swap file all the time. It is opened through
 * a mount of its file system that is in no name space and lasts for the step.
 * Where the blocks are is asked as swapon(2) does: that needs no memory of a
 * user process as FIEMAP does, and by its contract the answer is good for raw
 * I/O. It is believed because it agrees with what was found, and verified with
 * stamps, when the file was made.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <linux/statfs.h>

#include "cow_grow.h"
#include "cow_room.h"
#include "dbd.h"
#include "fs_free.h"
#include "origin.h"

/**
 * struct dbd_grow - growth of one snapshot's COW file
 * @snap: the snapshot
 * @bdev_path: names its origin
 * @free: blocks that were free when it was taken
 * @lock: one step at a time; guards the others
 * @step: bytes to grow by when little is left; 0: not by itself
 * @reserved: bytes that must stay free then
 * @work: such a step
 */
struct dbd_grow {
	struct dbd_snap *snap;
	const char *bdev_path;
	struct dbd_map *free;
	struct mutex lock;
	u64 step;
	u64 reserved;
	struct work_struct work;
};

static struct workqueue_struct *grow_wq;

int dbd_grow_init(void)
{
	grow_wq = alloc_workqueue("datto_grow", WQ_UNBOUND, 0);
	return grow_wq ? 0 : -ENOMEM;
}

void dbd_grow_exit(void)
{
	destroy_workqueue(grow_wq);
}

/* ---- the file, opened for one step ---- */

struct open_cow {
	struct super_block *sb;
	struct vfsmount *mnt;
	struct file *file;
};

static struct file *open_inode(struct cow_file *cow, struct vfsmount *mnt)
{
	struct path path = { .mnt = mnt };
	struct inode *inode;
	struct file *file;

	mutex_lock(&cow->lock);
	inode = cow->inode;
	if (inode)
		ihold(inode);
	mutex_unlock(&cow->lock);
	if (!inode)
		return ERR_PTR(-ESTALE);
	path.dentry = d_obtain_alias(inode);
	if (IS_ERR(path.dentry))
		return ERR_CAST(path.dentry);
	file = dentry_open(&path, O_RDWR | O_LARGEFILE, current_cred());
	dput(path.dentry);
	return file;
}

/*
 * A new mount waits for whoever has the file system's s_umount, as a sync has, which may wait for writes that wait for
 * this step. Not so a copy of the mount that the file was made through, if that is to be found here.
 */
static struct vfsmount *copy_mount(const struct cow_file *cow, struct super_block *sb)
{
	struct vfsmount *mnt;
	struct path path;
	int ret;

	if (!cow->mnt_path)
		return ERR_PTR(-ENOENT);
	ret = kern_path(cow->mnt_path, LOOKUP_FOLLOW, &path);
	if (ret)
		return ERR_PTR(ret);
	mnt = path.mnt->mnt_sb == sb ? clone_private_mount(&path) : ERR_PTR(-ESTALE);
	path_put(&path);
	return mnt;
}

static struct vfsmount *new_mount(struct dbd_grow *g, struct super_block *sb)
{
	/* Another file system, by the name in another root or name space, is not to be touched. */
	if (!dbd_names_device(g->bdev_path, sb->s_bdev->bd_dev))
		return ERR_PTR(-ENODEV);
	return vfs_kern_mount(sb->s_type, SB_KERNMOUNT, g->bdev_path, NULL);
}

static int open_through(struct cow_file *cow, struct open_cow *o)
{
	int ret;

	o->file = o->mnt->mnt_sb == o->sb ? open_inode(cow, o->mnt) : ERR_PTR(-ESTALE);
	ret = PTR_ERR_OR_ZERO(o->file);
	if (ret)
		kern_unmount(o->mnt);
	return ret;
}

static int open_cow(struct dbd_grow *g, struct open_cow *o)
{
	struct cow_file *cow = g->snap->cow;
	int ret;

	o->sb = cow_hold_sb(cow);
	if (IS_ERR(o->sb))
		return PTR_ERR(o->sb);
	o->mnt = copy_mount(cow, o->sb);
	/* It may have become read-only, which its file system is not. */
	if (!IS_ERR(o->mnt) && !open_through(cow, o))
		return 0;
	o->mnt = new_mount(g, o->sb);
	if (IS_ERR(o->mnt)) {
		ret = PTR_ERR(o->mnt);
		dbd_refuse("the file system of %s cannot be entered: %d", g->bdev_path, ret);
		goto put_sb;
	}
	ret = open_through(cow, o);
	if (!ret)
		return 0;
	dbd_refuse("the COW file %s cannot be opened: %d", cow->path, ret);
put_sb:
	deactivate_super(o->sb);
	return ret;
}

static void close_cow(struct open_cow *o)
{
	/* A worker would close it some time later, and hold the file system. */
	if (current->flags & PF_KTHREAD)
		__fput_sync(o->file);
	else
		fput(o->file);
	kern_unmount(o->mnt);
	deactivate_super(o->sb);
}

/* ---- a step ---- */

static int check_space(struct dbd_grow *g, struct open_cow *o, u64 bytes, u64 reserved)
{
	struct kstatfs st;
	int ret = vfs_statfs(&o->file->f_path, &st);

	if (ret)
		return ret;
	if (g->snap->cow->fsize + bytes > o->sb->s_maxbytes)
		return -EFBIG;
	if (bytes + reserved < bytes || st.f_bavail < DIV_ROUND_UP_ULL(bytes + reserved, st.f_bsize)) {
		dbd_refuse("%llu bytes are free, %llu are to be added and %llu to stay free",
			   st.f_bavail * st.f_bsize, bytes, reserved);
		return -ENOSPC;
	}
	return 0;
}

/* Makes the file @size bytes long and finds where it is then. */
static int extend(struct dbd_grow *g, struct open_cow *o, u64 size, struct cow_extents *ext)
{
	struct cow_file *cow = g->snap->cow;
	int ret;

	ret = o->file->f_op->fallocate(o->file, 0, cow->fsize, size - cow->fsize);
	if (ret) {
		dbd_refuse("the file system cannot give %llu bytes: %d", size - cow->fsize, ret);
		return ret;
	}
	ret = cow_extents_ask(ext, o->file, size, g->snap->bdev);
	if (!ret && !cow_extents_begin(ext, &cow->extents)) {
		dbd_err("the COW file %s was moved on disk", cow->path);
		ret = -EIO;
	}
	if (!ret)
		cow_extents_await_old(ext, o->sb, cow->fsize);
	return ret;
}

/* Whether COW data may be written to this block of the device, which may have grown since. */
static bool usable(struct dbd_grow *g, u64 block)
{
	if (block >= g->snap->map->nr_blocks)
		return false;
	return dbd_map_next_set(g->snap->map, block, block + 1) == block ||
	       dbd_map_next_set(g->free, block, block + 1) == block;
}

/*
 * The usable runs of the file's blocks [@first, @end): how many there are, @max
 * at most, noted in @found if given. *@blocks: how many blocks they have.
 */
static unsigned int find_runs(struct dbd_grow *g, const struct cow_extents *ext, u64 first,
			      u64 end, struct cow_runs *found, unsigned int max, u64 *blocks)
{
	bool in_run = false;
	unsigned int nr = 0;
	u64 b, len, disk;

	*blocks = 0;
	for (b = first; b < end; b++) {
		len = COW_BLOCK_SIZE;
		disk = cow_extents_map(ext, b << COW_BLOCK_SHIFT, &len);
		if (!(b & 0xfff))
			cond_resched();
		if (!usable(g, disk >> COW_BLOCK_SHIFT)) {
			in_run = false;
			continue;
		}
		if (!in_run && nr == max)
			break;
		if (!in_run) {
			if (found)
				found->runs[nr] = (struct cow_run){ .first = b };
			nr++;
		}
		in_run = true;
		if (found)
			found->runs[nr - 1].nr++;
		(*blocks)++;
	}
	return nr;
}

static struct cow_runs *find_room(struct dbd_grow *g, const struct cow_extents *ext, u64 first,
				  u64 end, u64 *blocks)
{
	unsigned int nr = find_runs(g, ext, first, end, NULL, UINT_MAX, blocks);
	struct cow_runs *runs;

	if (!nr) {
		dbd_refuse("none of the %llu blocks that the file system gives was free when the snapshot was taken",
			   end - first);
		return ERR_PTR(-ENOSPC);
	}
	runs = kvzalloc(struct_size(runs, runs, nr), GFP_KERNEL);
	if (!runs)
		return ERR_PTR(-ENOMEM);
	runs->nr = find_runs(g, ext, first, end, runs, nr, blocks);
	return runs;
}

/* With write access to the file system. */
static int step_of(struct dbd_grow *g, struct open_cow *o, u64 bytes)
{
	struct cow_file *cow = g->snap->cow;
	/* An earlier version's file may end within a block, which nobody could map. */
	u64 size = round_up(cow->fsize, COW_BLOCK_SIZE) + bytes, blocks;
	struct cow_extents ext = {};
	struct cow_runs *runs;
	int ret, undo;

	ret = extend(g, o, size, &ext);
	if (!ret) {
		runs = find_room(g, &ext, DIV_ROUND_UP_ULL(cow->fsize, COW_BLOCK_SIZE),
				 size >> COW_BLOCK_SHIFT, &blocks);
		ret = PTR_ERR_OR_ZERO(runs);
	}
	if (ret) {
		cow_extents_free(&ext);
		undo = cow_truncate(cow, cow->fsize);
		if (undo)
			dbd_warn("%s: the COW file stays longer than it is used: %d",
				 g->bdev_path, undo);
		return ret;
	}
	cow_extents_replace(&cow->extents, &ext);
	WRITE_ONCE(cow->fsize, size);
	dbd_info("/dev/datto%u: %llu bytes more for the COW file, %llu blocks of them usable",
		 g->snap->minor, bytes, blocks);
	cow_room_add(&g->snap->room, runs);
	/* Those who wait, before the file is closed, which takes some time. */
	dbd_snap_room_changed(g->snap);
	return 0;
}

static int grow_locked(struct dbd_grow *g, u64 bytes, u64 reserved)
{
	struct open_cow o;
	int ret;

	ret = open_cow(g, &o);
	if (ret)
		return ret;
	ret = check_space(g, &o, bytes, reserved);
	/* Not to wait for somebody's thaw here. */
	if (!ret && !sb_start_write_trylock(o.sb)) {
		dbd_refuse("its file system is frozen");
		ret = -EBUSY;
	} else if (!ret) {
		ret = step_of(g, &o, bytes);
		sb_end_write(o.sb);
	}
	close_cow(&o);
	return ret;
}

int dbd_grow_by(struct dbd_grow *g, u64 bytes)
{
	int ret;

	mutex_lock(&g->lock);
	cow_room_grow_begin(&g->snap->room);
	ret = grow_locked(g, bytes, 0);
	cow_room_grow_end(&g->snap->room, false);
	dbd_snap_room_changed(g->snap);
	mutex_unlock(&g->lock);
	return ret;
}

/* ---- by itself ---- */

static void grow_work(struct work_struct *work)
{
	struct dbd_grow *g = container_of(work, struct dbd_grow, work);
	int ret = 0;

	mutex_lock(&g->lock);
	if (g->step && !READ_ONCE(*g->snap->error) && cow_room_is_low(&g->snap->room)) {
		ret = grow_locked(g, g->step, g->reserved);
		if (ret)
			dbd_warn("/dev/datto%u: its COW file cannot grow: %d", g->snap->minor, ret);
	}
	cow_room_grow_end(&g->snap->room, ret);
	dbd_snap_room_changed(g->snap);
	mutex_unlock(&g->lock);
}

void dbd_grow_auto(struct dbd_grow *g, u64 step, u64 reserved)
{
	mutex_lock(&g->lock);
	g->step = step;
	g->reserved = reserved;
	cow_room_set_grower(&g->snap->room, grow_wq, step ? &g->work : NULL,
			    step >> COW_BLOCK_SHIFT);
	dbd_snap_room_changed(g->snap);
	mutex_unlock(&g->lock);
}

/* ---- making one ---- */

struct dbd_grow *dbd_grow_create(struct dbd_snap *snap, const char *bdev_path)
{
	struct super_block *sb;
	struct dbd_grow *g;
	int ret;

	g = kzalloc(sizeof(*g), GFP_KERNEL);
	if (!g)
		return ERR_PTR(-ENOMEM);
	g->snap = snap;
	g->bdev_path = bdev_path;
	mutex_init(&g->lock);
	INIT_WORK(&g->work, grow_work);
	sb = cow_hold_sb(snap->cow);
	if (IS_ERR(sb)) {
		ret = PTR_ERR(sb);
		goto free;
	}
	if (snap->cow->fsize < snap->cow->layout.data_start << COW_BLOCK_SHIFT) {
		dbd_refuse("a COW file smaller than its own index cannot grow");
		ret = -ENOSPC;
	} else if (sb->s_blocksize != COW_BLOCK_SIZE) {
		dbd_refuse("the file system has blocks of %lu bytes: a COW file grows only where they have 4096",
			   sb->s_blocksize);
		ret = -EOPNOTSUPP;
	} else {
		g->free = dbd_fs_free(sb, snap->minor, snap->map->nr_blocks);
		ret = PTR_ERR_OR_ZERO(g->free);
	}
	deactivate_super(sb);
	if (!ret)
		return g;
free:
	mutex_destroy(&g->lock);
	kfree(g);
	return ERR_PTR(ret);
}

void dbd_grow_destroy(struct dbd_grow *g)
{
	if (!g)
		return;
	cow_room_set_grower(&g->snap->room, grow_wq, NULL, 0);
	dbd_snap_room_changed(g->snap);
	cancel_work_sync(&g->work);
	dbd_map_free(g->free);
	mutex_destroy(&g->lock);
	kfree(g);
}
