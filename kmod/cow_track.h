/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the COW file keeps for the driver itself while it is in use: a header
 * that says whether the map beside it is complete, alone or with the write-intent
 * log, written raw.
 *
 * Nobody else can mistake it for something to read: the file's first 64 bytes
 * stay zero until it is finished. Nothing is written before the header on disk was
 * read and found to be the one written last.
 */
#ifndef DBD_COW_TRACK_H
#define DBD_COW_TRACK_H

#include "cow_file.h"
#include "map.h"
#include "mount_mark.h"

/*
 * All of these do raw I/O only, in process context. But for loading they allocate
 * nothing: writes are held meanwhile. A write of the header that failed may have reached the disk
 * or not: both are ours.
 * -ESTALE: what is on disk is not ours any more; nothing was written.
 */

/*
 * Writes @map to its place. Each bit that is set on disk is set in @map as well, so
 * that wherever this is interrupted the map on disk is not smaller than before.
 */
int cow_track_save_map(struct cow_file *cow, struct block_device *bdev,
		       const struct dbd_map *map);
/*
 * The header calls map, and index of a snapshot, complete: durable on return, as is
 * what was written before. Nobody writes to the device meanwhile. @flags:
 * COW_TRACK_SNAPSHOT; COW_TRACK_LOG: there is one, empty.
 */
int cow_track_seal(struct cow_file *cow, struct block_device *bdev, const struct dbd_map *map,
		   u32 flags);
/* A seal has failed, and the header on disk may say so nevertheless. */
bool cow_track_maybe_sealed(struct cow_file *cow);
/* The header says no longer that the map is complete: durable on return. */
int cow_track_unseal(struct cow_file *cow, struct block_device *bdev);
/* Whether the device is as it was sealed. -ESTALE: somebody has written to it, unseen. */
int cow_track_check_rest(struct cow_file *cow, struct block_device *bdev);

/*
 * In use, in a mount that the header now names. @flags: COW_TRACK_LOG: map and log
 * on disk are complete from here on; COW_TRACK_PENDING; COW_TRACK_SNAPSHOT.
 */
int cow_track_use(struct cow_file *cow, struct block_device *bdev, u32 flags);
/*
 * What has changed of that mount's mark, while a log is in use; nothing else of the header. When it is over and the
 * header could not be told, it is told now.
 */
int cow_track_note(struct cow_file *cow, struct block_device *bdev);
/* The header speaks of no log, and calls nothing complete. */
int cow_track_unlog(struct cow_file *cow, struct block_device *bdev);
/*
 * The same for a file that could not be taken up: its header, should it be one, was not written by
 * us since. Else it might be believed after the next crash.
 */
int cow_track_give_up(struct cow_file *cow, struct block_device *bdev);
/* Whether the header on disk is the one written last. */
int cow_track_check(struct cow_file *cow, struct block_device *bdev);

/**
 * struct cow_loaded - what a file knows that is taken up
 * @map: blocks that may differ from the snapshot; the caller's
 * @crashed: the machine did not stop in order: it comes from map and log
 * @regions: that came from the log
 */
struct cow_loaded {
	struct dbd_map *map;
	bool crashed;
	u64 regions;
};

/* Which series a file belongs to, and whether it is in use, or finished. */
struct cow_place {
	u8 uuid[COW_UUID_SIZE];
	u64 seqid;
	bool finished;
};

/* @cow has its extents, and then @track as well. -EINVAL: neither, as far as its header tells. */
int cow_track_place(struct cow_file *cow, struct block_device *bdev, struct cow_place *place);

/* The mode asked for; COW_TAKE_ANY: incremental, whatever it was. */
enum cow_take { COW_TAKE_INC, COW_TAKE_SNAP, COW_TAKE_ANY };

/*
 * Takes up a file: @cow has its extents and size. @origin: read before anybody could
 * mount the device. After a crash a snapshot can be taken up as incremental only. -EINVAL, with a message: not to be trusted, of
 * another mode or device, moved, or the device was used since.
 */
int cow_track_load(struct cow_file *cow, struct block_device *bdev, enum cow_take take,
		   const struct dbd_found_marks *origin, struct cow_loaded *loaded);

#endif /* DBD_COW_TRACK_H */
