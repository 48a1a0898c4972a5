// SPDX-License-Identifier: GPL-2.0-only
/*
 * A COW file that is given back to the file system: the data area first, then, with
 * index and header, all of it.
 */
#include <linux/cred.h>
#include <linux/exportfs.h>
#include <linux/file.h>
#include <linux/magic.h>
#include <linux/slab.h>

#include "cow_file_impl.h"
#include "cow_track.h"
#include "dbd.h"

#define FINISH_BUF_BLOCKS 16u /* index blocks written at once */

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
	cow_set_protection(hold->inode, strcmp(hold->sb->s_type->name, "ext2") ? COW_GUARDED : 0);
	ret = sb_rdonly(hold->sb) ? -EROFS : dbd_notify_change(dentry, attr);
	cow_set_protection(hold->inode, COW_PROTECTED);
	inode_unlock(hold->inode);
	dput(dentry);
	return ret;
}

int cow_truncate(struct cow_file *cow, u64 size)
{
	struct iattr attr = { .ia_valid = ATTR_SIZE | ATTR_FORCE, .ia_size = size };
	struct cow_hold hold;
	int ret = cow_hold_get(cow, &hold);

	if (ret)
		return ret;
	ret = change(&hold, &attr);
	cow_hold_put(&hold);
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
	int ret = cow_hold_get(cow, &hold);

	if (ret)
		return ret;
	if (hold.sb->s_magic == XFS_SUPER_MAGIC && !cow->mount_logged)
		ret = log_change(&hold);
	cow->mount_logged = !ret;
	cow_hold_put(&hold);
	return ret;
}

int cow_shrink(struct cow_file *cow)
{
	u64 size = cow->layout.data_start << COW_BLOCK_SHIFT;
	struct super_block *sb = cow_hold_sb(cow);
	int ret;

	if (IS_ERR(sb))
		return PTR_ERR(sb);
	/* Under the device's lock, for which who thaws may wait. */
	if (sb_start_write_trylock(sb)) {
		ret = cow_truncate(cow, size);
		sb_end_write(sb);
	} else {
		ret = -EBUSY;
	}
	deactivate_super(sb);
	if (!ret)
		cow->fsize = size;
	/*
	 * The blocks behind the new end may be the file system's again. On one that is read-only or frozen now nothing
	 * happened.
	 */
	if (ret != -EROFS && ret != -EBUSY)
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

	ret = cow_hold_get(cow, &hold);
	if (ret)
		return ret;
	cow_protect(hold.inode, COW_GUARDED);
	file = open_pinned(&hold, mnt);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
	} else {
		ret = write(file, cow, map);
		filp_close(file, NULL);
	}
	cow_protect(hold.inode, COW_PROTECTED);
	cow_hold_put(&hold);
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
