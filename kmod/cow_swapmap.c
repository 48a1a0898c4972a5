// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mapping as the file system gives it for a swap file. It is made for raw
 * I/O beside the file system, names the device, covers unwritten extents, and is
 * built in kernel memory: struct swap_info_struct is only the carrier here, and
 * nothing is ever swapped.
 */
#include <linux/mm.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/swap.h>

#include "cow_extents.h"
#include "dbd.h"

static void free_tree(struct swap_info_struct *sis)
{
	struct swap_extent *se, *next;

	rbtree_postorder_for_each_entry_safe(se, next, &sis->swap_extent_root, rb_node)
		kfree(se);
}

/* Swap extents count file and device in pages; they come in order. */
static int take_tree(struct cow_extents *ext, struct swap_info_struct *sis, u64 size)
{
	struct rb_node *n;
	unsigned int nr = 0;
	u64 end = 0;

	for (n = rb_first(&sis->swap_extent_root); n; n = rb_next(n))
		nr++;
	ext->list = kvmalloc_array(max(nr, 1u), sizeof(*ext->list), GFP_KERNEL);
	if (!ext->list)
		return -ENOMEM;
	ext->capacity = nr;
	for (n = rb_first(&sis->swap_extent_root); n; n = rb_next(n)) {
		struct swap_extent *se = rb_entry(n, struct swap_extent, rb_node);

		ext->list[ext->nr++] = (struct cow_extent){
			.logical = (u64)se->start_page << PAGE_SHIFT,
			.physical = (u64)se->start_block << PAGE_SHIFT,
			.length = (u64)se->nr_pages << PAGE_SHIFT,
		};
		end += (u64)se->nr_pages << PAGE_SHIFT;
	}
	/* Parts of extents that are not aligned to a page would be missing. */
	return end == size ? 0 : -EOPNOTSUPP;
}

int cow_extents_ask(struct cow_extents *ext, struct file *file, u64 size,
		    struct block_device *bdev)
{
	const struct address_space_operations *ops = file->f_mapping->a_ops;
	struct super_block *sb = file_inode(file)->i_sb;
	struct swap_info_struct *sis;
	sector_t span;
	int ret;

	*ext = (struct cow_extents){};
	if (!ops->swap_activate || size >> PAGE_SHIFT > UINT_MAX) {
		dbd_refuse("the file system cannot tell where a file of %llu bytes is", size);
		return -EOPNOTSUPP;
	}
	sis = kzalloc(sizeof(*sis), GFP_KERNEL);
	if (!sis)
		return -ENOMEM;
	sis->bdev = sb->s_bdev;
	sis->max = size >> PAGE_SHIFT;
	sis->swap_extent_root = RB_ROOT;
	ret = ops->swap_activate(sis, file, &span);
	if (ret >= 0)
		ret = sis->bdev && sis->bdev->bd_dev == bdev->bd_dev ? take_tree(ext, sis, size) :
								       -EOPNOTSUPP;
	if (ret) {
		dbd_refuse("the file system does not say that the file may be written raw: %d", ret);
		cow_extents_free(ext);
	}
	free_tree(sis);
	kfree(sis);
	return ret;
}

bool cow_extents_begin(const struct cow_extents *longer, const struct cow_extents *ext)
{
	unsigned int i, last = ext->nr - 1;

	if (!ext->nr || longer->nr < ext->nr)
		return false;
	for (i = 0; i < ext->nr; i++) {
		const struct cow_extent *a = &longer->list[i], *b = &ext->list[i];

		if (a->logical != b->logical || a->physical != b->physical ||
		    (i < last ? a->length != b->length : a->length < b->length))
			return false;
	}
	return true;
}

void cow_extents_replace(struct cow_extents *ext, struct cow_extents *longer)
{
	struct cow_extent *old = ext->list;

	/* Either number goes with the new list, the old one only with the old number. */
	WRITE_ONCE(ext->list, longer->list);
	smp_store_release(&ext->nr, longer->nr); /* pairs with cow_extents_map() */
	ext->capacity = longer->capacity;
	*longer = (struct cow_extents){};
	synchronize_rcu();
	kvfree(old);
}
