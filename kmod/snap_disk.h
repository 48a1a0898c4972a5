/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/datto<N>: the snapshot as a read-only disk.
 */
#ifndef DBD_SNAP_DISK_H
#define DBD_SNAP_DISK_H

#include "copy.h"

struct snap_disk;

/* Module load and unload: the block major. */
int dbd_snap_disk_init(void);
void dbd_snap_disk_exit(void);

/* The number of the disk of @minor. */
dev_t dbd_snap_disk_dev(unsigned int minor);

/*
 * Adds the disk; the node exists when this returns. @active: reads give EBUSY
 * while it is false. ERR_PTR. Process context, no file system frozen.
 */
struct snap_disk *dbd_snap_disk_add(struct dbd_snap *snap, const bool *active);
/*
 * Forbids further opening. False: it is open, nothing was changed. @disk may be
 * NULL.
 */
bool dbd_snap_disk_close(struct snap_disk *disk);
/* Undoes dbd_snap_disk_close(). */
void dbd_snap_disk_reopen(struct snap_disk *disk);
/* After dbd_snap_disk_close(): the node is gone when this returns. */
void dbd_snap_disk_remove(struct snap_disk *disk);

#endif /* DBD_SNAP_DISK_H */
