// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a COW file: found by its name, held, released or removed. How it is
 * made is in cow_create.c, how it ends as a map in cow_finish.c, what holds it in
 * cow_pin.c.
 */
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/namei.h>
#include <linux/slab.h>

#include "cow_file_impl.h"
#include "cow_track.h"
#include "dbd.h"

static void cow_free(struct kref *kref)
{
	struct cow_file *cow = container_of(kref, struct cow_file, kref);

	cow_extents_free(&cow->extents);
	free_page((unsigned long)cow->block);
	kfree(cow->path);
	kfree(cow->mnt_path);
	mutex_destroy(&cow->lock);
	mutex_destroy(&cow->track_lock);
	kfree(cow);
}

void cow_put(struct cow_file *cow)
{
	kref_put(&cow->kref, cow_free);
}

struct cow_file *cow_alloc(struct block_device *bdev)
{
	struct cow_file *cow = kzalloc(sizeof(*cow), GFP_KERNEL);

	if (!cow)
		return NULL;
	kref_init(&cow->kref);
	mutex_init(&cow->lock);
	mutex_init(&cow->track_lock);
	cow_layout_init(&cow->layout, bdev_nr_bytes(bdev));
	cow->block = (void *)get_zeroed_page(GFP_KERNEL);
	if (!cow->block) {
		cow_put(cow);
		return NULL;
	}
	return cow;
}

void cow_detach(struct cow_file *cow)
{
	struct cow_hold hold;

	cow_set_owner(cow, NULL, NULL);
	if (!cow_hold_get(cow, &hold)) {
		cow_protect(hold.inode, 0);
		cow_unpin(cow);
		cow_hold_put(&hold);
	} else {
		cow_unpin(cow);
	}
}

void cow_release(struct cow_file *cow)
{
	if (!cow)
		return;
	cow_detach(cow);
	cow_put(cow);
}

/* ---- finding by name ---- */

/*
 * The dentry of @path below the root of @sb, not following links or mounts: no
 * mount is needed. ERR_PTR.
 */
static struct dentry *walk(struct super_block *sb, const char *path)
{
	struct dentry *dentry = dget(sb->s_root), *parent;
	char *copy = kstrdup(path, GFP_KERNEL), *rest = copy, *name;

	if (!copy) {
		dput(dentry);
		return ERR_PTR(-ENOMEM);
	}
	while (!IS_ERR(dentry) && (name = strsep(&rest, "/"))) {
		if (!*name)
			continue;
		parent = dentry;
		dentry = d_is_dir(parent) ? dbd_lookup_child(parent, name) : ERR_PTR(-ENOTDIR);
		dput(parent);
		if (!IS_ERR(dentry) && d_is_negative(dentry)) {
			dput(dentry);
			dentry = ERR_PTR(-ENOENT);
		}
	}
	kfree(copy);
	return dentry;
}

struct cow_file *cow_expect(const char *path, struct block_device *bdev)
{
	struct cow_file *cow = cow_alloc(bdev);

	if (!cow)
		return ERR_PTR(-ENOMEM);
	cow->path = kstrdup(path, GFP_KERNEL);
	if (!cow->path) {
		cow_put(cow);
		return ERR_PTR(-ENOMEM);
	}
	return cow;
}

static int check_found(const struct cow_file *cow, struct inode *inode)
{
	u64 size = i_size_read(inode);

	if (S_ISREG(inode->i_mode) && !IS_SWAPFILE(inode) && !IS_IMMUTABLE(inode) &&
	    !IS_DAX(inode) &&
	    size >= max(cow->fsize, cow->layout.data_start << COW_BLOCK_SHIFT))
		return 0;
	dbd_err("%s is not the COW file that it was: no regular file, in use, or of another size",
		cow->path);
	return -EINVAL;
}

/* Protected first: what is mapped then stays. */
static int attach_file(struct cow_file *cow, struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);
	struct cow_extents found;
	int ret = check_found(cow, inode);

	if (ret)
		return ret;
	cow_unpin(cow);
	ret = cow_protect_named(dentry, COW_PROTECTED);
	if (ret) {
		dbd_err("the COW file %s was removed", cow->path);
		return ret;
	}
	ret = cow_extents_read(&found, inode, i_size_read(inode));
	/* It may be longer than it is used: it could not be cut. */
	if (!ret && cow->extents.nr && !cow_extents_begin(&found, &cow->extents)) {
		dbd_err("the COW file %s is no longer where it was on the device", cow->path);
		ret = -EINVAL;
	}
	if (!ret)
		ret = cow_pin_inode(cow, inode);
	if (ret || cow->extents.nr) {
		cow_extents_free(&found);
	} else {
		cow->extents = found;
		cow->fsize = i_size_read(inode);
	}
	if (ret)
		cow_protect(inode, 0);
	return ret;
}

int cow_attach(struct cow_file *cow, struct super_block *sb)
{
	struct dentry *dentry;
	int ret = 0;

	cow->mount_logged = false;
	mutex_lock(&cow->lock);
	if (cow->inode && cow->inode->i_sb == sb)
		ret = 1;
	mutex_unlock(&cow->lock);
	if (ret)
		return 0; /* it was only read-only */
	dentry = walk(sb, cow->path);
	if (IS_ERR(dentry)) {
		dbd_err("the COW file %s: %ld", cow->path, PTR_ERR(dentry));
		return PTR_ERR(dentry);
	}
	ret = attach_file(cow, dentry);
	dput(dentry);
	return ret;
}

char *cow_read_record(struct super_block *sb, const char *path)
{
	struct dentry *dentry = walk(sb, path);
	DEFINE_DELAYED_CALL(done);
	const char *text;
	char *target;

	if (IS_ERR(dentry))
		return ERR_CAST(dentry);
	text = vfs_get_link(dentry, &done);
	if (IS_ERR(text)) {
		target = ERR_CAST(text);
	} else {
		target = kstrdup(text, GFP_KERNEL) ?: ERR_PTR(-ENOMEM);
		do_delayed_call(&done);
	}
	dput(dentry);
	return target;
}

/* ---- removing ---- */

int cow_unlink(struct dentry *dentry)
{
	struct super_block *sb = dentry->d_sb;
	struct dentry *parent;
	struct inode *dir;
	int ret;

	/* A last reference would lose its inode, which an open file still needs. */
	dget(dentry);
	sb_start_write(sb);
	parent = dget_parent(dentry);
	dir = d_inode(parent);
	inode_lock_nested(dir, I_MUTEX_PARENT);
	if (sb_rdonly(sb))
		ret = -EROFS;
	else if (parent == dentry || dentry->d_parent != parent || d_unhashed(dentry))
		ret = -ENOENT;
	else
		ret = dbd_unlink(dir, dentry);
	inode_unlock(dir);
	dput(parent);
	sb_end_write(sb);
	dput(dentry);
	return ret;
}

/* The name may have left the cache: look it up again. */
static struct dentry *find_name(struct cow_file *cow, struct inode *inode)
{
	struct dentry *dentry = d_find_any_alias(inode);

	if (dentry && !IS_ROOT(dentry))
		return dentry;
	dput(dentry);
	dentry = walk(inode->i_sb, cow->path);
	if (IS_ERR(dentry))
		return NULL;
	if (d_inode(dentry) == inode)
		return dentry;
	dput(dentry);
	return NULL;
}

int cow_remove(struct cow_file *cow)
{
	struct cow_hold hold;
	struct dentry *dentry;
	int ret = 0;

	cow_set_owner(cow, NULL, NULL);
	if (!cow_hold_get(cow, &hold)) {
		cow_protect(hold.inode, 0);
		dentry = find_name(cow, hold.inode);
		ret = dentry ? cow_unlink(dentry) : -ENOENT;
		dput(dentry);
		cow_unpin(cow);
		cow_hold_put(&hold);
	} else {
		cow_unpin(cow);
	}
	if (ret)
		dbd_warn("cannot remove the COW file %s: %d; remove it by hand", cow->path, ret);
	cow_put(cow);
	return ret;
}
