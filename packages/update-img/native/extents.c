// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include "extents.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "scan.h"

#define BATCH 256

static int by_start(const void *a, const void *b)
{
	const struct dbd_block_run *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static struct dbd_block_run to_run(const struct fiemap_extent *extent)
{
	uint64_t start = extent->fe_physical / DBD_BLOCK;
	uint64_t end = (extent->fe_physical + extent->fe_length + DBD_BLOCK - 1) /
		       DBD_BLOCK;

	return (struct dbd_block_run){ start, end - start };
}

int dbd_extents(int fd, struct dbd_block_run **runs, unsigned int *count)
{
	struct fiemap *map = calloc(1, sizeof(*map) +
				       BATCH * sizeof(struct fiemap_extent));
	struct dbd_block_run *list = NULL;
	unsigned int have = 0;
	uint64_t offset = 0;
	int err = map ? 0 : ENOMEM;

	while (!err) {
		struct dbd_block_run *longer;

		map->fm_start = offset;
		map->fm_length = FIEMAP_MAX_OFFSET - offset;
		map->fm_extent_count = BATCH;
		if (ioctl(fd, FS_IOC_FIEMAP, map) < 0) {
			err = errno;
			break;
		}
		if (map->fm_mapped_extents == 0)
			break;
		longer = realloc(list, (have + map->fm_mapped_extents) * sizeof(*list));
		if (!longer) {
			err = ENOMEM;
			break;
		}
		list = longer;
		for (unsigned int i = 0; i < map->fm_mapped_extents; i++) {
			list[have++] = to_run(&map->fm_extents[i]);
			offset = map->fm_extents[i].fe_logical +
				 map->fm_extents[i].fe_length;
		}
		if (map->fm_extents[map->fm_mapped_extents - 1].fe_flags &
		    FIEMAP_EXTENT_LAST)
			break;
	}
	free(map);
	if (err) {
		free(list);
		return err;
	}
	if (have > 0)
		qsort(list, have, sizeof(*list), by_start);
	*runs = list;
	*count = have;
	return 0;
}
