/* SPDX-License-Identifier: MIT */
/* What the parts of powerdisk share; see main.c for the whole. */
#ifndef POWERDISK_H
#define POWERDISK_H

#include <stdint.h>

#define BLOCK 4096
#define SECTOR 512

enum { PLAIN, FUA, TRIM, FLUSH };

/* What the disk was told; a PLAIN or FUA one is followed by its data. */
struct entry {
	uint64_t at, bytes, type;
};

struct log {
	const uint8_t *bytes;
	const struct entry **entries;
	uint64_t nr;
};

/* With errno's message. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Zeros. */
void *memory(uint64_t bytes);
struct log load(const char *name);
/* A byte for each block, 1 for those in the file's "start count" lines. */
uint8_t *read_runs(const char *name, uint64_t blocks);

int serve_disk(const char *device, uint64_t bytes, const char *log, const char *faults);
int cut(const struct log *log, uint64_t first, uint64_t last, uint64_t seed, const char *runs,
	const char *device);
/* @next_runs: of the COW file that a transition goes on to; NULL: there is none. */
int check_order(const struct log *log, uint64_t first, uint64_t last, const char *runs, uint64_t bytes,
		const char *next_runs);

#endif
