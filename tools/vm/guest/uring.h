/* SPDX-License-Identifier: MIT */
/* io_uring by its system calls alone: a ring, writes into it, and waiting until all are done. */
#ifndef GUEST_URING_H
#define GUEST_URING_H

#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct uring {
	int fd;
	unsigned int queued; /* and not submitted */
	unsigned int in_flight;
	uint32_t *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static inline int uring_open(struct uring *r, unsigned int depth)
{
	struct io_uring_params p = { 0 };
	char *sq, *cq;
	size_t sq_bytes, cq_bytes;

	memset(r, 0, sizeof(*r));
	r->fd = (int)syscall(__NR_io_uring_setup, depth, &p);
	if (r->fd < 0)
		return -errno;
	sq_bytes = p.sq_off.array + p.sq_entries * sizeof(uint32_t);
	cq_bytes = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	sq = mmap(NULL, sq_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQ_RING);
	cq = mmap(NULL, cq_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_CQ_RING);
	r->sqes = mmap(NULL, p.sq_entries * sizeof(*r->sqes), PROT_READ | PROT_WRITE, MAP_SHARED,
		       r->fd, IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || r->sqes == MAP_FAILED)
		return -errno;
	r->sq_tail = (uint32_t *)(sq + p.sq_off.tail);
	r->sq_mask = (uint32_t *)(sq + p.sq_off.ring_mask);
	r->sq_array = (uint32_t *)(sq + p.sq_off.array);
	r->cq_head = (uint32_t *)(cq + p.cq_off.head);
	r->cq_tail = (uint32_t *)(cq + p.cq_off.tail);
	r->cq_mask = (uint32_t *)(cq + p.cq_off.ring_mask);
	r->cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
	return 0;
}

/* Submits what is queued. */
static inline int uring_submit(struct uring *r)
{
	while (r->queued) {
		long n = syscall(__NR_io_uring_enter, r->fd, r->queued, 0, 0, NULL, 0);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n > 0)
			r->queued -= (unsigned int)n;
	}
	return 0;
}

/* Waits for one and says which; -EIO if it was short, or its error. */
static inline int uring_next(struct uring *r, uint32_t *tag)
{
	const struct io_uring_cqe *cqe;
	uint32_t head = *r->cq_head;
	int ret = 0;

	while (head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE))
		if (syscall(__NR_io_uring_enter, r->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0 &&
		    errno != EINTR)
			return -errno;
	cqe = &r->cqes[head & *r->cq_mask];
	*tag = (uint32_t)(cqe->user_data >> 32);
	if (cqe->res < 0)
		ret = cqe->res;
	else if ((uint32_t)cqe->res != (uint32_t)cqe->user_data)
		ret = -EIO;
	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
	r->in_flight--;
	return ret;
}

/* Submits what is queued and waits for all; the error of one, if there was any. */
static inline int uring_wait(struct uring *r)
{
	int ret = uring_submit(r);
	uint32_t tag;

	while (!ret && r->in_flight)
		ret = uring_next(r, &tag);
	return ret;
}

/* Queues one, to be known by @tag. The buffer is the kernel's until it is done; at most @depth at once. */
static inline void uring_write(struct uring *r, int fd, const void *buf, uint32_t n, uint64_t at,
			       uint32_t tag)
{
	uint32_t tail = *r->sq_tail, slot = tail & *r->sq_mask;
	struct io_uring_sqe *sqe = &r->sqes[slot];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_WRITE;
	sqe->fd = fd;
	sqe->off = at;
	sqe->addr = (uint64_t)(uintptr_t)buf;
	sqe->len = n;
	sqe->user_data = (uint64_t)tag << 32 | n;
	r->sq_array[slot] = slot;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
	r->queued++;
	r->in_flight++;
}

#endif
