// SPDX-License-Identifier: MIT
/* The disk: an NBD server, for the kernel of the same machine. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/nbd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "powerdisk.h"

#define COMMAND_FUA (1u << 16)

#define MAX_SLOW 64u
#define FUA_NS 10000000u

/* A FUA write under way. */
struct slow {
	struct nbd_request request;
	uint64_t due;
	uint8_t *data;
};

struct disk {
	int sock, log;
	uint8_t *content;
	uint64_t size;
	struct slow slow[MAX_SLOW];
	uint64_t begun, done; /* of those */
	const char *faults;
};

static int nbd;

static void on_term(int sig)
{
	(void)sig;
	ioctl(nbd, NBD_DISCONNECT);
}

/* 0 at the end. */
static int get(int fd, void *buf, size_t n)
{
	for (size_t got = 0; got < n;) {
		ssize_t r = read(fd, (char *)buf + got, n - got);

		if (r == 0)
			return 0;
		if (r < 0 && errno != EINTR)
			die("the kernel's end");
		if (r > 0)
			got += (size_t)r;
	}
	return 1;
}

static void put(int fd, const void *buf, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = write(fd, (const char *)buf + done, n - done);

		if (r < 0 && errno != EINTR)
			die("write");
		if (r > 0)
			done += (size_t)r;
	}
}

static void note(int log, uint64_t type, uint64_t at, uint64_t bytes, const void *data)
{
	struct entry e = { at, bytes, type };

	put(log, &e, sizeof(e));
	if (data)
		put(log, data, bytes);
}

static void answer(struct disk *d, const struct nbd_request *request, uint32_t error)
{
	struct nbd_reply reply = { .magic = htobe32(NBD_REPLY_MAGIC), .error = htobe32(error) };

	memcpy(&reply.handle, &request->handle, sizeof(reply.handle));
	put(d->sock, &reply, sizeof(reply));
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

enum fault { NONE, REFUSE, LAND };

/* What the file says of a write that is to be durable. */
static enum fault fault_of(const struct disk *d, uint64_t at, uint64_t bytes)
{
	FILE *f = fopen(d->faults, "r");
	enum fault found = NONE, fault;
	uint64_t start, count;
	char word[8];

	if (!f)
		return NONE;
	while (fscanf(f, "%7s %" SCNu64 " %" SCNu64, word, &start, &count) == 3) {
		fault = strcmp(word, "land") ? REFUSE : LAND;
		if (at < (start + count) * BLOCK && start * BLOCK < at + bytes)
			found = fault;
	}
	fclose(f);
	if (found == LAND)
		unlink(d->faults);
	return found;
}

/* The oldest that is slow is on the disk. */
static void finish(struct disk *d)
{
	struct slow *slow = &d->slow[d->done++ % MAX_SLOW];
	uint64_t at = be64toh(slow->request.from), bytes = be32toh(slow->request.len);
	enum fault fault = fault_of(d, at, bytes);

	if (fault != REFUSE) {
		memcpy(d->content + at, slow->data, bytes);
		note(d->log, FUA, at, bytes, slow->data);
	}
	answer(d, &slow->request, fault == NONE ? 0 : EIO);
	free(slow->data);
}

/* What is to be durable takes a while, in which the disk does what else it is told. */
static int begin_slow(struct disk *d, const struct nbd_request *request)
{
	struct slow *slow = &d->slow[d->begun % MAX_SLOW];
	uint64_t bytes = be32toh(request->len);

	if (d->begun - d->done == MAX_SLOW)
		finish(d);
	slow->request = *request;
	slow->due = now() + FUA_NS;
	slow->data = malloc(bytes);
	if (!slow->data)
		die("%" PRIu64 " bytes of memory", bytes);
	d->begun++;
	return get(d->sock, slow->data, bytes);
}

static void wait_for_request(struct disk *d)
{
	struct pollfd p = { .fd = d->sock, .events = POLLIN };

	while (d->begun > d->done) {
		uint64_t due = d->slow[d->done % MAX_SLOW].due, t = now();

		if (t < due && poll(&p, 1, (int)((due - t) / 1000000) + 1) > 0)
			return;
		if (now() >= due)
			finish(d);
	}
}

/* 0: no more. */
static int serve_one(struct disk *d)
{
	struct nbd_request request;
	uint64_t at, bytes;
	uint32_t type;

	wait_for_request(d);
	if (!get(d->sock, &request, sizeof(request)))
		return 0;
	type = be32toh(request.type);
	at = be64toh(request.from);
	bytes = be32toh(request.len);
	if (at > d->size || bytes > d->size - at) {
		errno = EINVAL;
		die("%" PRIu64 " bytes at %" PRIu64, bytes, at);
	}
	switch (type & 0xffff) {
	case NBD_CMD_WRITE:
		if (type & COMMAND_FUA)
			return begin_slow(d, &request);
		if (!get(d->sock, d->content + at, bytes))
			return 0;
		note(d->log, PLAIN, at, bytes, d->content + at);
		break;
	case NBD_CMD_TRIM:
		memset(d->content + at, 0, bytes);
		note(d->log, TRIM, at, bytes, NULL);
		break;
	case NBD_CMD_FLUSH:
		note(d->log, FLUSH, 0, 0, NULL);
		break;
	case NBD_CMD_DISC:
		return 0;
	}
	answer(d, &request, 0);
	if ((type & 0xffff) == NBD_CMD_READ)
		put(d->sock, d->content + at, bytes);
	return 1;
}

/* Returns when the device is no more. */
static void attach(int sock, uint64_t size)
{
	unsigned long flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_TRIM;

	if (ioctl(nbd, NBD_SET_BLKSIZE, SECTOR) || ioctl(nbd, NBD_SET_SIZE_BLOCKS, size / SECTOR) ||
	    ioctl(nbd, NBD_SET_FLAGS, flags) || ioctl(nbd, NBD_SET_SOCK, sock))
		die("nbd");
	if (ioctl(nbd, NBD_DO_IT) && errno != ESHUTDOWN)
		die("NBD_DO_IT");
	ioctl(nbd, NBD_CLEAR_SOCK);
}

int serve_disk(const char *device, uint64_t size, const char *log, const char *faults)
{
	struct disk d = { .size = size, .content = memory(size), .faults = faults };
	int socks[2], status;
	pid_t child;

	d.log = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	nbd = open(device, O_RDWR);
	if (nbd < 0 || d.log < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, socks))
		die("%s, %s", device, log);
	child = fork();
	if (child == 0) {
		close(socks[0]);
		attach(socks[1], size);
		exit(0);
	}
	close(socks[1]);
	d.sock = socks[0];
	signal(SIGTERM, on_term);
	/* Its memory must not have to wait for the disk that it is. */
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) || mlockall(MCL_CURRENT | MCL_FUTURE))
		die("memory");
	while (serve_one(&d))
		;
	close(d.sock);
	return waitpid(child, &status, 0) != child || status;
}
