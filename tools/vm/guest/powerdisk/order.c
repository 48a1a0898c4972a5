// SPDX-License-Identifier: MIT
/*
 * The order in which the driver wrote, checked at each instant without cutting there. What is not flushed is taken
 * for there when somebody else wrote it, for lost when the driver did, and a write of the driver's that is under way
 * for torn. From the description of the COW file alone, as cowmap.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "powerdisk.h"

#define SECTION_BLOCKS 8
#define REGION_BLOCKS 256 /* of devices up to 1 TiB */
#define LOG_HEAD 64
#define LOG_MAGIC 0x4e544e495f444244ULL
#define BITS_PER_BLOCK (BLOCK * 8)
#define NOTHING UINT64_MAX

/* Blocks of the disk: the log's two places, for devices up to 31 GiB one block each, and the map. */
struct place {
	uint64_t slots[2], *map, nr_map;
};

struct state {
	uint8_t *disk; /* the driver's blocks, as far as they are sure */
	uint8_t *own, *written;
	uint64_t blocks;
	uint64_t flushed; /* entries that were looked at for this */
	uint64_t commits;
	struct place place;
};

static uint64_t nth_block(const char *runs, uint64_t n)
{
	FILE *f = fopen(runs, "r");
	uint64_t start, count;

	if (!f)
		die("%s", runs);
	while (fscanf(f, "%" SCNu64 " %" SCNu64, &start, &count) == 2) {
		if (n < count) {
			fclose(f);
			return start + n;
		}
		n -= count;
	}
	errno = ENOENT;
	die("%s: block %" PRIu64, runs, n);
}

static void find_place(struct state *s, const char *runs)
{
	uint64_t at = 1 + (s->blocks + SECTION_BLOCKS * 512 - 1) / (SECTION_BLOCKS * 512) * SECTION_BLOCKS;

	s->place.slots[0] = nth_block(runs, at);
	s->place.slots[1] = nth_block(runs, at + 1);
	s->place.nr_map = (s->blocks + BITS_PER_BLOCK - 1) / BITS_PER_BLOCK;
	s->place.map = memory(s->place.nr_map * sizeof(uint64_t));
	for (uint64_t i = 0; i < s->place.nr_map; i++)
		s->place.map[i] = nth_block(runs, at + 2 + i);
}

static int bit(const uint8_t *bits, uint64_t n)
{
	return bits[n / 8] >> n % 8 & 1;
}

static uint64_t field(const uint8_t *block, unsigned int at)
{
	uint64_t v;

	memcpy(&v, block + at, 8);
	return le64toh(v);
}

/* The block of the log that counts when @torn is worth nothing. */
static const uint8_t *valid_log(const struct state *s, uint64_t torn)
{
	const uint8_t *newest = NULL;

	for (int i = 0; i < 2; i++) {
		const uint8_t *block = s->disk + s->place.slots[i] * BLOCK;

		if (s->place.slots[i] != torn && field(block, 0) == LOG_MAGIC &&
		    (!newest || field(block, 8) > field(newest, 8)))
			newest = block;
	}
	return newest;
}

static int covered(const struct state *s, const uint8_t *log, uint64_t b)
{
	return bit(s->disk + s->place.map[b / BITS_PER_BLOCK] * BLOCK, b % BITS_PER_BLOCK) ||
	       (log && bit(log + LOG_HEAD, b / REGION_BLOCKS));
}

/* How many of @n blocks from @b on that were written would be missed. */
static uint64_t missed(const struct state *s, uint64_t b, uint64_t n, uint64_t torn)
{
	const uint8_t *log = valid_log(s, torn);
	uint64_t lost = 0;

	for (n += b; b < n; b++)
		if (s->written[b] && !covered(s, log, b) && !lost++)
			printf("block %" PRIu64 " is in neither map nor log\n", b);
	return lost;
}

/* What is sure from now on. */
static void store(struct state *s, const struct entry *e)
{
	for (uint64_t at = 0; at < e->bytes; at += SECTOR)
		if (s->own[(e->at + at) / BLOCK])
			memcpy(s->disk + e->at + at, (const uint8_t *)(e + 1) + at, SECTOR);
}

static int is_slot(const struct state *s, const struct entry *e)
{
	return e->at == s->place.slots[0] * BLOCK || e->at == s->place.slots[1] * BLOCK;
}

/* A FUA write is sure at once, the others with the next flush. */
static void settle(struct state *s, const struct log *log, uint64_t i)
{
	const struct entry *e = log->entries[i];

	if (e->type == FUA)
		store(s, e);
	for (; e->type == FLUSH && s->flushed < i; s->flushed++)
		if (log->entries[s->flushed]->type == PLAIN)
			store(s, log->entries[s->flushed]);
}

static uint64_t check(struct state *s, const struct log *log, uint64_t i)
{
	const struct entry *e = log->entries[i];
	uint64_t first = e->at / BLOCK, end = (e->at + e->bytes + BLOCK - 1) / BLOCK, lost = 0;
	int commit = e->type == FUA && is_slot(s, e);

	if (commit)
		lost = missed(s, 0, s->blocks, first);
	settle(s, log, i);
	for (uint64_t b = first; b < end; b++)
		s->written[b] |= !s->own[b];
	if (commit || e->type == FLUSH)
		lost += missed(s, 0, s->blocks, NOTHING);
	else
		lost += missed(s, first, end - first, NOTHING);
	s->commits += (uint64_t)commit;
	return lost;
}

int check_order(const struct log *log, uint64_t first, uint64_t last, const char *runs, uint64_t bytes)
{
	struct state s = { .blocks = bytes / BLOCK };
	uint64_t lost = 0, i;

	s.disk = memory(bytes);
	s.written = memory(s.blocks);
	s.own = read_runs(runs, s.blocks);
	find_place(&s, runs);
	for (i = 0; i < first; i++)
		settle(&s, log, i);
	for (; i < last && !lost; i++)
		lost = check(&s, log, i);
	if (lost)
		printf("a power cut at entry %" PRIu64 " loses %" PRIu64 " blocks\n", i - 1, lost);
	printf("%" PRIu64 " instants, %" PRIu64 " writes of the log\n", i - first, s.commits);
	return lost != 0 || !s.commits;
}
