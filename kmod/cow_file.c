// SPDX-License-Identifier: GPL-2.0-only
/*
 * Creating, pinning, finishing and removing a COW file.
 *
 * The pin is an fsnotify mark on the inode: it holds the inode but no mount,
 * and tells of the end of the super block (FS_UNMOUNT). Everything that goes
 * through the file system takes a hold of the super block first, for as long as
 * the call lasts.
 *
 * The header reads as zeros through the file system until cow_finish_header(): a file
 * that was not finished has no magic number and cannot be mistaken for an empty
 * map.
 */
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/exportfs.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/fsnotify_backend.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/statfs.h>

#include "cow_file.h"
#include "cow_track.h"
#include "dbd.h"

/* Nobody can write to it, move it or remove it. */
#define COW_PROTECTED (S_SWAPFILE | S_IMMUTABLE)
/* The same, but the driver can write, and change its size: only opening it to append is left to others. */
#define COW_GUARDED S_APPEND
#define FINISH_BUF_BLOCKS 16u /* index blocks written at once */
#define ZEROS_AT_ONCE (1u << 20)

struct cow_pin {
	struct fsnotify_mark mark;
	struct cow_file *cow; /* counted */
};

static struct fsnotify_group *pin_group;

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

static void cow_put(struct cow_file *cow)
{
	kref_put(&cow->kref, cow_free);
}

static void set_protection(struct inode *inode, unsigned int flags)
{
	inode_set_flags(inode, flags, COW_PROTECTED | COW_GUARDED);
}

/*
 * COW_PROTECTED, COW_GUARDED, or 0. From protect_named() to the end there is no moment with neither: the log is
 * written raw to where the file is.
 */
static void protect(struct inode *inode, unsigned int flags)
{
	inode_lock(inode);
	set_protection(inode, flags);
	inode_unlock(inode);
}

/*
 * The first time. The pin ends with the last name, unnoticed, and the blocks are the file system's
 * again. So the name has to be there still; a removal under way is waited for. -ENOENT.
 */
static int protect_named(struct dentry *dentry, unsigned int flags)
{
	struct dentry *parent = dget_parent(dentry);
	struct inode *dir = d_inode(parent);
	int ret = -ENOENT;

	inode_lock_nested(dir, I_MUTEX_PARENT);
	if (dentry->d_parent == parent && !d_unhashed(dentry)) {
		protect(d_inode(dentry), flags);
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
		set_protection(cow->inode, 0);
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

static int pin_inode(struct cow_file *cow, struct inode *inode)
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

static void unpin(struct cow_file *cow)
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

struct cow_hold {
	struct super_block *sb;
	struct inode *inode;
};

/* -ESTALE: the file system was unmounted, or is about to be. */
static int hold_get(struct cow_file *cow, struct cow_hold *hold)
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

static void hold_put(struct cow_hold *hold)
{
	iput(hold->inode);
	deactivate_super(hold->sb);
}

struct super_block *cow_hold_sb(struct cow_file *cow)
{
	struct cow_hold hold;
	int ret = hold_get(cow, &hold);

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

void cow_detach(struct cow_file *cow)
{
	struct cow_hold hold;

	cow_set_owner(cow, NULL, NULL);
	if (!hold_get(cow, &hold)) {
		protect(hold.inode, 0);
		unpin(cow);
		hold_put(&hold);
	} else {
		unpin(cow);
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

static struct cow_file *cow_alloc(struct block_device *bdev)
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
	    size >= max(cow->fsize, cow->layout.data_start << COW_BLOCK_SHIFT) &&
	    (!cow->fsize || size == cow->fsize))
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
	unpin(cow);
	ret = protect_named(dentry, COW_PROTECTED);
	if (ret) {
		dbd_err("the COW file %s was removed", cow->path);
		return ret;
	}
	ret = cow_extents_read(&found, inode, i_size_read(inode));
	if (!ret && cow->extents.nr && !cow_extents_equal(&found, &cow->extents)) {
		dbd_err("the COW file %s is no longer where it was on the device", cow->path);
		ret = -EINVAL;
	}
	if (!ret)
		ret = pin_inode(cow, inode);
	if (ret || cow->extents.nr) {
		cow_extents_free(&found);
	} else {
		cow->extents = found;
		cow->fsize = i_size_read(inode);
	}
	if (ret)
		protect(inode, 0);
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

static int unlink_dentry(struct dentry *dentry)
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
	if (!hold_get(cow, &hold)) {
		protect(hold.inode, 0);
		dentry = find_name(cow, hold.inode);
		ret = dentry ? unlink_dentry(dentry) : -ENOENT;
		dput(dentry);
		unpin(cow);
		hold_put(&hold);
	} else {
		unpin(cow);
	}
	if (ret)
		dbd_warn("cannot remove the COW file %s: %d; remove it by hand", cow->path, ret);
	cow_put(cow);
	return ret;
}

/* ---- creating ---- */

int cow_check_path(const char *name, struct super_block *sb)
{
	struct inode *inode;
	struct path path;
	int ret;

	ret = kern_path(name, LOOKUP_FOLLOW, &path);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	inode = d_inode(path.dentry);
	if (S_ISDIR(inode->i_mode))
		ret = -EISDIR;
	else if (!S_ISREG(inode->i_mode) || path.dentry->d_sb != sb)
		ret = -EINVAL;
	else if (IS_SWAPFILE(inode) || IS_IMMUTABLE(inode))
		ret = -EPERM;
	path_put(&path);
	return ret;
}

/* As the file system tells it; where blocks cannot be taken ahead. */
static int compare_room(const struct path *path, u64 size)
{
	struct kstatfs st;
	int ret = vfs_statfs(path, &st);

	if (ret)
		return ret;
	return size <= st.f_bavail * st.f_bsize + (d_inode(path->dentry)->i_blocks << SECTOR_SHIFT) ?
		       0 : -ENOSPC;
}

/*
 * A file of that name is replaced, but not before it is known that there is
 * room for the new one: its own blocks and what it can be given beside them. It
 * is as it was after that.
 */
static int check_room(const struct path *path, u64 size)
{
	struct file *file = dentry_open(path, O_RDWR | O_LARGEFILE, current_cred());
	int ret, undo;

	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = vfs_fallocate(file, FALLOC_FL_KEEP_SIZE, 0, size);
	if (ret == -EOPNOTSUPP)
		ret = compare_room(&file->f_path, size);
	undo = vfs_truncate(&file->f_path, i_size_read(file_inode(file)));
	filp_close(file, NULL);
	return ret ?: undo;
}

static int remove_old(const char *name, u64 size)
{
	struct path path;
	int ret = kern_path(name, LOOKUP_FOLLOW, &path);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	ret = check_room(&path, size);
	if (!ret)
		ret = unlink_dentry(path.dentry);
	/* Who has it open, as that check has for some time yet, keeps its blocks, which count as room. */
	if (!ret && !d_inode(path.dentry)->i_nlink)
		vfs_truncate(&path, 0);
	path_put(&path);
	return ret;
}

/*
 * An open that fails may have created the file before; nothing was there then. Only what it can
 * have left is removed: an empty file that nobody may open.
 */
static void remove_unopened(const char *name)
{
	struct inode *inode;
	struct path path;

	if (kern_path(name, LOOKUP_FOLLOW, &path))
		return;
	inode = d_inode(path.dentry);
	if (S_ISREG(inode->i_mode) && !(inode->i_mode & 07777) && !i_size_read(inode))
		unlink_dentry(path.dentry);
	path_put(&path);
}

static int set_paths(struct cow_file *cow, struct file *file)
{
	struct path root = { .mnt = file->f_path.mnt, .dentry = file->f_path.mnt->mnt_root };
	char *buf = kmalloc(PATH_MAX, GFP_KERNEL), *path;
	int ret = -ENOMEM;

	if (!buf)
		return ret;
	path = dentry_path_raw(file->f_path.dentry, buf, PATH_MAX);
	if (IS_ERR(path)) {
		ret = PTR_ERR(path);
		goto out;
	}
	cow->path = kstrdup(path, GFP_KERNEL);
	path = d_path(&root, buf, PATH_MAX);
	/* There is another way without it. */
	if (!IS_ERR(path))
		cow->mnt_path = kstrdup(path, GFP_KERNEL);
	ret = cow->path ? 0 : -ENOMEM;
out:
	kfree(buf);
	return ret;
}

/*
 * Maps and verifies the file, protects it, and maps it again: what was
 * verified is what was protected.
 */
static int map_file(struct cow_file *cow, struct file *file, struct block_device *bdev)
{
	struct cow_extents first;
	int ret;

	ret = cow_extents_read(&first, file_inode(file), cow->fsize);
	if (ret)
		return ret;
	ret = cow_extents_verify(&first, file, bdev, cow->layout.data_offset);
	if (ret)
		goto out;
	protect(file_inode(file), COW_PROTECTED);
	ret = cow_extents_read(&cow->extents, file_inode(file), cow->fsize);
	if (!ret && !cow_extents_equal(&first, &cow->extents)) {
		dbd_err("the COW file %s was moved on disk while it was set up", cow->path);
		ret = -EAGAIN;
	}
	if (!ret)
		cow_extents_await_old(&cow->extents, file_inode(file)->i_sb, 0);
out:
	cow_extents_free(&first);
	return ret;
}

/*
 * Files of ext2 and ext3 cannot be preallocated: zeros, written, take the blocks
 * as well. They are on disk when this returns.
 */
static int write_zeros(struct file *file, u64 size)
{
	void *zeros = kvzalloc(ZEROS_AT_ONCE, GFP_KERNEL);
	u64 pos;
	int ret = zeros ? 0 : -ENOMEM;

	for (pos = 0; !ret && pos < size; pos += ZEROS_AT_ONCE) {
		ret = cow_file_write(file, zeros, min(size - pos, (u64)ZEROS_AT_ONCE), pos);
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
	}
	kvfree(zeros);
	return ret;
}

static int allocate(struct file *file, u64 size)
{
	int ret = vfs_fallocate(file, 0, 0, size);

	return ret == -EOPNOTSUPP ? write_zeros(file, size) : ret;
}

static int fill_file(struct cow_file *cow, struct file *file, struct super_block *sb,
		     struct block_device *bdev)
{
	struct inode *inode = file_inode(file);
	int ret;

	if (inode->i_sb != sb || !S_ISREG(inode->i_mode))
		return -EINVAL;
	if (IS_DAX(inode))
		return -EOPNOTSUPP;
	if (protect_named(file->f_path.dentry, COW_GUARDED)) {
		dbd_err("the COW file %s was removed while it was set up", cow->path);
		return -EAGAIN;
	}
	ret = allocate(file, cow->fsize);
	if (!ret)
		ret = vfs_fsync(file, 0);
	cow->mount_logged = !ret;
	if (!ret && fatal_signal_pending(current))
		ret = -EINTR;
	if (!ret)
		ret = map_file(cow, file, bdev);
	if (!ret)
		ret = pin_inode(cow, inode);
	return ret;
}

struct cow_file *cow_create(const char *name, struct super_block *sb, struct block_device *bdev,
			    u64 size, struct file **filp)
{
	struct cow_file *cow;
	struct file *file;
	int ret;

	ret = cow_check_path(name, sb);
	if (ret)
		return ERR_PTR(ret);
	cow = cow_alloc(bdev);
	if (!cow)
		return ERR_PTR(-ENOMEM);
	cow->asked = size;
	cow->fsize = size;
	cow->fpos = cow->layout.data_start;
	cow->run_end = size >> COW_BLOCK_SHIFT;

	ret = remove_old(name, size);
	if (ret)
		goto free;
	file = filp_open(name, O_RDWR | O_CREAT | O_LARGEFILE, 0);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		remove_unopened(name);
		goto free;
	}
	ret = set_paths(cow, file);
	if (!ret)
		ret = fill_file(cow, file, sb, bdev);
	if (ret) {
		protect(file_inode(file), 0);
		unlink_dentry(file->f_path.dentry);
		filp_close(file, NULL);
		goto free;
	}
	if (filp)
		*filp = file;
	else
		filp_close(file, NULL);
	return cow;
free:
	cow_put(cow);
	return ERR_PTR(ret);
}

/* ---- finishing ---- */

/* With write access to the file system. */
static int change(struct cow_hold *hold, struct iattr *attr)
{
	struct dentry *dentry;
	int ret;

	ihold(hold->inode);
	dentry = d_obtain_alias(hold->inode);
	if (IS_ERR(dentry))
		return PTR_ERR(dentry);
	inode_lock(hold->inode);
	/* The driver for ext2 makes no file shorter that may only be appended to. */
	set_protection(hold->inode, strcmp(hold->sb->s_type->name, "ext2") ? COW_GUARDED : 0);
	ret = sb_rdonly(hold->sb) ? -EROFS : dbd_notify_change(dentry, attr);
	set_protection(hold->inode, COW_PROTECTED);
	inode_unlock(hold->inode);
	dput(dentry);
	return ret;
}

int cow_truncate(struct cow_file *cow, u64 size)
{
	struct iattr attr = { .ia_valid = ATTR_SIZE | ATTR_FORCE, .ia_size = size };
	struct cow_hold hold;
	int ret = hold_get(cow, &hold);

	if (ret)
		return ret;
	ret = change(&hold, &attr);
	hold_put(&hold);
	return ret;
}

static int log_change(struct cow_hold *hold)
{
	struct iattr attr = { .ia_valid = ATTR_CTIME | ATTR_FORCE };
	int ret;

	if (!sb_start_write_trylock(hold->sb))
		return -EBUSY;
	ret = change(hold, &attr);
	sb_end_write(hold->sb);
	return ret ?: hold->sb->s_export_op->commit_metadata(hold->inode);
}

int cow_log_mount(struct cow_file *cow)
{
	struct cow_hold hold;
	int ret = hold_get(cow, &hold);

	if (ret)
		return ret;
	if (hold.sb->s_magic == XFS_SUPER_MAGIC && !cow->mount_logged)
		ret = log_change(&hold);
	cow->mount_logged = !ret;
	hold_put(&hold);
	return ret;
}

int cow_shrink(struct cow_file *cow)
{
	u64 size = cow->layout.data_start << COW_BLOCK_SHIFT;
	struct super_block *sb = cow_hold_sb(cow);
	int ret;

	if (IS_ERR(sb))
		return PTR_ERR(sb);
	sb_start_write(sb);
	ret = cow_truncate(cow, size);
	sb_end_write(sb);
	deactivate_super(sb);
	if (!ret)
		cow->fsize = size;
	/* The blocks behind the new end may be the file system's again. On one that is read-only now nothing happened. */
	if (ret != -EROFS)
		cow_extents_cut(&cow->extents, size);
	return ret;
}

/* One index block: entries of blocks [first, first + COW_ENTRIES_PER_BLOCK). */
static void fill_index_block(__le64 *entries, const struct dbd_map *map, u64 first)
{
	u64 end = min(first + COW_ENTRIES_PER_BLOCK, map->nr_blocks);
	u64 b;

	memset(entries, 0, COW_BLOCK_SIZE);
	for (b = dbd_map_next_set(map, first, end); b < end; b = dbd_map_next_set(map, b + 1, end))
		entries[b - first] = cpu_to_le64(COW_ENTRY_CHANGED);
}

/* Writes the index blocks that are not zero; the others read as zeros already. */
static int write_index(struct file *file, struct cow_file *cow, const struct dbd_map *map)
{
	__le64 *buf = kvmalloc(FINISH_BUF_BLOCKS * COW_BLOCK_SIZE, GFP_KERNEL);
	u64 nr = map->nr_blocks, block = dbd_map_next_set(map, 0, nr);
	unsigned long noted = jiffies;
	int ret = 0;

	if (!buf)
		return -ENOMEM;
	while (!ret && block < nr) {
		u64 first = round_down(block, COW_ENTRIES_PER_BLOCK);
		unsigned int n = 0;

		do {
			fill_index_block(buf + n * COW_ENTRIES_PER_BLOCK, map,
					 first + n * COW_ENTRIES_PER_BLOCK);
			n++;
			block = dbd_map_next_set(map, first + n * COW_ENTRIES_PER_BLOCK, nr);
		} while (n < FINISH_BUF_BLOCKS &&
			 block < min(first + (n + 1) * COW_ENTRIES_PER_BLOCK, nr));
		ret = cow_file_write(file, buf, n * COW_BLOCK_SIZE, COW_BLOCK_SIZE + first * 8);
		cond_resched();
		if (time_before(jiffies, noted + HZ))
			continue;
		/* It counts until its header is written. What this fails for will fail the rest as well. */
		cow_track_note(cow, file_inode(file)->i_sb->s_bdev);
		noted = jiffies;
	}
	kvfree(buf);
	return ret;
}

static int write_header(struct file *file, struct cow_file *cow, const struct dbd_map *map)
{
	struct cow_header *h = kzalloc(COW_BLOCK_SIZE, GFP_KERNEL);
	int ret;

	if (!h)
		return -ENOMEM;
	h->magic = cpu_to_le32(COW_MAGIC);
	h->flags = cpu_to_le32(COW_FLAG_CLEAN | COW_FLAG_INDEX_ONLY);
	h->fpos = cpu_to_le64(cow->fpos);
	h->fsize = cpu_to_le64(cow->fsize);
	h->seqid = cpu_to_le64(cow->seqid);
	memcpy(h->uuid, cow->uuid, sizeof(h->uuid));
	h->version = cpu_to_le64(COW_VERSION);
	h->nr_changed_blocks = cpu_to_le64(dbd_map_nr_set(map));
	ret = cow_file_write(file, h, COW_BLOCK_SIZE, 0);
	kfree(h);
	return ret;
}

static struct file *open_pinned(struct cow_hold *hold, struct vfsmount *mnt)
{
	struct path path = { .mnt = mnt };
	struct file *file;

	ihold(hold->inode);
	path.dentry = d_obtain_alias(hold->inode);
	if (IS_ERR(path.dentry))
		return ERR_CAST(path.dentry);
	file = dentry_open(&path, O_RDWR | O_LARGEFILE, current_cred());
	dput(path.dentry);
	return file;
}

/* Calls @write with the file open, for nobody else: its log is still written to where it is on the disk. */
static int with_file(struct cow_file *cow, const struct dbd_map *map, struct vfsmount *mnt,
		     int (*write)(struct file *file, struct cow_file *cow,
				  const struct dbd_map *map))
{
	struct cow_hold hold;
	struct file *file;
	int ret;

	ret = hold_get(cow, &hold);
	if (ret)
		return ret;
	protect(hold.inode, COW_GUARDED);
	file = open_pinned(&hold, mnt);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
	} else {
		ret = write(file, cow, map);
		filp_close(file, NULL);
	}
	protect(hold.inode, COW_PROTECTED);
	hold_put(&hold);
	return ret;
}

static int finish_index(struct file *file, struct cow_file *cow, const struct dbd_map *map)
{
	int ret = write_index(file, cow, map);

	return ret ?: vfs_fsync(file, 0);
}

int cow_finish_index(struct cow_file *cow, const struct dbd_map *map, struct vfsmount *mnt)
{
	return with_file(cow, map, mnt, finish_index);
}

static int finish_header(struct file *file, struct cow_file *cow, const struct dbd_map *map)
{
	int ret = write_header(file, cow, map);

	return ret ?: vfs_fsync(file, 0);
}

int cow_finish_header(struct cow_file *cow, const struct dbd_map *map, struct vfsmount *mnt)
{
	return with_file(cow, map, mnt, finish_header);
}

static int unfinish(struct file *file, struct cow_file *cow, const struct dbd_map *map)
{
	int ret = cow_file_write(file, page_address(ZERO_PAGE(0)), COW_BLOCK_SIZE, 0);

	if (!ret)
		ret = vfs_fsync(file, 0);
	if (!ret)
		cow->track = cow->tried = (struct cow_track_header){};
	return ret;
}

int cow_unfinish(struct cow_file *cow, struct vfsmount *mnt)
{
	return with_file(cow, NULL, mnt, unfinish);
}
