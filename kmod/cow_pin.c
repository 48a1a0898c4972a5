// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may touch the inode of a COW file, and how long there is one.
 *
 * The pin is an fsnotify mark on the inode: it holds the inode but no mount,
 * and tells of the end of the super block (FS_UNMOUNT). Everything that goes
 * through the file system takes a hold of the super block first, for as long as
 * the call lasts.
 */
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/fsnotify_backend.h>
#include <linux/slab.h>

#include "cow_file_impl.h"

struct cow_pin {
	struct fsnotify_mark mark;
	struct cow_file *cow; /* counted */
};

static struct fsnotify_group *pin_group;

void cow_set_protection(struct inode *inode, unsigned int flags)
{
	inode_set_flags(inode, flags, COW_PROTECTED | COW_GUARDED);
}

void cow_protect(struct inode *inode, unsigned int flags)
{
	inode_lock(inode);
	cow_set_protection(inode, flags);
	inode_unlock(inode);
}

int cow_protect_named(struct dentry *dentry, unsigned int flags)
{
	struct dentry *parent = dget_parent(dentry);
	struct inode *dir = d_inode(parent);
	int ret = -ENOENT;

	inode_lock_nested(dir, I_MUTEX_PARENT);
	if (dentry->d_parent == parent && !d_unhashed(dentry)) {
		cow_protect(d_inode(dentry), flags);
		ret = 0;
	}
	inode_unlock(dir);
	dput(parent);
	return ret;
}

/* ---- the pin ---- */

static int pin_event(struct fsnotify_mark *mark, u32 mask, struct inode *inode, struct inode *dir,
		     const struct qstr *name, u32 cookie)
{
	struct cow_file *cow = container_of(mark, struct cow_pin, mark)->cow;

	if (!(mask & FS_UNMOUNT))
		return 0;
	mutex_lock(&cow->lock);
	if (cow->inode) {
		if (cow->owner)
			cow->unmounted(cow->owner);
		/* Nobody else can reach the inode now: no i_rwsem under s_umount. */
		cow_set_protection(cow->inode, 0);
		cow->inode = NULL;
	}
	mutex_unlock(&cow->lock);
	return 0;
}

static void pin_freeing(struct fsnotify_mark *mark, struct fsnotify_group *group)
{
}

static void pin_free(struct fsnotify_mark *mark)
{
	struct cow_pin *pin = container_of(mark, struct cow_pin, mark);

	cow_put(pin->cow);
	kfree(pin);
}

static const struct fsnotify_ops pin_ops = {
	.handle_inode_event = pin_event,
	.freeing_mark = pin_freeing,
	.free_mark = pin_free,
};

int cow_pin_inode(struct cow_file *cow, struct inode *inode)
{
	struct cow_pin *pin = kzalloc(sizeof(*pin), GFP_KERNEL);
	int ret;

	if (!pin)
		return -ENOMEM;
	fsnotify_init_mark(&pin->mark, pin_group);
	pin->mark.mask = FS_UNMOUNT;
	pin->cow = cow;
	kref_get(&cow->kref);
	cow->inode = inode;
	ret = fsnotify_add_inode_mark(&pin->mark, inode, 0);
	if (ret) {
		cow->inode = NULL;
		fsnotify_put_mark(&pin->mark);
		return ret;
	}
	cow->pin = pin;
	return 0;
}

void cow_unpin(struct cow_file *cow)
{
	if (!cow->pin)
		return;
	fsnotify_destroy_mark(&cow->pin->mark, pin_group);
	fsnotify_put_mark(&cow->pin->mark);
	cow->pin = NULL;
	mutex_lock(&cow->lock);
	cow->inode = NULL;
	mutex_unlock(&cow->lock);
}

int cow_file_init(void)
{
	pin_group = fsnotify_alloc_group(&pin_ops, 0);
	return PTR_ERR_OR_ZERO(pin_group);
}

void cow_file_exit(void)
{
	fsnotify_wait_marks_destroyed();
	fsnotify_put_group(pin_group);
}

/* ---- the hold: super block and inode for the length of a call ---- */

int cow_hold_get(struct cow_file *cow, struct cow_hold *hold)
{
	int ret = -ESTALE;

	mutex_lock(&cow->lock);
	if (cow->inode && atomic_inc_not_zero(&cow->inode->i_sb->s_active)) {
		ihold(cow->inode);
		hold->inode = cow->inode;
		hold->sb = cow->inode->i_sb;
		ret = 0;
	}
	mutex_unlock(&cow->lock);
	return ret;
}

void cow_hold_put(struct cow_hold *hold)
{
	iput(hold->inode);
	deactivate_super(hold->sb);
}

struct super_block *cow_hold_sb(struct cow_file *cow)
{
	struct cow_hold hold;
	int ret = cow_hold_get(cow, &hold);

	if (ret)
		return ERR_PTR(ret);
	iput(hold.inode);
	return hold.sb;
}

int cow_set_owner(struct cow_file *cow, void *owner, void (*unmounted)(void *owner))
{
	int ret;

	mutex_lock(&cow->lock);
	cow->owner = owner;
	cow->unmounted = unmounted;
	ret = cow->inode ? 0 : -ESTALE;
	mutex_unlock(&cow->lock);
	return ret;
}
