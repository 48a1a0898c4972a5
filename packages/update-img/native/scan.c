// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include "scan.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER 4096u
#define ENTRY sizeof(uint64_t)
/* Entries read at a time: 256 KiB, which describe 128 MiB of the device. */
#define CHUNK 32768u
/* Entries of a page, the least that a file system tells data and holes by. */
#define PAGE_ENTRIES 512u

int dbd_scan_init(struct dbd_scan *scan, const int *maps, unsigned int nr_maps,
		  uint64_t blocks, uint64_t first, uint64_t all_from)
{
	*scan = (struct dbd_scan){
		.maps = maps,
		.nr_maps = nr_maps,
		.blocks = blocks,
		.all_from = all_from < blocks ? all_from : blocks,
		.max_piece = DBD_PIECE_BLOCKS,
		.at = first,
	};
	scan->entries = malloc(CHUNK * ENTRY);
	scan->other = nr_maps > 1 ? malloc(CHUNK * ENTRY) : NULL;
	return scan->entries && (nr_maps <= 1 || scan->other) ? 0 : ENOMEM;
}

void dbd_scan_free(struct dbd_scan *scan)
{
	free(scan->entries);
	free(scan->other);
	scan->entries = scan->other = NULL;
}

static int failed(struct dbd_scan *scan, unsigned int map, uint64_t offset,
		  int err)
{
	scan->err = err;
	scan->failed_map = map;
	scan->failed_offset = offset;
	return -1;
}

static int read_entries(struct dbd_scan *scan, unsigned int map,
			uint64_t *entries, uint64_t block, uint64_t count)
{
	char *to = (char *)entries;
	uint64_t offset = HEADER + block * ENTRY;
	size_t left = count * ENTRY;

	while (left > 0) {
		ssize_t got = pread(scan->maps[map], to, left, offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return failed(scan, map, offset, got < 0 ? errno : 0);
		to += got;
		offset += got;
		left -= got;
	}
	return 0;
}

/*
 * *block: the first one at or after `at` whose entry in this map may be other
 * than zero; scan->blocks when there is none. A file system that cannot tell
 * gives `at` itself.
 */
static int next_data(struct dbd_scan *scan, unsigned int map, uint64_t *block)
{
	uint64_t offset = HEADER + scan->at * ENTRY;
	off_t found = lseek(scan->maps[map], offset, SEEK_DATA);
	struct stat st;

	*block = scan->at;
	if (found < 0 && errno == ENXIO) {
		/* Nor is there data beyond the end of a file that was cut. */
		if (fstat(scan->maps[map], &st))
			return failed(scan, map, offset, errno);
		if ((uint64_t)st.st_size < HEADER + scan->blocks * ENTRY)
			return failed(scan, map, st.st_size, 0);
		*block = scan->blocks;
	} else if (found >= 0 && (uint64_t)found > offset) {
		*block = (found - HEADER) / ENTRY;
	}
	return 0;
}

/* Loads the entries at or after `at`, past what is a hole in every map. */
static int load(struct dbd_scan *scan)
{
	uint64_t next = scan->all_from;
	uint64_t count;

	for (unsigned int map = 0; map < scan->nr_maps; map++) {
		uint64_t data;

		if (next_data(scan, map, &data))
			return -1;
		if (data < next)
			next = data;
	}
	scan->at = next;
	if (next >= scan->all_from)
		return 0;
	/* Up to a chunk's edge, so that what follows begins with a page. */
	count = CHUNK - next % PAGE_ENTRIES;
	if (count > scan->all_from - next)
		count = scan->all_from - next;
	if (read_entries(scan, 0, scan->entries, next, count))
		return -1;
	for (unsigned int map = 1; map < scan->nr_maps; map++) {
		if (read_entries(scan, map, scan->other, next, count))
			return -1;
		for (uint64_t i = 0; i < count; i++)
			scan->entries[i] |= scan->other[i];
	}
	scan->base = next;
	scan->end = next + count;
	return 0;
}

/* The first entry of [i, end) that is not zero, or end. */
static uint64_t skip_zeros(const uint64_t *entry, uint64_t i, uint64_t end)
{
	while (i + 16 <= end) {
		uint64_t any = 0;

		/* The compiler makes vector instructions of this. */
		for (unsigned int j = 0; j < 16; j++)
			any |= entry[i + j];
		if (any)
			break;
		i += 16;
	}
	while (i < end && !entry[i])
		i++;
	return i;
}

/* The piece that begins at or after `at` in the loaded entries; false: none does. */
static bool piece_in_chunk(struct dbd_scan *scan, struct dbd_piece *piece)
{
	uint64_t end = scan->end - scan->base;
	uint64_t from = skip_zeros(scan->entries, scan->at - scan->base, end);
	uint64_t to = from;

	while (to < end && to - from < scan->max_piece && scan->entries[to])
		to++;
	scan->at = scan->base + to;
	*piece = (struct dbd_piece){ scan->base + from, to - from };
	return to > from;
}

int dbd_scan_next(struct dbd_scan *scan, struct dbd_piece *piece)
{
	while (scan->at < scan->all_from) {
		if (scan->at < scan->base || scan->at >= scan->end) {
			if (load(scan))
				return -1;
			continue;
		}
		if (piece_in_chunk(scan, piece))
			return 1;
	}
	if (scan->at >= scan->blocks)
		return 0;
	piece->start = scan->at;
	piece->count = scan->blocks - scan->at < scan->max_piece ?
		       scan->blocks - scan->at : scan->max_piece;
	scan->at += piece->count;
	return 1;
}
