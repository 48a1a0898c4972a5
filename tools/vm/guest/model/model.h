/* SPDX-License-Identifier: MIT */
/* What all parts of the model check share: see main.c for the whole. */
#ifndef MODEL_H
#define MODEL_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include "../random.h"

#define SECTOR 512
#define BLOCK 4096
#define SECTORS_A_BLOCK (BLOCK / SECTOR)

/* Ends the process: nothing that is found wrong can be gone on from. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* A line of the log, with the time since the start. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
uint64_t now_ns(void);

/* Random numbers: one generator a thread, all from the one seed. */
struct rng {
	uint64_t state;
};
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
	return random_below(&r->state, n);
}
static inline int chance(struct rng *r, unsigned int percent)
{
	return rng_below(r, 100) < percent;
}
/* 1 to @max, small ones as often as large ones. */
uint64_t rng_size(struct rng *r, uint64_t max);

/* Counters that the report adds up; any thread. */
enum count {
	BLOCKS_COMPARED, SECTORS_VERIFIED, FILES_VERIFIED, SNAPSHOTS, EXACT_SNAPSHOTS, CYCLES, IMAGES, IMAGES_MOUNTED,
	OVERFLOWS, FORCED, GROWTHS, REREADS, IOCTLS, REMOUNTS, FREEZES, WRITES, SECTORS_WRITTEN, ZEROES, DISCARDS, NR_COUNTS
};
void count(enum count what, uint64_t n);

struct config {
	const char *device, *mount, *image, *fs;
	uint64_t seed, seconds, raw; /* raw: from this byte on the device has no file system */
	unsigned int minor;
};
extern struct config config;

#endif
