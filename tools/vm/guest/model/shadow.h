/* SPDX-License-Identifier: MIT */
/*
 * What one writer's sectors have to be. Each writer does one operation after the other on sectors that
 * are its own, so a snapshot holds its first n operations, for some n, and of operation n at most a part.
 * Known for certain: all that ended before the snapshot's call began are in, none that began after
 * the call ended is. Between the two the operations are kept in a list (the window), and the
 * snapshot must be what one of the prefixes of it gives, in every sector.
 */
#ifndef MODEL_SHADOW_H
#define MODEL_SHADOW_H

#include <pthread.h>
#include <stdint.h>

#define MAX_RANGES 8

enum what { WRITE, ZERO, DISCARD };

/* What may be seen of an operation that was under way at the instant. */
enum rule {
	RANGES, /* each range whole or not at all */
	SECTORS, /* each sector as before or as after */
	ANY, /* its sectors may be torn */
};

struct op {
	uint64_t seq;
	enum what what;
	enum rule rule;
	unsigned int nr;
	struct {
		uint64_t first, count; /* sectors of the writer */
	} range[MAX_RANGES];
	uint64_t begun, ended; /* ns; ended is 0 while it is under way */
};

struct shadow {
	pthread_mutex_t lock;
	uint64_t sectors;
	uint64_t *now; /* after all operations that ended */
	uint64_t *then; /* when the window was opened, then the snapshot */
	uint64_t *got; /* what was found in the snapshot; the checker's */
	struct op flight; /* seq 0: none */
	struct op *window;
	unsigned int nr, room;
	int open;
	int in_window; /* index of the operation under way, or -1 */
};

/* The instant of a snapshot lies between what is in it of all writers and what is not. */
struct instant {
	uint64_t after, before; /* ns */
	const char *after_name, *before_name;
};

void shadow_init(struct shadow *s, uint64_t sectors);
/* Around each operation of the writer. */
void shadow_begin(struct shadow *s, const struct op *op);
void shadow_end(struct shadow *s);
/* Around the call that takes the snapshot. */
void shadow_open(struct shadow *s);
void shadow_close(struct shadow *s);
/* Is @s->got the state at one instant? Ends the process if not. Narrows @t. */
void shadow_check(struct shadow *s, const char *name, struct instant *t);

#endif
