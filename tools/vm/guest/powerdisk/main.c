// SPDX-License-Identifier: MIT
/*
 * A disk with a volatile write cache, and what a power cut may leave of it.
 *
 *   powerdisk serve DEVICE BYTES LOG [FAULTS]
 *       makes DEVICE (/dev/nbdN) an empty disk in memory, until SIGTERM. What changes it goes to LOG, in the order
 *       in which the disk was told; but what is to be durable (FUA) when it is. Of that, a write to blocks in the
 *       file FAULTS fails: "refuse START COUNT" lines; with "land" it is done, fails all the same, and FAULTS is
 *       removed
 *   powerdisk entries LOG                how many there are by now
 *   powerdisk cut LOG FIRST LAST SEED RUNS DEVICE
 *       writes to DEVICE what may be on the disk when the power goes between entries FIRST and LAST, and
 *       prints that. There is all that was flushed, and all that was told to be durable (FUA) before the
 *       cut. Of the rest each block of 4096 bytes is there or not, as a disk writes back what it likes;
 *       in RUNS ("start count" lines of blocks) each sector is
 *   powerdisk order LOG FIRST LAST RUNS BYTES [NEXT]
 *       for each instant between entries FIRST and LAST, for the worst that the cache can do: the map in the COW
 *       file, which lies on the disk in RUNS, and the regions in its write-intent log are all that was written;
 *       with a transition in between, to a COW file in NEXT, which RUNS has after the first one
 *
 * Not dm-log-writes: there a plain write has its place at the next flush, so that one which did not wait for a
 * FUA write it depends on looks as if it had.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "powerdisk.h"

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", strerror(errno));
	exit(1);
}

void *memory(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("%" PRIu64 " bytes of memory", bytes);
	return p;
}

struct log load(const char *name)
{
	int fd = open(name, O_RDONLY);
	struct log log = { 0 };
	struct stat st;
	uint64_t at = 0, size;

	if (fd < 0 || fstat(fd, &st))
		die("%s", name);
	size = (uint64_t)st.st_size;
	log.bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	log.entries = malloc((size / sizeof(struct entry) + 1) * sizeof(*log.entries));
	if (log.bytes == MAP_FAILED || !log.entries)
		die("%s", name);
	while (at + sizeof(struct entry) <= size) {
		/* Data is whole sectors, so aligned. */
		const struct entry *e = (const struct entry *)(log.bytes + at);

		at += sizeof(*e) + (e->type == PLAIN || e->type == FUA ? e->bytes : 0);
		if (at <= size)
			log.entries[log.nr++] = e;
	}
	close(fd);
	return log;
}

uint8_t *read_runs(const char *name, uint64_t blocks)
{
	uint8_t *set = memory(blocks);
	FILE *f = fopen(name, "r");
	uint64_t start, count;

	if (!f)
		die("%s", name);
	while (fscanf(f, "%" SCNu64 " %" SCNu64, &start, &count) == 2)
		for (uint64_t b = start; b < start + count && b < blocks; b++)
			set[b] = 1;
	fclose(f);
	return set;
}

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 10);
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	struct log log;
	uint64_t first, last;

	if (!strcmp(command, "serve") && (argc == 5 || argc == 6))
		return serve_disk(argv[2], number(argv[3]), argv[4], argc == 6 ? argv[5] : "");
	if (argc < 3 || (strcmp(command, "entries") && argc < 7)) {
		fputs("usage: powerdisk serve DEVICE BYTES LOG [FAULTS] | entries LOG | cut LOG FIRST LAST SEED RUNS DEVICE | "
		      "order LOG FIRST LAST RUNS BYTES [NEXT]\n", stderr);
		return 2;
	}
	log = load(argv[2]);
	if (!strcmp(command, "entries"))
		return printf("%" PRIu64 "\n", log.nr) < 0;
	first = number(argv[3]);
	last = number(argv[4]);
	if (first >= last || last > log.nr) {
		fprintf(stderr, "%s has %" PRIu64 " entries\n", argv[2], log.nr);
		return 1;
	}
	if (!strcmp(command, "cut") && argc == 8)
		return cut(&log, first, last, number(argv[5]), argv[6], argv[7]);
	if (!strcmp(command, "order") && (argc == 7 || argc == 8))
		return check_order(&log, first, last, argv[5], number(argv[6]), argv[7]);
	return 2;
}
