// SPDX-License-Identifier: MIT
/*
 * Reads are numbered in their order. The thread takes one after the other; what
 * it has not taken when it is needed, the caller takes from it, so that nobody
 * waits for a thread that has no processor yet. The lock is not for each read:
 * the caller remembers how far the thread was.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include "reader.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * By their first versions, which every glibc has, and not by those of the glibc
 * that this is built with: 2.32 and 2.34 gave them new ones, with nothing new.
 */
#if defined(__GLIBC__) && defined(__x86_64__)
#define FIRST "GLIBC_2.2.5"
#elif defined(__GLIBC__) && defined(__aarch64__)
#define FIRST "GLIBC_2.17"
#endif
#ifdef FIRST
__asm__(".symver pthread_create, pthread_create@" FIRST);
__asm__(".symver pthread_join, pthread_join@" FIRST);
__asm__(".symver pthread_sigmask, pthread_sigmask@" FIRST);
#endif

#define ALIGNMENT 4096u

struct read {
	uint64_t offset;
	size_t length;
	uint64_t begin;		/* in `memory`, counted on and on */
	bool whole;		/* once it is done: all was read */
};

struct dbd_reader {
	int fd;
	unsigned char *memory;
	/* Each is the caller's until it is submitted, and again when it is done. */
	struct read reads[DBD_READER_READS];
	pthread_t thread;

	/* The caller's. */
	uint64_t next, oldest;		/* reads: to begin, to end */
	uint64_t seen_done;		/* `done` when it was looked at last */
	uint64_t used_from, used_to;	/* in `memory`, counted on and on */

	pthread_mutex_t lock;
	pthread_cond_t for_thread, for_caller;
	/* Under the lock. Reads before these are; done <= taken. */
	uint64_t submitted, taken, done;
	bool closing;
};

static unsigned char *bytes_of(const struct dbd_reader *reader, const struct read *read)
{
	return reader->memory + read->begin % DBD_READER_BYTES;
}

static void *work(void *argument)
{
	struct dbd_reader *reader = argument;

	pthread_mutex_lock(&reader->lock);
	while (!reader->closing) {
		struct read *read;

		if (reader->taken >= reader->submitted) {
			pthread_cond_wait(&reader->for_thread, &reader->lock);
			continue;
		}
		read = &reader->reads[reader->taken++ % DBD_READER_READS];
		pthread_mutex_unlock(&reader->lock);
		read->whole = pread(reader->fd, bytes_of(reader, read), read->length,
				    read->offset) == (ssize_t)read->length;
		pthread_mutex_lock(&reader->lock);
		reader->done = reader->taken;
		pthread_cond_signal(&reader->for_caller);
	}
	pthread_mutex_unlock(&reader->lock);
	return NULL;
}

/* Without signals: they are for the program's own threads. 0 or errno. */
static int start(struct dbd_reader *reader)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&reader->thread, NULL, work, reader);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

static void release(struct dbd_reader *reader)
{
	pthread_cond_destroy(&reader->for_caller);
	pthread_cond_destroy(&reader->for_thread);
	pthread_mutex_destroy(&reader->lock);
	free(reader->memory);
	free(reader);
}

struct dbd_reader *dbd_reader_open(int fd)
{
	struct dbd_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return NULL;
	reader->fd = fd;
	pthread_mutex_init(&reader->lock, NULL);
	pthread_cond_init(&reader->for_thread, NULL);
	pthread_cond_init(&reader->for_caller, NULL);
	reader->memory = aligned_alloc(ALIGNMENT, DBD_READER_BYTES);
	if (!reader->memory || start(reader)) {
		release(reader);
		return NULL;
	}
	return reader;
}

void dbd_reader_close(struct dbd_reader *reader)
{
	if (!reader)
		return;
	pthread_mutex_lock(&reader->lock);
	reader->closing = true;
	pthread_cond_signal(&reader->for_thread);
	pthread_mutex_unlock(&reader->lock);
	pthread_join(reader->thread, NULL);
	release(reader);
}

/* Where a read of so many bytes would begin: not across the end of `memory`. */
static uint64_t place(const struct dbd_reader *reader, size_t length)
{
	size_t at = reader->used_to % DBD_READER_BYTES;

	return reader->used_to +
	       (at + length > DBD_READER_BYTES ? DBD_READER_BYTES - at : 0);
}

bool dbd_reader_has_room(const struct dbd_reader *reader, size_t length)
{
	return reader->next - reader->oldest < DBD_READER_READS &&
	       place(reader, length) + length - reader->used_from <= DBD_READER_BYTES;
}

void dbd_reader_begin(struct dbd_reader *reader, size_t length, uint64_t offset)
{
	uint64_t begin = place(reader, length);

	reader->reads[reader->next++ % DBD_READER_READS] = (struct read){
		.offset = offset, .length = length, .begin = begin,
	};
	reader->used_to = begin + length;
}

void dbd_reader_submit(struct dbd_reader *reader)
{
	pthread_mutex_lock(&reader->lock);
	reader->submitted = reader->next;
	pthread_cond_signal(&reader->for_thread);
	pthread_mutex_unlock(&reader->lock);
}

const unsigned char *dbd_reader_end(struct dbd_reader *reader)
{
	uint64_t number = reader->oldest++;
	struct read *read = &reader->reads[number % DBD_READER_READS];

	/* What the last call gave is free now. */
	reader->used_from = read->begin;
	if (number >= reader->seen_done) {
		pthread_mutex_lock(&reader->lock);
		/* All before it are done. `whole` stays false. */
		if (reader->taken == number)
			reader->taken = reader->done = number + 1;
		while (reader->done <= number)
			pthread_cond_wait(&reader->for_caller, &reader->lock);
		reader->seen_done = reader->done;
		pthread_mutex_unlock(&reader->lock);
	}
	return read->whole ? bytes_of(reader, read) : NULL;
}
