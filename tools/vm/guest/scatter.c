// SPDX-License-Identifier: MIT
/*
 * Single blocks, all different and scattered evenly over a range of a large device.
 *
 *   scatter write DEVICE FROM_BLOCK BLOCKS COUNT      writes COUNT of the range's blocks
 *   scatter marked COW_FILE FROM_BLOCK BLOCKS COUNT   the same blocks have an entry in the COW file,
 *                                                     and as many others of the range have none
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "uring.h"

#define BLOCK 4096
#define DEPTH 128

/* A prime larger than any range: each multiple is another block. */
static uint64_t nth(uint64_t i, uint64_t from, uint64_t blocks)
{
	return from + (uint64_t)((unsigned __int128)i * 2654435761u * 4099u % blocks);
}

static int fail(const char *what, int err)
{
	fprintf(stderr, "scatter: %s: %s\n", what, strerror(err));
	return 1;
}

static int put_blocks(int fd, uint64_t from, uint64_t blocks, uint64_t count)
{
	struct uring ring;
	void *buf;
	int ret = uring_open(&ring, DEPTH);

	if (ret)
		return fail("io_uring", -ret);
	if (posix_memalign(&buf, BLOCK, BLOCK))
		return fail("memory", ENOMEM);
	memset(buf, 0x5a, BLOCK);
	for (uint64_t i = 0; i < count; i++) {
		uring_write(&ring, fd, buf, BLOCK, nth(i, from, blocks) * BLOCK, 0);
		if (ring.in_flight == DEPTH || i + 1 == count)
			ret = uring_wait(&ring);
		if (ret)
			return fail("write", -ret);
	}
	return 0;
}

static int look(int fd, uint64_t from, uint64_t blocks, uint64_t count)
{
	for (uint64_t i = 0; i < 2 * count; i++) {
		uint64_t block = nth(i, from, blocks), entry;

		if (pread(fd, &entry, 8, (off_t)(BLOCK + block * 8)) != 8)
			return fail("index", EIO);
		if ((entry != 0) != (i < count)) {
			fprintf(stderr, "scatter: block %" PRIu64 " has entry %" PRIu64 "\n", block, entry);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	int marked = argc == 6 && !strcmp(argv[1], "marked"), fd;
	uint64_t from, blocks, count;

	if (!marked && !(argc == 6 && !strcmp(argv[1], "write"))) {
		fputs("usage: scatter write|marked FILE FROM_BLOCK BLOCKS COUNT\n", stderr);
		return 2;
	}
	fd = open(argv[2], marked ? O_RDONLY : O_RDWR | O_DIRECT);
	if (fd < 0)
		return fail(argv[2], errno);
	from = strtoull(argv[3], NULL, 10);
	blocks = strtoull(argv[4], NULL, 10);
	count = strtoull(argv[5], NULL, 10);
	return marked ? look(fd, from, blocks, count) : put_blocks(fd, from, blocks, count);
}
