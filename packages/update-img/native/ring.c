// SPDX-License-Identifier: MIT
/* By raw system calls: liburing is on few servers. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of memory, file offset and length: no device has larger sectors. */
#define ALIGNMENT 4096u

struct read {
	size_t length;
	uint64_t begin, end;	/* in `memory`, counted on and on */
	int result;		/* bytes or -errno, once done */
	bool done;
};

struct dbd_ring {
	int fd, file;
	unsigned char *memory;
	/* A queue: `first` is the oldest, counted on and on. */
	struct read reads[DBD_RING_READS];
	unsigned int first, next;
	uint64_t used_from, used_to;	/* in `memory`, counted on and on */
	unsigned int queued;		/* not yet submitted */
	unsigned int under_way;
	/* The kernel takes no more. */
	bool broken;

	void *sq_map, *cq_map;
	size_t sq_bytes, cq_bytes, sqe_bytes;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	unsigned int *sq_tail, *cq_head, *cq_tail;
	unsigned int sq_mask, cq_mask;
};

static void *map(int fd, size_t bytes, off_t what)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, fd, what);

	return at == MAP_FAILED ? NULL : at;
}

static bool map_queues(struct dbd_ring *ring, const struct io_uring_params *params)
{
	unsigned char *sq, *cq;
	unsigned int *array;

	ring->sq_bytes = params->sq_off.array + params->sq_entries * sizeof(unsigned int);
	ring->cq_bytes = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
	ring->sqe_bytes = params->sq_entries * sizeof(struct io_uring_sqe);
	sq = ring->sq_map = map(ring->fd, ring->sq_bytes, IORING_OFF_SQ_RING);
	cq = ring->cq_map = map(ring->fd, ring->cq_bytes, IORING_OFF_CQ_RING);
	ring->sqes = map(ring->fd, ring->sqe_bytes, IORING_OFF_SQES);
	if (!sq || !cq || !ring->sqes)
		return false;
	ring->sq_tail = (unsigned int *)(sq + params->sq_off.tail);
	ring->sq_mask = *(unsigned int *)(sq + params->sq_off.ring_mask);
	ring->cq_head = (unsigned int *)(cq + params->cq_off.head);
	ring->cq_tail = (unsigned int *)(cq + params->cq_off.tail);
	ring->cq_mask = *(unsigned int *)(cq + params->cq_off.ring_mask);
	ring->cqes = (struct io_uring_cqe *)(cq + params->cq_off.cqes);
	array = (unsigned int *)(sq + params->sq_off.array);
	for (unsigned int i = 0; i < params->sq_entries; i++)
		array[i] = i;
	return true;
}

struct dbd_ring *dbd_ring_open(int fd)
{
	struct io_uring_params params = { 0 };
	struct dbd_ring *ring = calloc(1, sizeof(*ring));
	char path[32];

	if (!ring)
		return NULL;
	/* Another open file: O_DIRECT would be that of all who share this one. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ring->file = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	ring->fd = ring->file < 0 ? -1 :
		   (int)syscall(SYS_io_uring_setup, DBD_RING_READS, &params);
	ring->memory = aligned_alloc(ALIGNMENT, DBD_RING_BYTES);
	if (ring->fd < 0 || !ring->memory || !map_queues(ring, &params)) {
		dbd_ring_close(ring);
		return NULL;
	}
	return ring;
}

/* Takes what has ended off the completion queue. */
static void reap(struct dbd_ring *ring)
{
	unsigned int head = *ring->cq_head;
	unsigned int tail = __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE);

	for (; head != tail; head++) {
		const struct io_uring_cqe *cqe = &ring->cqes[head & ring->cq_mask];
		struct read *read = &ring->reads[cqe->user_data];

		read->result = cqe->res;
		read->done = true;
		ring->under_way--;
	}
	__atomic_store_n(ring->cq_head, head, __ATOMIC_RELEASE);
}

/* Submits what is queued and, when asked to, waits for one read to end. */
static void enter(struct dbd_ring *ring, bool wait)
{
	unsigned int submit = ring->broken ? 0 : ring->queued;
	/* Only for what is under way for certain: else it would wait forever. */
	unsigned int least = wait && ring->under_way ? 1 : 0;
	long taken;

	if (!submit && !least)
		return;
	taken = syscall(SYS_io_uring_enter, ring->fd, submit, least,
			least ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
	if (taken > 0) {
		ring->queued -= taken;
		ring->under_way += taken;
	} else if (submit && (taken == 0 || errno != EINTR)) {
		/* No room in the kernel now, or never. */
		if (!ring->under_way)
			ring->broken = true;
		else if (wait)
			syscall(SYS_io_uring_enter, ring->fd, 0, 1,
				IORING_ENTER_GETEVENTS, NULL, 0);
	}
	reap(ring);
}

void dbd_ring_close(struct dbd_ring *ring)
{
	if (!ring)
		return;
	/* The kernel writes to `memory` until then. */
	ring->broken = true;
	while (ring->under_way)
		enter(ring, true);
	if (ring->sqes)
		munmap(ring->sqes, ring->sqe_bytes);
	if (ring->cq_map)
		munmap(ring->cq_map, ring->cq_bytes);
	if (ring->sq_map)
		munmap(ring->sq_map, ring->sq_bytes);
	if (ring->fd >= 0)
		close(ring->fd);
	if (ring->file >= 0)
		close(ring->file);
	free(ring->memory);
	free(ring);
}

/* Where a read of so many bytes would begin: not across the end of `memory`. */
static uint64_t place(const struct dbd_ring *ring, size_t aligned)
{
	size_t at = ring->used_to % DBD_RING_BYTES;

	return ring->used_to + (at + aligned > DBD_RING_BYTES ? DBD_RING_BYTES - at : 0);
}

static size_t align(size_t length)
{
	return (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

bool dbd_ring_has_room(const struct dbd_ring *ring, size_t length)
{
	size_t aligned = align(length);

	return !ring->broken && ring->next - ring->first < DBD_RING_READS &&
	       place(ring, aligned) + aligned - ring->used_from <= DBD_RING_BYTES;
}

void dbd_ring_begin(struct dbd_ring *ring, size_t length, uint64_t offset)
{
	unsigned int slot = ring->next++ % DBD_RING_READS;
	unsigned int tail = *ring->sq_tail;
	size_t aligned = align(length);
	uint64_t begin = place(ring, aligned);

	ring->reads[slot] = (struct read){
		.length = length, .begin = begin, .end = begin + aligned,
	};
	ring->used_to = begin + aligned;
	/* A last piece that is not aligned ends with the file. */
	ring->sqes[tail & ring->sq_mask] = (struct io_uring_sqe){
		.opcode = IORING_OP_READ, .fd = ring->file, .off = offset,
		.addr = (uintptr_t)(ring->memory + begin % DBD_RING_BYTES),
		.len = aligned, .user_data = slot,
	};
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	ring->queued++;
}

void dbd_ring_submit(struct dbd_ring *ring)
{
	enter(ring, false);
}

const unsigned char *dbd_ring_end(struct dbd_ring *ring)
{
	struct read *read = &ring->reads[ring->first++ % DBD_RING_READS];

	/* What the last call gave is free now. */
	ring->used_from = read->begin;
	while (!read->done && (ring->under_way || (ring->queued && !ring->broken)))
		enter(ring, true);
	if (!read->done || read->result < 0 || (size_t)read->result < read->length)
		return NULL;
	return ring->memory + read->begin % DBD_RING_BYTES;
}
