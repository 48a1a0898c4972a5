// SPDX-License-Identifier: MIT
/*
 * iolog SEED OPS DEVICE OFFSET BYTES: direct reads, writes, zeroings, discards and flushes of random place
 * and size within a part of a device, one after the other, and the result of each, for a read with a
 * checksum of what was read: what a caller sees of a device, to be compared with what it sees of the
 * same device at another time. A ! is what went wrong. What was discarded is written next: until then
 * it may hold anything.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "random.h"

#define SECTOR 512
#define MAX_SECTORS 512 /* one bio: what fails, fails as a whole */

static uint64_t state;

static uint64_t below(uint64_t n)
{
	return random_below(&state, n);
}

static uint64_t buf[MAX_SECTORS * SECTOR / 8] __attribute__((aligned(4096)));

static uint64_t checksum(uint64_t bytes)
{
	uint64_t sum = 0xcbf29ce484222325ULL;

	for (uint64_t w = 0; w < bytes / 8; w++)
		sum = (sum ^ buf[w]) * 0x100000001b3ULL;
	return sum ^ sum >> 32;
}

static void result(const char *what, uint64_t at, uint64_t n, long ret)
{
	int transfer = *what == 'w' || *what == 'r';

	printf("%s %" PRIu64 " %" PRIu64 ": %ld%s%s", what, at, n, ret, ret < 0 ? " ! " : "",
	       ret < 0 ? strerror(errno) : transfer && (uint64_t)ret != n * SECTOR ? "!" : "");
	if (*what == 'r' && ret > 0)
		printf(" %016" PRIx64, checksum((uint64_t)ret));
	putchar('\n');
}

int main(int argc, char **argv)
{
	uint64_t ops, offset, sectors;
	int fd;

	if (argc != 6)
		return 2;
	state = strtoull(argv[1], NULL, 10);
	ops = strtoull(argv[2], NULL, 10);
	offset = strtoull(argv[4], NULL, 10);
	sectors = strtoull(argv[5], NULL, 10) / SECTOR;
	fd = open(argv[3], O_RDWR | O_DIRECT);
	if (fd < 0) {
		fprintf(stderr, "%s: %s\n", argv[3], strerror(errno));
		return 1;
	}
	for (uint64_t i = 0; i < ops; i++) {
		uint64_t n = 1 + below(1ULL << below(10)), at = below(sectors), range[2];
		unsigned int dice = (unsigned int)below(20);

		if (n > sectors - at)
			n = sectors - at;
		range[0] = offset + at * SECTOR;
		range[1] = n * SECTOR;
		for (uint64_t w = 0; w < n * SECTOR / 8; w++)
			buf[w] = i << 32 | w;
		if (dice < 1)
			result("discard", at, n, ioctl(fd, BLKDISCARD, range));
		if (dice < 12)
			result("write", at, n, pwrite(fd, buf, range[1], (off_t)range[0]));
		else if (dice < 18)
			result("read", at, n, pread(fd, buf, range[1], (off_t)range[0]));
		else if (dice < 19)
			result("zero", at, n, ioctl(fd, BLKZEROOUT, range));
		else
			result("flush", at, n, fsync(fd));
	}
	return 0;
}
