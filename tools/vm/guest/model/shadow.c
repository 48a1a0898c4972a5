// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "model.h"
#include "sector.h"
#include "shadow.h"

/* A value is the number of the write that the sector holds, or 0 for zeros. Discarded: or zeros as well. */
#define OR_ZERO ((uint64_t)1 << 63)

void shadow_init(struct shadow *s, uint64_t sectors)
{
	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	s->sectors = sectors;
	s->in_window = -1;
	s->now = calloc(sectors, 8);
	s->then = calloc(sectors, 8);
	s->got = calloc(sectors, 8);
	if (!s->now || !s->then || !s->got)
		die("out of memory");
}

static uint64_t after(const struct op *op, uint64_t value)
{
	switch (op->what) {
	case WRITE:
		return op->seq;
	case ZERO:
		return 0;
	case DISCARD:
		return value ? value | OR_ZERO : 0;
	}
	return 0;
}

static void apply(const struct op *op, uint64_t *values)
{
	for (unsigned int r = 0; r < op->nr; r++)
		for (uint64_t i = op->range[r].first; i < op->range[r].first + op->range[r].count; i++)
			values[i] = after(op, values[i]);
}

static void keep(struct shadow *s)
{
	if (s->nr == s->room) {
		s->room = s->room * 2 + 64;
		s->window = realloc(s->window, s->room * sizeof(*s->window));
		if (!s->window)
			die("out of memory");
	}
	s->in_window = (int)s->nr;
	s->window[s->nr++] = s->flight;
}

void shadow_begin(struct shadow *s, const struct op *op)
{
	pthread_mutex_lock(&s->lock);
	s->flight = *op;
	s->flight.begun = now_ns();
	if (s->open)
		keep(s);
	pthread_mutex_unlock(&s->lock);
}

void shadow_end(struct shadow *s)
{
	pthread_mutex_lock(&s->lock);
	apply(&s->flight, s->now);
	if (s->in_window >= 0)
		s->window[s->in_window].ended = now_ns();
	s->in_window = -1;
	s->flight.seq = 0;
	pthread_mutex_unlock(&s->lock);
}

void shadow_open(struct shadow *s)
{
	pthread_mutex_lock(&s->lock);
	memcpy(s->then, s->now, s->sectors * 8);
	s->nr = 0;
	s->in_window = -1;
	s->open = 1;
	if (s->flight.seq)
		keep(s);
	pthread_mutex_unlock(&s->lock);
}

void shadow_close(struct shadow *s)
{
	pthread_mutex_lock(&s->lock);
	s->open = 0;
	pthread_mutex_unlock(&s->lock);
}

static int matches(uint64_t value, uint64_t got)
{
	return got == (value & ~OR_ZERO) || (value & OR_ZERO && got == SECTOR_ZERO);
}

/* How many sectors of the operation differ now, and whether it may have been under way at the instant. */
static uint64_t look_at(const struct shadow *s, const struct op *op, int *possible)
{
	uint64_t differ = 0;

	*possible = 1;
	for (unsigned int r = 0; r < op->nr; r++) {
		uint64_t first = op->range[r].first, before = 0, new = 0;

		for (uint64_t i = first; i < first + op->range[r].count; i++) {
			int as_before = matches(s->then[i], s->got[i]);
			int as_after = matches(after(op, s->then[i]), s->got[i]);

			before += !as_before;
			new += !as_after;
			if (!as_before && !as_after && op->rule != ANY)
				*possible = 0;
		}
		if (op->rule == RANGES && before && new)
			*possible = 0;
		differ += before;
	}
	return differ;
}

static uint64_t differing(const struct shadow *s)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < s->sectors; i++)
		n += !matches(s->then[i], s->got[i]);
	return n;
}

static void explain(const struct shadow *s, const char *name)
{
	unsigned int shown = 0;

	printf("%s: no prefix of %u operations gives what the snapshot holds; with all of them:\n", name, s->nr);
	for (uint64_t i = 0; i < s->sectors && shown < 12; i++)
		if (!matches(s->then[i], s->got[i]) && ++shown)
			printf("  sector %" PRIu64 ": write %" PRIu64 "%s expected, %s%" PRIu64 " found\n", i,
			       s->then[i] & ~OR_ZERO, s->then[i] & OR_ZERO ? " or zeros" : "",
			       s->got[i] == SECTOR_BAD ? "no record of this place: " : "write ", s->got[i]);
	for (unsigned int i = 0; i < s->nr && i < 40; i++) {
		const struct op *op = &s->window[i];

		printf("  operation %" PRIu64 " kind %d rule %d, %" PRIu64 " to %" PRIu64 ":", op->seq, op->what,
		       op->rule, op->begun, op->ended);
		for (unsigned int r = 0; r < op->nr; r++)
			printf(" %" PRIu64 "+%" PRIu64, op->range[r].first, op->range[r].count);
		printf("\n");
	}
}

static void narrow(struct shadow *s, const char *name, unsigned int in, unsigned int out, struct instant *t)
{
	if (in && s->window[in - 1].begun > t->after) {
		t->after = s->window[in - 1].begun;
		t->after_name = name;
	}
	if (out < s->nr && s->window[out].ended && s->window[out].ended < t->before) {
		t->before = s->window[out].ended;
		t->before_name = name;
	}
}

void shadow_check(struct shadow *s, const char *name, struct instant *t)
{
	uint64_t wrong = differing(s);
	int found = 0;
	unsigned int in = 0, out = 0; /* operations that are in for certain, and those that may be */

	for (unsigned int i = 0; i <= s->nr; i++) {
		const struct op *op = &s->window[i];
		uint64_t here;
		int possible;

		if (!wrong) {
			in = found ? in : i;
			out = i;
			found = 1;
		}
		if (i == s->nr)
			break;
		here = look_at(s, op, &possible);
		/* Something of it is seen, and nothing else is wrong. */
		if (possible && here && here == wrong) {
			in = found ? in : i + 1;
			out = i + 1;
			found = 1;
		}
		wrong -= here;
		apply(op, s->then);
		for (unsigned int r = 0; r < op->nr; r++)
			for (uint64_t k = op->range[r].first; k < op->range[r].first + op->range[r].count; k++)
				wrong += !matches(s->then[k], s->got[k]);
	}
	if (!found) {
		explain(s, name);
		die("%s: the snapshot is not the state of any instant", name);
	}
	pthread_mutex_lock(&s->lock); /* the times of those that ended later */
	narrow(s, name, in, out, t);
	pthread_mutex_unlock(&s->lock);
	count(SECTORS_VERIFIED, s->sectors);
}
