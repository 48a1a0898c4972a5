/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Making the COW file of a snapshot larger while it is in use.
 *
 * The file system gives blocks that are free now, and among them are blocks
 * that were in use when the snapshot was taken. What those held is needed as
 * long as it is not saved, so they become part of the file but are never
 * written: the snapshot reads them where they are. Only blocks that were free
 * at the snapshot, or whose old content is saved, take old blocks.
 *
 * Growth happens in the caller's context or in a worker, ahead of need, never
 * where writes are held.
 */
#ifndef DBD_COW_GROW_H
#define DBD_COW_GROW_H

#include "copy.h"
#include "cow_file.h"

struct dbd_grow;

/* Module load and unload. */
int dbd_grow_init(void);
void dbd_grow_exit(void);

/*
 * What growing needs to know of a running snapshot; @bdev_path names its
 * origin. Context of a user process. ERR_PTR, with a reason. All arguments
 * outlive it.
 */
struct dbd_grow *dbd_grow_create(struct dbd_snap *snap, const char *bdev_path);
/* Waits for a step under way. Before the snapshot ends. */
void dbd_grow_destroy(struct dbd_grow *grow);

/*
 * Makes the file @bytes larger. -ENOSPC: not enough room, or none that may be
 * used; the file is as it was after any error. Process context.
 */
int dbd_grow_by(struct dbd_grow *grow, u64 bytes);

/*
 * From now on it grows by @step bytes whenever not much more than that is left,
 * while @reserved bytes stay free on the file system; 0: no longer.
 */
void dbd_grow_auto(struct dbd_grow *grow, u64 step, u64 reserved);

#endif /* DBD_COW_GROW_H */
