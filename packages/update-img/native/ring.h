/* SPDX-License-Identifier: MIT */
/*
 * Reads at many places of a file at once, past the page cache, by io_uring.
 * They are ended in the order in which they were begun. One thread at a time.
 */
#ifndef DBD_RING_H
#define DBD_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most reads, and most bytes, that can be under way. */
#define DBD_RING_READS 128u
#define DBD_RING_BYTES ((size_t)16 << 20)

struct dbd_ring;

/* NULL where kernel, file system or policy do not offer it, or memory is short. */
struct dbd_ring *dbd_ring_open(int fd);

/* Waits for what is under way. */
void dbd_ring_close(struct dbd_ring *ring);

/* Whether a read of so many bytes can be begun now. */
bool dbd_ring_has_room(const struct dbd_ring *ring, size_t length);

/* Begins a read; @offset is a multiple of 4096. It may not start before dbd_ring_submit(). */
void dbd_ring_begin(struct dbd_ring *ring, size_t length, uint64_t offset);
void dbd_ring_submit(struct dbd_ring *ring);

/*
 * Waits for the oldest read. Its bytes, which stay until the next call; NULL
 * where it failed or fell short: another way of reading says why.
 */
const unsigned char *dbd_ring_end(struct dbd_ring *ring);

#endif
