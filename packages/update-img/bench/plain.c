// SPDX-License-Identifier: MIT
/*
 * plain COW FROM TO BYTES: what update-img is measured against, the plainest
 * copy there is: one pread and one pwrite of 4096 bytes for each changed block.
 * Prints the seconds that copying took, and copying with fsync.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096
#define ENTRIES 4096

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

int main(int argc, char **argv)
{
	static uint64_t index[ENTRIES];
	static char block[BLOCK];
	double start = now(), copied;
	uint64_t blocks;
	int cow, from, to;

	if (argc != 5)
		return 2;
	cow = open(argv[1], O_RDONLY);
	from = open(argv[2], O_RDONLY);
	to = open(argv[3], O_RDWR);
	if (cow < 0 || from < 0 || to < 0)
		fail("open");
	blocks = strtoull(argv[4], NULL, 10) / BLOCK;
	for (uint64_t first = 0; first < blocks; first += ENTRIES) {
		if (pread(cow, index, sizeof(index), 4096 + first * 8) < 0)
			fail("index");
		for (uint64_t i = 0; i < ENTRIES && first + i < blocks; i++) {
			uint64_t offset = (first + i) * BLOCK;

			if (!index[i])
				continue;
			if (pread(from, block, BLOCK, offset) != BLOCK)
				fail("pread");
			if (pwrite(to, block, BLOCK, offset) != BLOCK)
				fail("pwrite");
		}
	}
	copied = now();
	if (fsync(to))
		fail("fsync");
	printf("%f %f\n", copied - start, now() - start);
	return 0;
}
