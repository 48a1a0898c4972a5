// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making a COW file: through the file system, in the place of an older one, with
 * all its blocks.
 *
 * The header reads as zeros through the file system until cow_finish_header(): a file
 * that was not finished has no magic number and cannot be mistaken for an empty
 * map.
 */
#include <linux/cred.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/statfs.h>

#include "cow_file_impl.h"
#include "dbd.h"

#define ZEROS_AT_ONCE (1u << 20)

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
		ret = cow_unlink(path.dentry);
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
		cow_unlink(path.dentry);
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
	cow_protect(file_inode(file), COW_PROTECTED);
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
static int write_zeros(struct file *file, u64 pos, u64 end)
{
	void *zeros = kvzalloc(ZEROS_AT_ONCE, GFP_KERNEL);
	int ret = zeros ? 0 : -ENOMEM;

	for (; !ret && pos < end; pos += ZEROS_AT_ONCE) {
		ret = cow_file_write(file, zeros, min(end - pos, (u64)ZEROS_AT_ONCE), pos);
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
	}
	kvfree(zeros);
	return ret;
}

/*
 * Log and map are written raw while the file system may write the index before them, at whose end ext4 zeroes
 * some blocks more, as long as they are not written yet as far as it knows.
 */
static int allocate(struct file *file, const struct cow_layout *l, u64 size)
{
	int ret = vfs_fallocate(file, 0, 0, size);

	if (ret == -EOPNOTSUPP)
		return write_zeros(file, 0, size);
	return ret ?: write_zeros(file, min(l->data_offset, size),
				  min(l->data_start << COW_BLOCK_SHIFT, size));
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
	if (cow_protect_named(file->f_path.dentry, COW_GUARDED)) {
		dbd_err("the COW file %s was removed while it was set up", cow->path);
		return -EAGAIN;
	}
	ret = allocate(file, &cow->layout, cow->fsize);
	if (!ret)
		ret = vfs_fsync(file, 0);
	cow->mount_logged = !ret;
	if (!ret && fatal_signal_pending(current))
		ret = -EINTR;
	if (!ret)
		ret = map_file(cow, file, bdev);
	if (!ret)
		ret = cow_pin_inode(cow, inode);
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
		cow_protect(file_inode(file), 0);
		cow_unlink(file->f_path.dentry);
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
