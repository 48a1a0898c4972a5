/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of cow_file.c, cow_pin.c, cow_create.c and cow_finish.c. */
#ifndef DBD_COW_FILE_IMPL_H
#define DBD_COW_FILE_IMPL_H

#include "cow_file.h"

/* Nobody can write to it, move it or remove it. */
#define COW_PROTECTED (S_SWAPFILE | S_IMMUTABLE)
/*
 * The same, but the driver can write, and change its size: only opening it to
 * append is left to others.
 */
#define COW_GUARDED S_APPEND

/* ---- cow_pin.c ---- */

/*
 * COW_PROTECTED, COW_GUARDED, or 0. From cow_protect_named() to the end there is no moment
 * with neither: the log is written raw to where the file is.
 */
void cow_protect(struct inode *inode, unsigned int flags);
/* The same, with the inode's lock, or where nobody else can reach it. */
void cow_set_protection(struct inode *inode, unsigned int flags);
/*
 * The first time. The pin ends with the last name, unnoticed, and the blocks are the file system's
 * again. So the name has to be there still; a removal under way is waited for. -ENOENT.
 */
int cow_protect_named(struct dentry *dentry, unsigned int flags);

/* Holds the inode until cow_unpin() or the end of its super block. */
int cow_pin_inode(struct cow_file *cow, struct inode *inode);
void cow_unpin(struct cow_file *cow);

/* Super block and inode for the length of a call. */
struct cow_hold {
	struct super_block *sb;
	struct inode *inode;
};

/* -ESTALE: the file system was unmounted, or is about to be. */
int cow_hold_get(struct cow_file *cow, struct cow_hold *hold);
void cow_hold_put(struct cow_hold *hold);

/* ---- cow_file.c ---- */

/* Of nothing yet, with one reference. NULL: no memory. */
struct cow_file *cow_alloc(struct block_device *bdev);
void cow_put(struct cow_file *cow);
/* -ENOENT: that name is not there any more. */
int cow_unlink(struct dentry *dentry);

#endif /* DBD_COW_FILE_IMPL_H */
