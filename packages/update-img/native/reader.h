/* SPDX-License-Identifier: MIT */
/*
 * Reads a file in a thread of its own, while the caller writes what was read
 * before. For what is in the page cache: to read that is to copy memory, and two
 * processors copy more than one. Reads are ended in the order in which they were
 * begun. The caller is one thread at a time.
 */
#ifndef DBD_READER_H
#define DBD_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most reads, and most bytes, that can be begun and not ended. */
#define DBD_READER_READS 128u
#define DBD_READER_BYTES ((size_t)4 << 20)

struct dbd_reader;

/* NULL when there is no thread or no memory to be had. */
struct dbd_reader *dbd_reader_open(int fd);

/* Waits for the read that is under way; the others are not begun any more. */
void dbd_reader_close(struct dbd_reader *reader);

/* Whether a read of so many bytes can be begun now. */
bool dbd_reader_has_room(const struct dbd_reader *reader, size_t length);

/* Begins a read. It may not start before dbd_reader_submit(). */
void dbd_reader_begin(struct dbd_reader *reader, size_t length, uint64_t offset);
void dbd_reader_submit(struct dbd_reader *reader);

/*
 * Ends the oldest read, and waits for it where it is under way. Its bytes, which
 * stay until the next call. NULL where it failed, fell short or was not reached
 * yet: then it is the caller's to read.
 */
const unsigned char *dbd_reader_end(struct dbd_reader *reader);

#endif
