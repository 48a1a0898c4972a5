// SPDX-License-Identifier: MIT
#include "sector.h"
#include "model.h"

#define MAGIC 0x4c45444f4d646264ULL

struct content {
	uint64_t magic, seed, place, who, seq, ns, checksum;
	uint64_t rest[SECTOR / 8 - 7];
};
_Static_assert(sizeof(struct content) == SECTOR, "a sector");

static uint64_t sum(const struct content *c)
{
	uint64_t x = c->seed ^ 0x9e3779b97f4a7c15ULL;

	x = (x ^ c->place) * 0xff51afd7ed558ccdULL;
	x = (x ^ x >> 29 ^ c->who) * 0xc4ceb9fe1a85ec53ULL;
	x = (x ^ x >> 31 ^ c->seq) * 0x7fb5d329728ea185ULL;
	x = (x ^ x >> 29 ^ c->ns) * 0x81dadef4bc2dd44dULL;
	return x ^ x >> 33;
}

void sector_fill(void *sector, uint64_t place, unsigned int who, uint64_t seq, uint64_t ns)
{
	struct content *c = sector;
	uint64_t x;

	*c = (struct content){ MAGIC, config.seed, place, who, seq, ns, 0, { 0 } };
	x = c->checksum = sum(c);
	for (unsigned int i = 0; i < sizeof(c->rest) / 8; i++)
		c->rest[i] = x += 0x632be59bd9b4e019ULL;
}

uint64_t sector_parse(const void *sector, uint64_t place, unsigned int who)
{
	const struct content *c = sector;
	const uint64_t *words = sector;
	uint64_t x = c->checksum;

	if (c->magic == 0) {
		for (unsigned int i = 0; i < SECTOR / 8; i++)
			if (words[i])
				return SECTOR_BAD;
		return SECTOR_ZERO;
	}
	if (c->magic != MAGIC || c->seed != config.seed || c->place != place || c->who != who ||
	    c->checksum != sum(c))
		return SECTOR_BAD;
	for (unsigned int i = 0; i < sizeof(c->rest) / 8; i++)
		if (c->rest[i] != (x += 0x632be59bd9b4e019ULL))
			return SECTOR_BAD;
	return c->seq;
}
