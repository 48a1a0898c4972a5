// SPDX-License-Identifier: MIT
/*
 * reads COW FROM BYTES: what the disk allows. Reads the changed blocks past the page
 * cache, 128 reads of at most 1 MiB at a time, and writes nothing: no copy can
 * be faster. Prints the seconds.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096
#define ENTRIES 4096
#define MAX_BLOCKS 256
#define THREADS 128

static struct piece {
	uint64_t start, count;
} *pieces;
static uint64_t nr_pieces;
static atomic_ullong next_piece;
static int from;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void *work(void *unused)
{
	char *buffer = aligned_alloc(BLOCK, MAX_BLOCKS * BLOCK);
	uint64_t i;

	if (!buffer)
		fail("memory");
	while ((i = next_piece++) < nr_pieces) {
		size_t length = pieces[i].count * BLOCK;

		if (pread(from, buffer, length, pieces[i].start * BLOCK) !=
		    (ssize_t)length)
			fail("pread");
	}
	free(buffer);
	return unused;
}

int main(int argc, char **argv)
{
	static uint64_t index[ENTRIES];
	pthread_t threads[THREADS];
	struct piece *last = NULL;
	uint64_t blocks;
	double start;
	int cow;

	if (argc != 4)
		return 2;
	cow = open(argv[1], O_RDONLY);
	from = open(argv[2], O_RDONLY | O_DIRECT);
	if (cow < 0 || from < 0)
		fail("open");
	blocks = strtoull(argv[3], NULL, 10) / BLOCK;
	pieces = malloc(blocks * sizeof(*pieces));
	if (!pieces)
		fail("memory");
	for (uint64_t block = 0; block < blocks; block++) {
		if (block % ENTRIES == 0 &&
		    pread(cow, index, sizeof(index), 4096 + block * 8) < 0)
			fail("index");
		if (!index[block % ENTRIES])
			continue;
		if (last && last->start + last->count == block &&
		    last->count < MAX_BLOCKS)
			last->count++;
		else
			*(last = &pieces[nr_pieces++]) = (struct piece){ block, 1 };
	}
	start = now();
	for (int i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i], NULL, work, NULL))
			fail("thread");
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%f\n", now() - start);
	return 0;
}
