// SPDX-License-Identifier: GPL-2.0-only
/*
 * The super block is found by asking each file system type that can hold a COW
 * file: the ways from a block device to its super block are not exported.
 */
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/slab.h>

#include "origin.h"

struct sb_search {
	struct block_device *bdev;
	struct super_block *sb;
};

static void match_sb(struct super_block *sb, void *arg)
{
	struct sb_search *s = arg;

	if (!s->sb && sb->s_bdev && sb->s_bdev->bd_dev == s->bdev->bd_dev &&
	    atomic_inc_not_zero(&sb->s_active))
		s->sb = sb;
}

/*
 * Whether a module is loaded: get_fs_type() loads what it does not know, and
 * looking shall load nothing.
 */
static bool module_loaded(const char *name)
{
	struct kobject *kobj = kset_find_obj(THIS_MODULE->mkobj.kobj.kset, name);

	kobject_put(kobj);
	return kobj;
}

struct super_block *dbd_origin_sb(struct block_device *bdev)
{
	static const struct {
		const char *name, *module;
		bool builtin;
	} types[] = {
		{ "ext4", "ext4", IS_BUILTIN(CONFIG_EXT4_FS) },
		{ "xfs", "xfs", IS_BUILTIN(CONFIG_XFS_FS) },
		{ "ext3", "ext4", IS_BUILTIN(CONFIG_EXT4_FS) },
		{ "ext2", "ext4", IS_BUILTIN(CONFIG_EXT4_FS) },
	};
	struct sb_search search = { .bdev = bdev };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types) && !search.sb; i++) {
		struct file_system_type *type = NULL;

		if (types[i].builtin || module_loaded(types[i].module))
			type = get_fs_type(types[i].name);
		if (!type)
			continue;
		iterate_supers_type(type, match_sb, &search);
		module_put(type->owner);
	}
	return search.sb;
}

void dbd_sb_presync(struct super_block *sb)
{
	down_read(&sb->s_umount);
	sync_filesystem(sb);
	up_read(&sb->s_umount);
}

bool dbd_names_device(const char *name, dev_t dev)
{
	struct inode *inode;
	struct path path;
	bool ret;

	if (kern_path(name, LOOKUP_FOLLOW, &path))
		return false;
	inode = d_inode(path.dentry);
	ret = S_ISBLK(inode->i_mode) && inode->i_rdev == dev;
	path_put(&path);
	return ret;
}

int dbd_resolve_path(const char *name, char **resolved)
{
	char *buf = kmalloc(PATH_MAX, GFP_KERNEL), *p;
	struct path path;
	int ret = -ENOMEM;

	if (!buf)
		return ret;
	ret = kern_path(name, LOOKUP_FOLLOW, &path);
	if (ret)
		goto out;
	p = d_path(&path, buf, PATH_MAX);
	path_put(&path);
	if (IS_ERR(p)) {
		ret = PTR_ERR(p);
		goto out;
	}
	*resolved = kstrdup(p, GFP_KERNEL);
	ret = *resolved ? 0 : -ENOMEM;
out:
	kfree(buf);
	return ret;
}
