// SPDX-License-Identifier: MIT
/*
 * Reads a COW file as any other program would, from its description alone and without the
 * driver's sources, so that the two can disagree.
 *
 *   cowmap [-d] header FILE                 key=value lines
 *   cowmap [-d] runs FILE DEVICE_BYTES      changed blocks as "start count" lines
 *   cowmap [-d] check FILE DEVICE_BYTES     header, index and size agree with each other
 *   cowmap [-d] json FILE DEVICE_BYTES      all of it, for a fixture
 *
 * -d: with O_DIRECT instead of through the page cache.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 4096ULL
#define SECTION_ENTRIES 4096ULL
#define SECTION_BYTES (SECTION_ENTRIES * 8)
#define MAX_LOG (1ULL << 20)
#define MAGIC 4776
#define CLEAN 1u
#define INDEX_ONLY 2u

struct cow {
	uint32_t magic, flags;
	uint64_t fpos, fsize, seqid;
	unsigned char uuid[16];
	uint64_t version, nr_changed;
	uint64_t bytes;
};

static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t le(const unsigned char *p, int width)
{
	uint64_t v = 0;

	while (width--)
		v = v << 8 | p[width];
	return v;
}

static void read_at(int fd, unsigned char *buf, size_t n, uint64_t offset)
{
	for (size_t got = 0; got < n;) {
		ssize_t r = pread(fd, buf + got, n - got, (off_t)(offset + got));

		if (r < 0)
			die("read at %" PRIu64 ": %s", offset + got, strerror(errno));
		if (r == 0)
			die("short read: file ends at %" PRIu64 ", wanted %zu bytes from %" PRIu64,
			    offset + got, n, offset);
		got += (size_t)r;
	}
}

static struct cow read_header(int fd)
{
	static unsigned char buf[BLOCK] __attribute__((aligned(4096)));
	struct cow c;
	struct stat st;

	if (fstat(fd, &st))
		die("stat: %s", strerror(errno));
	read_at(fd, buf, BLOCK, 0);
	c.magic = (uint32_t)le(buf, 4);
	c.flags = (uint32_t)le(buf + 4, 4);
	c.fpos = le(buf + 8, 8);
	c.fsize = le(buf + 16, 8);
	c.seqid = le(buf + 24, 8);
	memcpy(c.uuid, buf + 32, 16);
	c.version = le(buf + 48, 8);
	c.nr_changed = le(buf + 56, 8);
	c.bytes = (uint64_t)st.st_size;
	return c;
}

static void print_uuid(const struct cow *c)
{
	for (int i = 0; i < 16; i++)
		printf("%02x", c->uuid[i]);
}

static void print_header(const struct cow *c)
{
	printf("magic=%u\nflags=%u\nfpos=%" PRIu64 "\nfsize=%" PRIu64 "\nseqid=%" PRIu64 "\nuuid=",
	       c->magic, c->flags, c->fpos, c->fsize, c->seqid);
	print_uuid(c);
	printf("\nversion=%" PRIu64 "\nnr_changed_blocks=%" PRIu64 "\nbytes=%" PRIu64 "\n", c->version,
	       c->nr_changed, c->bytes);
}

/* Calls back for each run of non-zero entries and returns how many entries that were. */
static uint64_t walk(int fd, uint64_t blocks, uint64_t *min, uint64_t *max,
		     void (*run)(uint64_t start, uint64_t count))
{
	static unsigned char buf[SECTION_BYTES] __attribute__((aligned(4096)));
	uint64_t changed = 0, start = 0, count = 0;

	for (uint64_t b = 0; b < blocks; b++) {
		uint64_t v;

		if (b % SECTION_ENTRIES == 0)
			read_at(fd, buf, SECTION_BYTES, BLOCK + b * 8);
		v = le(buf + b % SECTION_ENTRIES * 8, 8);
		if (v) {
			if (v > 1 && v < *min)
				*min = v;
			if (v > *max)
				*max = v;
			changed++;
			if (!count++)
				start = b;
		} else if (count) {
			run(start, count);
			count = 0;
		}
	}
	if (count)
		run(start, count);
	/* Entries past the device's end, up to the section's, belong to no block. */
	for (uint64_t b = blocks; b % SECTION_ENTRIES; b++)
		if (le(buf + b % SECTION_ENTRIES * 8, 8))
			die("entry %" PRIu64 " past the last block %" PRIu64 " is not zero", b, blocks - 1);
	return changed;
}

static void run_line(uint64_t start, uint64_t count)
{
	printf("%" PRIu64 " %" PRIu64 "\n", start, count);
}

static const char *separator = "";

static void run_json(uint64_t start, uint64_t count)
{
	printf("%s[%" PRIu64 ", %" PRIu64 "]", separator, start, count);
	separator = ", ";
}

static void run_none(uint64_t start, uint64_t count)
{
	(void)start;
	(void)count;
}

static void check(int fd, const struct cow *c, uint64_t blocks, uint64_t data_offset)
{
	uint64_t min = UINT64_MAX, max = 0, changed;

	if (c->magic != MAGIC)
		die("magic %u, expected %u", c->magic, MAGIC);
	if (!(c->flags & CLEAN))
		die("not clean: flags %u", c->flags);
	if (c->version != 1)
		die("version %" PRIu64 ", expected 1", c->version);
	if (c->seqid < 1)
		die("seqid 0");
	if (c->fsize != c->bytes)
		die("header says %" PRIu64 " bytes, the file has %" PRIu64, c->fsize, c->bytes);
	if (c->fsize < data_offset)
		die("file of %" PRIu64 " bytes is smaller than header and index, %" PRIu64, c->fsize, data_offset);
	/* What may follow the index then is the write-intent log, which readers ignore. */
	if ((c->flags & INDEX_ONLY) && c->fsize > data_offset + MAX_LOG)
		die("index only, but %" PRIu64 " bytes after the index", c->fsize - data_offset);
	changed = walk(fd, blocks, &min, &max, run_none);
	if (changed != c->nr_changed)
		die("header counts %" PRIu64 " changed blocks, the index has %" PRIu64, c->nr_changed, changed);
	if (min != UINT64_MAX && min < data_offset / BLOCK)
		die("entry %" PRIu64 " points below the data area, %" PRIu64, min, data_offset / BLOCK);
	if (max > 1 && max >= c->fpos)
		die("entry %" PRIu64 " is not below fpos %" PRIu64, max, c->fpos);
}

int main(int argc, char **argv)
{
	int direct = argc > 1 && !strcmp(argv[1], "-d");
	uint64_t bytes, blocks, data_offset, min = UINT64_MAX, max = 0;
	struct cow c;
	int fd;

	argc -= direct;
	argv += direct;
	if (argc < 3)
		die("usage: cowmap [-d] header|runs|check|json FILE [DEVICE_BYTES]");
	fd = open(argv[2], O_RDONLY | (direct ? O_DIRECT : 0));
	if (fd < 0)
		die("%s: %s", argv[2], strerror(errno));
	c = read_header(fd);
	if (!strcmp(argv[1], "header")) {
		print_header(&c);
		return 0;
	}
	if (argc < 4)
		die("DEVICE_BYTES is missing");
	bytes = strtoull(argv[3], NULL, 10);
	blocks = (bytes + BLOCK - 1) / BLOCK;
	data_offset = BLOCK + (blocks + SECTION_ENTRIES - 1) / SECTION_ENTRIES * SECTION_BYTES;
	if (!strcmp(argv[1], "runs")) {
		walk(fd, blocks, &min, &max, run_line);
	} else if (!strcmp(argv[1], "check")) {
		check(fd, &c, blocks, data_offset);
	} else if (!strcmp(argv[1], "json")) {
		printf("{\n  \"deviceBytes\": %" PRIu64 ",\n  \"uuid\": \"", bytes);
		print_uuid(&c);
		printf("\",\n  \"seqid\": %" PRIu64 ",\n  \"flags\": %u,\n  \"fpos\": %" PRIu64
		       ",\n  \"fsize\": %" PRIu64 ",\n  \"version\": %" PRIu64
		       ",\n  \"nrChangedBlocks\": %" PRIu64 ",\n  \"changedRuns\": [",
		       c.seqid, c.flags, c.fpos, c.fsize, c.version, c.nr_changed);
		walk(fd, blocks, &min, &max, run_json);
		puts("]\n}");
	} else {
		die("unknown command %s", argv[1]);
	}
	return 0;
}
