// SPDX-License-Identifier: MIT
/*
 * latency [-q DEPTH] [-t SECONDS | -f FIRST -n COUNT] [-r SEED] FILE
 *
 * Direct writes of 4096 bytes to a file or a device, DEPTH (1) at a time, until the time is over: at random;
 * or, with -f, one to each of COUNT MiB from MiB FIRST on, in random order. Prints how many a second, and the mean
 * and the 99th percentile of their latency in microseconds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "random.h"
#include "uring.h"

#define BLOCK 4096
#define BLOCKS_PER_MIB 256
#define MAX_DEPTH 64
#define MAX_WRITES (1u << 22)

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	return 1;
}

/* A block in each MiB, in random order. */
static uint64_t *first_touches(uint64_t first, uint64_t count, uint64_t *rng)
{
	uint64_t *blocks = malloc(count * sizeof(*blocks));

	for (uint64_t i = 0; i < count; i++) {
		uint64_t j = random_below(rng, i + 1);

		blocks[i] = blocks[j];
		blocks[j] = (first + i) * BLOCKS_PER_MIB + random_below(rng, BLOCKS_PER_MIB);
	}
	return blocks;
}

int main(int argc, char **argv)
{
	static uint8_t buf[BLOCK] __attribute__((aligned(BLOCK)));
	uint64_t rng = 1, seconds = 5, first = 0, count = 0, begun = 0, done = 0, sum = 0;
	uint64_t began[MAX_DEPTH], *took = malloc(MAX_WRITES * sizeof(*took)), *blocks = NULL, start, end, size;
	uint32_t depth = 1, free_tags[MAX_DEPTH], nr_free = 0;
	struct uring ring;
	int c, fd, ret;

	while ((c = getopt(argc, argv, "q:t:f:n:r:")) != -1) {
		switch (c) {
		case 'q': depth = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 't': seconds = strtoull(optarg, NULL, 10); break;
		case 'f': first = strtoull(optarg, NULL, 10); break;
		case 'n': count = strtoull(optarg, NULL, 10); break;
		case 'r': rng = strtoull(optarg, NULL, 10); break;
		default: return 2;
		}
	}
	if (optind + 1 != argc || depth < 1 || depth > MAX_DEPTH)
		return 2;
	fd = open(argv[optind], O_RDWR | O_DIRECT);
	if (fd < 0)
		return fail(argv[optind], errno);
	size = (uint64_t)lseek(fd, 0, SEEK_END) / BLOCK;
	ret = uring_open(&ring, depth);
	if (ret)
		return fail("io_uring", -ret);
	if (count)
		blocks = first_touches(first, count, &rng);
	while (nr_free < depth)
		free_tags[nr_free] = nr_free, nr_free++;
	start = now();
	end = start + seconds * 1000000000;
	for (;;) {
		uint32_t tag = 0;

		while (nr_free && begun < (blocks ? count : MAX_WRITES) && (blocks || now() < end)) {
			uint64_t block = blocks ? blocks[begun] : random_below(&rng, size);

			tag = free_tags[--nr_free];
			*(uint64_t *)buf = begun++;
			began[tag] = now();
			uring_write(&ring, fd, buf, BLOCK, block * BLOCK, tag);
		}
		if (!ring.in_flight)
			break;
		ret = uring_submit(&ring);
		if (!ret)
			ret = uring_next(&ring, &tag);
		if (ret)
			return fail("write", -ret);
		took[done] = now() - began[tag];
		sum += took[done++];
		free_tags[nr_free++] = tag;
	}
	end = now();
	if (!done)
		return fail("nothing was written", 0);
	qsort(took, done, sizeof(*took), compare);
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", done * 1000000000 / (end - start), sum / done / 1000,
	       took[done * 99 / 100] / 1000);
	return 0;
}
