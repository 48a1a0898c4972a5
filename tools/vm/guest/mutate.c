// SPDX-License-Identifier: MIT
/*
 * mutate SEED DEVICE RUNS FIRST COUNT: damages blocks FIRST to FIRST + COUNT - 1 of the file that lies on
 * the device in these runs of blocks ("start count" lines, in the file's order), and prints how.
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
#include "random.h"

#define BLOCK 4096

static uint64_t state;

static uint64_t below(uint64_t n)
{
	return random_below(&state, n);
}

/* Where block @n of the file is. */
static uint64_t place(const char *runs, uint64_t n)
{
	uint64_t start, count;
	FILE *f = fopen(runs, "r");

	while (f && fscanf(f, "%" SCNu64 " %" SCNu64, &start, &count) == 2) {
		if (n < count) {
			fclose(f);
			return start + n;
		}
		n -= count;
	}
	fprintf(stderr, "%s: no such block of the file\n", runs);
	exit(1);
}

static void io(ssize_t r, const char *what)
{
	if (r != BLOCK) {
		fprintf(stderr, "%s: %s\n", what, strerror(errno));
		exit(1);
	}
}

/* Fields are words; those that others read are in the first bytes, ours close behind. */
static void damage(unsigned char *block, uint64_t n)
{
	static const uint64_t words[] = { 0, 1, UINT64_MAX, 1ULL << 63, 4776, 0x7fffffff, 0x1000, 1ULL << 40 };
	uint64_t at = below(BLOCK / 8) * 8;

	if (below(3))
		at = below(22) * 8;
	switch (below(4)) {
	case 0:
		block[at + below(8)] ^= (unsigned char)(1u << below(8));
		printf("block %" PRIu64 ": a bit in word %" PRIu64 "\n", n, at / 8);
		break;
	case 1:
		memcpy(block + at, &words[below(8)], 8);
		printf("block %" PRIu64 ": word %" PRIu64 "\n", n, at / 8);
		break;
	case 2:
		memset(block, below(2) ? 0 : 0xff, BLOCK);
		printf("block %" PRIu64 ": all of it\n", n);
		break;
	default:
		for (uint64_t i = 1 + below(64); i--;)
			block[(at + i) % BLOCK] = (unsigned char)below(256);
		printf("block %" PRIu64 ": bytes from word %" PRIu64 "\n", n, at / 8);
	}
}

int main(int argc, char **argv)
{
	static unsigned char block[BLOCK] __attribute__((aligned(BLOCK)));
	int fd;

	if (argc != 6)
		return 2;
	state = strtoull(argv[1], NULL, 10);
	fd = open(argv[2], O_RDWR | O_DIRECT);
	for (uint64_t times = 1 + below(3); times--;) {
		uint64_t n = strtoull(argv[4], NULL, 10) + below(strtoull(argv[5], NULL, 10));
		off_t at = (off_t)(place(argv[3], n) * BLOCK);

		io(pread(fd, block, BLOCK, at), argv[2]);
		damage(block, n);
		io(pwrite(fd, block, BLOCK, at), argv[2]);
	}
	return close(fd);
}
