// SPDX-License-Identifier: MIT
/* What a power cut leaves. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "../random.h"
#include "powerdisk.h"

static void apply(uint8_t *disk, const struct entry *e, uint64_t from, uint64_t n)
{
	if (e->type == TRIM)
		memset(disk + e->at + from, 0, n);
	else
		memcpy(disk + e->at + from, (const uint8_t *)(e + 1) + from, n);
}

/* Each block is written with this probability; of those that may be torn, each sector. */
static void apply_some(uint8_t *disk, const struct entry *e, const uint8_t *torn, uint64_t *rng, uint64_t percent)
{
	for (uint64_t at = 0, n; at < e->bytes; at += n) {
		uint64_t block = (e->at + at) / BLOCK;

		n = torn[block] ? SECTOR : (block + 1) * BLOCK - (e->at + at);
		if (n > e->bytes - at)
			n = e->bytes - at;
		if (random_below(rng, 100) < percent)
			apply(disk, e, at, n);
	}
}

static int touches(const struct entry *e, const uint8_t *set)
{
	for (uint64_t b = e->at / BLOCK; b * BLOCK < e->at + e->bytes; b++)
		if (set[b])
			return 1;
	return 0;
}

/*
 * Which entry the disk is at when the power goes. As often as not a write to these blocks that is to be durable, or
 * what comes after it: what did not wait for it is on its way already, what it should have waited for still is.
 */
static uint64_t choose(const struct log *log, uint64_t first, uint64_t last, const uint8_t *set, uint64_t *rng)
{
	uint64_t at = first + random_below(rng, last - first), dice = random_below(rng, 4);

	if (dice >= 2)
		for (uint64_t i = at; i + 1 < last; i++)
			if (log->entries[i]->type == FUA && touches(log->entries[i], set))
				return i + (dice & 1);
	return at;
}

static void build(const struct log *log, uint64_t at, uint64_t *rng, const uint8_t *torn, uint8_t *disk)
{
	static const uint64_t chances[] = { 0, 10, 50, 90, 100 };
	uint64_t percent = chances[random_below(rng, 5)], flushed = at, i;

	while (flushed && log->entries[flushed - 1]->type != FLUSH)
		flushed--;
	for (i = 0; i < at; i++) {
		const struct entry *e = log->entries[i];

		if (i < flushed || e->type == FUA)
			apply(disk, e, 0, e->bytes);
		else
			apply_some(disk, e, torn, rng, percent);
	}
	/* Being written: whatever it was told, nobody was told that it is. */
	if (random_below(rng, 2))
		apply_some(disk, log->entries[at], torn, rng, 50);
	printf("cut at entry %" PRIu64 " of %" PRIu64 ", %" PRIu64 " after the flush, %" PRIu64 " %% of these there\n",
	       at, log->nr, at - flushed, percent);
}

static int write_disk(const char *device, const uint8_t *disk, uint64_t size)
{
	int fd = open(device, O_WRONLY | O_DIRECT);

	if (fd < 0)
		die("%s", device);
	for (uint64_t at = 0, n; at < size; at += n) {
		n = size - at < 1 << 20 ? size - at : 1 << 20;
		if (pwrite(fd, disk + at, n, (off_t)at) != (ssize_t)n)
			die("%s", device);
	}
	return fsync(fd) || close(fd);
}

int cut(const struct log *log, uint64_t first, uint64_t last, uint64_t seed, const char *runs,
	const char *device)
{
	int fd = open(device, O_RDONLY);
	uint8_t *disk, *torn;
	uint64_t size;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size))
		die("%s", device);
	close(fd);
	disk = memory(size);
	torn = read_runs(runs, size / BLOCK + 1);
	build(log, choose(log, first, last, torn, &seed), &seed, torn, disk);
	return write_disk(device, disk, size);
}
