// SPDX-License-Identifier: MIT
/*
 * The order in which the driver wrote, checked at each instant without cutting there. What is not flushed is taken
 * for there when somebody else wrote it, for lost when the driver did, and a write of the driver's that is under way
 * for torn. From the description of the COW file alone, as cowmap.
 *
 * In a transition one of two COW files counts: the old one's map and log until its header is written, from when
 * that is under way the blocks in its index and the new one's map and log.
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
#define COW_MAGIC 4776
#define LOG_HEAD 64
#define LOG_MAGIC 0x4e544e495f444244ULL
#define BITS_PER_BLOCK (BLOCK * 8)
#define NOTHING UINT64_MAX

/* Blocks of the disk: the log's two places, for devices up to 31 GiB one block each, and the map. */
struct place {
	uint64_t header, *index, slots[2], *map;
};

struct state {
	uint8_t *disk; /* the driver's blocks, as far as they are sure */
	uint8_t *own, *written;
	uint64_t blocks;
	uint64_t flushed; /* entries that were looked at for this */
	uint64_t commits;
	struct place old, next; /* next.map is NULL: there is none */
	int old_counts, next_counts;
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

static struct place find_place(uint64_t blocks, const char *runs)
{
	uint64_t nr_index = (blocks + SECTION_BLOCKS * 512 - 1) / (SECTION_BLOCKS * 512) * SECTION_BLOCKS;
	uint64_t nr_map = (blocks + BITS_PER_BLOCK - 1) / BITS_PER_BLOCK;
	struct place place = {
		.header = nth_block(runs, 0),
		.index = memory(nr_index * sizeof(uint64_t)),
		.slots = { nth_block(runs, 1 + nr_index), nth_block(runs, 2 + nr_index) },
		.map = memory(nr_map * sizeof(uint64_t)),
	};

	for (uint64_t i = 0; i < nr_index; i++)
		place.index[i] = nth_block(runs, 1 + i);
	for (uint64_t i = 0; i < nr_map; i++)
		place.map[i] = nth_block(runs, 3 + nr_index + i);
	return place;
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
static const uint8_t *valid_log(const struct state *s, const struct place *place, uint64_t torn)
{
	const uint8_t *newest = NULL;

	for (int i = 0; i < 2; i++) {
		const uint8_t *block = s->disk + place->slots[i] * BLOCK;

		if (place->slots[i] != torn && field(block, 0) == LOG_MAGIC &&
		    (!newest || field(block, 8) > field(newest, 8)))
			newest = block;
	}
	return newest;
}

static int covered(const struct state *s, const struct place *place, const uint8_t *log, uint64_t b)
{
	return bit(s->disk + place->map[b / BITS_PER_BLOCK] * BLOCK, b % BITS_PER_BLOCK) ||
	       (log && bit(log + LOG_HEAD, b / REGION_BLOCKS));
}

static int in_index(const struct state *s, uint64_t b)
{
	return field(s->disk + s->old.index[b / 512] * BLOCK, b % 512 * 8) != 0;
}

/* How many of @n blocks from @b on that were written would be missed. */
static uint64_t missed(const struct state *s, uint64_t b, uint64_t n, uint64_t torn)
{
	const uint8_t *log = valid_log(s, &s->old, torn);
	const uint8_t *next = s->next_counts ? valid_log(s, &s->next, torn) : NULL;
	uint64_t lost = 0;

	for (n += b; b < n; b++) {
		if (!s->written[b])
			continue;
		if ((!s->old_counts || covered(s, &s->old, log, b)) &&
		    (!s->next_counts || in_index(s, b) || covered(s, &s->next, next, b)))
			continue;
		if (!lost++)
			printf("block %" PRIu64 " is in neither map nor log\n", b);
	}
	return lost;
}

/* The part of a write that is in a block, if any. */
static const uint8_t *written_to(const struct entry *e, uint64_t block)
{
	if ((e->type != PLAIN && e->type != FUA) || e->at > block * BLOCK || block * BLOCK >= e->at + e->bytes)
		return NULL;
	return (const uint8_t *)(e + 1) + (block * BLOCK - e->at);
}

/* Whether this finishes the old COW file. */
static int is_finish(const struct state *s, const struct entry *e)
{
	const uint8_t *header = s->next.map ? written_to(e, s->old.header) : NULL;
	uint32_t magic = 0;

	if (header)
		memcpy(&magic, header, sizeof(magic));
	return le32toh(magic) == COW_MAGIC;
}

/* What is sure from now on. */
static void store(struct state *s, const struct entry *e)
{
	for (uint64_t at = 0; at < e->bytes; at += SECTOR)
		if (s->own[(e->at + at) / BLOCK])
			memcpy(s->disk + e->at + at, (const uint8_t *)(e + 1) + at, SECTOR);
	s->old_counts &= !is_finish(s, e);
}

static int is_slot(const struct place *place, const struct entry *e)
{
	return place->map && (e->at == place->slots[0] * BLOCK || e->at == place->slots[1] * BLOCK);
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
	int commit = e->type == FUA && (is_slot(&s->old, e) || is_slot(&s->next, e));

	s->next_counts |= is_finish(s, e);
	if (commit || is_finish(s, e))
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

int check_order(const struct log *log, uint64_t first, uint64_t last, const char *runs, uint64_t bytes,
		const char *next_runs)
{
	struct state s = { .blocks = bytes / BLOCK, .old_counts = 1 };
	uint64_t lost = 0, i;

	s.disk = memory(bytes);
	s.written = memory(s.blocks);
	s.own = read_runs(runs, s.blocks);
	s.old = find_place(s.blocks, runs);
	if (next_runs)
		s.next = find_place(s.blocks, next_runs);
	for (i = 0; i < first; i++)
		settle(&s, log, i);
	for (; i < last && !lost; i++)
		lost = check(&s, log, i);
	if (lost)
		printf("a power cut at entry %" PRIu64 " loses %" PRIu64 " blocks\n", i - 1, lost);
	printf("%" PRIu64 " instants, %" PRIu64 " writes of the log%s\n", i - first, s.commits,
	       s.next_counts && !s.old_counts ? ", from one COW file to the next" : "");
	return lost != 0 || !s.commits || (next_runs && s.old_counts);
}
