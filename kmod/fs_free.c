// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file system itself is asked, with GETFSMAP, on a mount of the snapshot:
 * what it answers is of the instant of the snapshot, and nothing has to be
 * noted when one is taken. The mount is in no name space, read-only, without a
 * replay of the log (a snapshot is of a frozen file system: its log is empty).
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fsmap.h>
#include <linux/kdev_t.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "cow_layout.h"
#include "dbd.h"
#include "fs_free.h"
#include "origin.h"
#include "snap_disk.h"

#define RECORDS 1000u

/* The mount's options; a page, as mount(2) would hand over. */
static struct vfsmount *mount_snapshot(struct super_block *sb, unsigned int minor)
{
	bool xfs = !strcmp(sb->s_type->name, "xfs");
	char *options = (char *)get_zeroed_page(GFP_KERNEL);
	struct vfsmount *mnt;
	char path[24];

	if (!options)
		return ERR_PTR(-ENOMEM);
	snprintf(path, sizeof(path), "/dev/datto%u", minor);
	if (!dbd_names_device(path, dbd_snap_disk_dev(minor))) {
		dbd_refuse("%s, which tells what was free, is not there", path);
		mnt = ERR_PTR(-ENODEV);
		goto free_options;
	}
	/* An error in a copy must not bring the machine down, as its super block may ask for. */
	strscpy(options, xfs ? "norecovery,nouuid" : "noload,errors=continue", PAGE_SIZE);
	mnt = vfs_kern_mount(sb->s_type, SB_KERNMOUNT | SB_RDONLY, path, options);
	if (IS_ERR(mnt))
		dbd_refuse("%s, which tells what was free, cannot be mounted read-only: %ld", path,
			   PTR_ERR(mnt));
free_options:
	free_page((unsigned long)options);
	return mnt;
}

static bool is_free(const struct fsmap *r, struct super_block *sb)
{
	return r->fmr_device == new_encode_dev(sb->s_bdev->bd_dev) &&
	       (r->fmr_flags & FMR_OF_SPECIAL_OWNER) && r->fmr_owner == FMR_OWN_FREE;
}

/* Whole blocks of the record, as far as they are on the device. */
static void note_free(struct dbd_map *map, const struct fsmap *r)
{
	u64 first = DIV_ROUND_UP_ULL(r->fmr_physical, COW_BLOCK_SIZE);
	u64 end = (r->fmr_physical + r->fmr_length) >> COW_BLOCK_SHIFT;

	end = min(end, map->nr_blocks);
	if (first < end)
		dbd_map_set(map, first, end - first);
}

static void all_keys(struct fsmap_head *head)
{
	struct fsmap *high = &head->fmh_keys[1];

	memset(head, 0, sizeof(*head));
	head->fmh_count = RECORDS;
	high->fmr_device = UINT_MAX;
	high->fmr_flags = UINT_MAX;
	high->fmr_physical = ULLONG_MAX;
	high->fmr_owner = ULLONG_MAX;
	high->fmr_offset = ULLONG_MAX;
}

/* One batch; @head goes on behind it. 1: there is more. */
static int read_batch(struct file *file, struct fsmap_head *head,
		      struct fsmap_head __user *scratch, struct dbd_map *map)
{
	struct fsmap r = {};
	unsigned int i;
	long ret;

	if (copy_to_user(scratch, head, sizeof(*head)))
		return -EFAULT;
	ret = file->f_op->unlocked_ioctl(file, FS_IOC_GETFSMAP, (unsigned long)scratch);
	if (ret)
		return (int)ret;
	if (copy_from_user(head, scratch, sizeof(*head)))
		return -EFAULT;
	for (i = 0; i < head->fmh_entries; i++) {
		if (copy_from_user(&r, &scratch->fmh_recs[i], sizeof(r)))
			return -EFAULT;
		if (is_free(&r, file_inode(file)->i_sb))
			note_free(map, &r);
	}
	head->fmh_keys[0] = r;
	return head->fmh_entries && !(r.fmr_flags & FMR_OF_LAST);
}

static int read_free(struct file *file, struct dbd_map *map)
{
	size_t bytes = PAGE_ALIGN(fsmap_sizeof(RECORDS));
	struct fsmap_head head;
	unsigned long scratch;
	int ret;

	if (!file->f_op->unlocked_ioctl)
		return -EOPNOTSUPP;
	scratch = vm_mmap(NULL, 0, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, 0);
	if (IS_ERR_VALUE(scratch))
		return (int)scratch;
	all_keys(&head);
	do {
		ret = read_batch(file, &head, (void __user *)scratch, map);
		if (ret > 0 && fatal_signal_pending(current))
			ret = -EINTR;
	} while (ret > 0);
	vm_munmap(scratch, bytes);
	if (ret)
		dbd_refuse("the file system does not tell what was free: %d", ret);
	return ret;
}

struct dbd_map *dbd_fs_free(struct super_block *sb, unsigned int minor, u64 nr_blocks)
{
	struct vfsmount *mnt;
	struct dbd_map *map;
	struct file *file;
	struct path root;
	int ret;

	map = dbd_map_alloc(nr_blocks);
	if (!map)
		return ERR_PTR(-ENOMEM);
	mnt = mount_snapshot(sb, minor);
	if (IS_ERR(mnt)) {
		ret = PTR_ERR(mnt);
		goto free_map;
	}
	root = (struct path){ .mnt = mnt, .dentry = mnt->mnt_root };
	file = dentry_open(&root, O_RDONLY | O_DIRECTORY | O_LARGEFILE, current_cred());
	ret = PTR_ERR_OR_ZERO(file);
	if (!ret) {
		ret = read_free(file, map);
		fput(file);
	}
	/* With the file, before the caller is back in user space. */
	mntput(mnt);
free_map:
	if (ret) {
		dbd_map_free(map);
		return ERR_PTR(ret);
	}
	return map;
}
