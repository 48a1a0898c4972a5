/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the COW file keeps for the driver itself while it is in use: a header
 * that says whether the map beside it is complete, written raw.
 *
 * Nobody else can mistake it for something to read: the file's first 64 bytes
 * stay zero until cow_finish(). Nothing is written before the header on disk was
 * read and found to be the one written last.
 */
#ifndef DBD_COW_TRACK_H
#define DBD_COW_TRACK_H

#include "cow_file.h"
#include "map.h"

/*
 * All of these do raw I/O only, in process context, one at a time for a file.
 * Sealing and unsealing allocate nothing: writes are held meanwhile.
 * -ESTALE: what is on disk is not ours any more; nothing was written.
 */

/*
 * Writes @map and then, all of it durable, the header that calls it complete.
 * Nobody writes to the device meanwhile, and the index of a snapshot was
 * flushed.
 */
int cow_track_seal(struct cow_file *cow, struct block_device *bdev, const struct dbd_map *map,
		   bool snapshot);
/* The header says no longer that the map is complete: durable on return. */
int cow_track_unseal(struct cow_file *cow, struct block_device *bdev);

/*
 * Takes up a file that was sealed: @cow has its extents and size. @origin_crc:
 * what cow_track_origin_crc() gave before anybody could mount the device. *@map
 * is the caller's. -EINVAL, with a message: not sealed, of another mode or
 * device, moved, or the device was used since.
 */
int cow_track_load(struct cow_file *cow, struct block_device *bdev, bool snapshot, u32 origin_crc,
		   struct dbd_map **map);

/* Checksum of the device's first block, which holds its super block. */
int cow_track_origin_crc(struct cow_file *cow, struct block_device *bdev, u32 *crc);

#endif /* DBD_COW_TRACK_H */
