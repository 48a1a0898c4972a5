/* SPDX-License-Identifier: MIT */
/*
 * Walks the index of one or several COW files and gives what any of them calls
 * changed, in ascending order. See cow-format.md of the driver: after a header
 * of 4096 bytes one little-endian u64 for each block; zero is unchanged.
 */
#ifndef DBD_SCAN_H
#define DBD_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#define DBD_BLOCK 4096u
/* Longest piece in blocks: 1 MiB. */
#define DBD_PIECE_BLOCKS 256u
#define DBD_MAX_MAPS 1024u

/* Consecutive changed blocks, at most DBD_PIECE_BLOCKS. */
struct dbd_piece {
	uint64_t start;
	uint32_t count;
};

struct dbd_scan {
	const int *maps;	/* descriptors, the caller's */
	unsigned int nr_maps;
	uint64_t blocks;	/* of the device */
	uint64_t all_from;	/* from this block on all are changed */
	uint32_t max_piece;	/* blocks, 1..DBD_PIECE_BLOCKS */
	uint64_t at;		/* next block to look at */
	uint64_t base, end;	/* blocks whose entries are in `entries` */
	uint64_t *entries, *other;
	int err;		/* after a failure: errno, 0 when a map ended early */
	unsigned int failed_map;
	uint64_t failed_offset;	/* bytes in that file */
};

/* 0 or ENOMEM. dbd_scan_free() may be called in either case. */
int dbd_scan_init(struct dbd_scan *scan, const int *maps, unsigned int nr_maps,
		  uint64_t blocks, uint64_t first, uint64_t all_from);
void dbd_scan_free(struct dbd_scan *scan);

/* 1: *piece is the next one. 0: there are no more. -1: a map cannot be read. */
int dbd_scan_next(struct dbd_scan *scan, struct dbd_piece *piece);

#endif
