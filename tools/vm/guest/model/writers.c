// SPDX-License-Identifier: MIT
/*
 * Each writer owns sectors: a file, a part of the raw area, or in each block of a part of it some
 * sectors, the others of the same blocks being another writer's.
 *
 *   raw area:  page cache | shared blocks | io_uring | direct to the end, the partial last block included
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "../uring.h"
#include "model.h"
#include "sector.h"
#include "writers.h"

#define MAX_BYTES (2 << 20)
#define FILE_SECTORS (4 << 11)
#define SHARED_A 3 /* sectors of a shared block; the rest is the other's */

enum mode { MIXED, DIRECT, MAPPED, URING, CACHED };

struct writer {
	const char *name;
	enum mode mode;
	int raw;
	unsigned int id;
	/* Sector i lies at base + i / own * 8 + shift + i % own. */
	uint64_t base, own, shift;
	struct shadow shadow;
	struct rng rng;
	int fd, direct;
	char *map;
	struct uring ring;
	void *buf[MAX_RANGES];
	pthread_t thread;
};

static struct writer writers[] = {
	{ .name = "file-mixed", .mode = MIXED }, { .name = "file-direct", .mode = DIRECT },
	{ .name = "file-mapped", .mode = MAPPED }, { .name = "file-uring", .mode = URING },
	{ .name = "raw-cached", .mode = CACHED, .raw = 1 },
	{ .name = "raw-shared-a", .mode = DIRECT, .raw = 1 }, { .name = "raw-shared-b", .mode = DIRECT, .raw = 1 },
	{ .name = "raw-uring", .mode = URING, .raw = 1 }, { .name = "raw-direct", .mode = DIRECT, .raw = 1 },
};
#define NR (sizeof(writers) / sizeof(writers[0]))

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int paused; /* kinds */
	int stopping;
	unsigned int waiting[2]; /* files, raw */
} gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, { 0, 0 } };

static void pass_gate(const struct writer *w)
{
	unsigned int kind = w->raw ? RAW : FILES;

	pthread_mutex_lock(&gate.lock);
	gate.waiting[w->raw]++;
	pthread_cond_broadcast(&gate.changed);
	while (gate.paused & kind && !gate.stopping)
		pthread_cond_wait(&gate.changed, &gate.lock);
	gate.waiting[w->raw]--;
	pthread_mutex_unlock(&gate.lock);
}

int writers_stopping(void)
{
	return __atomic_load_n(&gate.stopping, __ATOMIC_ACQUIRE);
}

static int all_wait(unsigned int which)
{
	unsigned int of[2] = { 0, 0 };

	for (const struct writer *w = writers; w < writers + NR; w++)
		of[w->raw]++;
	return (!(which & FILES) || gate.waiting[0] == of[0]) && (!(which & RAW) || gate.waiting[1] == of[1]);
}

void writers_pause(unsigned int which)
{
	pthread_mutex_lock(&gate.lock);
	gate.paused |= which;
	while (!all_wait(which))
		pthread_cond_wait(&gate.changed, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
}

void writers_resume(void)
{
	pthread_mutex_lock(&gate.lock);
	gate.paused = 0;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
}

static uint64_t offset(const struct writer *w, uint64_t i)
{
	return (w->base + i / w->own * SECTORS_A_BLOCK + w->shift + i % w->own) * SECTOR;
}

static void fill(const struct writer *w, void *buf, uint64_t first, uint64_t n, uint64_t seq)
{
	uint64_t ns = now_ns();

	for (uint64_t i = 0; i < n; i++)
		sector_fill((char *)buf + i * SECTOR, offset(w, first + i), w->id, seq, ns);
}

static void check(const struct writer *w, int ok, const char *what)
{
	if (!ok)
		die("%s: %s: %s", w->name, what, strerror(errno));
}

static void put(const struct writer *w, int fd, const void *buf, uint64_t n, uint64_t at, int flags)
{
	struct iovec iov = { (void *)buf, n };
	ssize_t r = pwritev2(fd, &iov, 1, (off_t)at, flags);

	if (r >= 0 && (uint64_t)r != n)
		errno = EIO;
	check(w, r == (ssize_t)n, "write");
}

/* Ranges that do not overlap; on shared blocks each within one block. */
static void choose_ranges(struct writer *w, struct op *op, unsigned int nr)
{
	op->nr = 0;
	while (op->nr < nr) {
		uint64_t n = rng_size(&w->rng, MAX_BYTES / SECTOR), first = rng_below(&w->rng, w->shadow.sectors);
		unsigned int i;

		if (w->own < SECTORS_A_BLOCK && n > w->own - first % w->own)
			n = w->own - first % w->own;
		if (n > w->shadow.sectors - first)
			n = w->shadow.sectors - first;
		for (i = 0; i < op->nr; i++)
			if (first < op->range[i].first + op->range[i].count && op->range[i].first < first + n)
				break;
		if (i < op->nr)
			break;
		op->range[i].first = first;
		op->range[i].count = n;
		op->nr++;
	}
}

static void do_zero(struct writer *w, uint64_t at, uint64_t bytes)
{
	uint64_t range[2] = { at, bytes };
	int mode = FALLOC_FL_KEEP_SIZE | (chance(&w->rng, 50) ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);

	count(ZEROES, 1);
	if (w->raw && chance(&w->rng, 50))
		check(w, !ioctl(w->direct, BLKZEROOUT, range), "BLKZEROOUT");
	else if (fallocate(w->raw ? w->direct : w->fd, mode, (off_t)at, (off_t)bytes))
		/* A device may know of no zeroing that is quick. */
		check(w, w->raw && errno == EOPNOTSUPP && !ioctl(w->direct, BLKZEROOUT, range), "fallocate");
}

static void do_discard(struct writer *w, uint64_t at, uint64_t bytes)
{
	uint64_t range[2] = { at, bytes };

	count(DISCARDS, 1);
	check(w, !ioctl(w->direct, BLKDISCARD, range), "BLKDISCARD");
}

static void do_uring(struct writer *w, const struct op *op)
{
	int fd = w->raw || chance(&w->rng, 60) ? w->direct : w->fd;

	for (unsigned int r = 0; r < op->nr; r++)
		uring_write(&w->ring, fd, w->buf[r], (uint32_t)(op->range[r].count * SECTOR),
			    offset(w, op->range[r].first), 0);
	errno = -uring_wait(&w->ring);
	check(w, !errno, "io_uring");
}

static void do_range(struct writer *w, const struct op *op, unsigned int r)
{
	uint64_t at = offset(w, op->range[r].first), n = op->range[r].count * SECTOR;
	unsigned int dice = (unsigned int)rng_below(&w->rng, 100);

	switch (w->mode) {
	case MAPPED:
		memcpy(w->map + at, w->buf[r], n);
		if (dice < 10)
			check(w, !msync(w->map, w->shadow.sectors * SECTOR, dice < 5 ? MS_SYNC : MS_ASYNC), "msync");
		break;
	case MIXED:
		put(w, dice < 30 ? w->direct : w->fd, w->buf[r], n, at, dice < 10 || dice > 95 ? RWF_DSYNC : 0);
		if (dice > 90)
			check(w, !fsync(w->fd), "fsync");
		break;
	case CACHED:
		if (dice < 50)
			put(w, w->fd, w->buf[r], n, at, 0);
		else
			memcpy(w->map + at - w->base * SECTOR, w->buf[r], n);
		break;
	default:
		put(w, w->direct, w->buf[r], n, at, dice < 10 ? RWF_DSYNC : 0);
	}
}

static void do_op(struct writer *w, const struct op *op)
{
	for (unsigned int r = 0; r < op->nr; r++) {
		uint64_t at = offset(w, op->range[r].first), n = op->range[r].count * SECTOR;

		if (op->what == ZERO)
			do_zero(w, at, n);
		else if (op->what == DISCARD)
			do_discard(w, at, n);
		else if (w->mode != URING)
			do_range(w, op, r);
	}
	if (op->what == WRITE && w->mode == URING)
		do_uring(w, op);
	/* Nobody promises more for a device's page cache. */
	if (w->mode == CACHED)
		check(w, !fsync(w->fd), "fsync of the device");
}

static void next_op(struct writer *w, struct op *op, uint64_t seq)
{
	unsigned int dice = (unsigned int)rng_below(&w->rng, 100), most = 1;

	/* io_uring lets go of the file system between two parts of a write. */
	*op = (struct op){ .seq = seq, .what = WRITE, .rule = w->raw || w->mode == URING ? SECTORS : RANGES };
	if (w->mode == MAPPED || w->mode == CACHED)
		op->rule = ANY;
	else if (w->own == SECTORS_A_BLOCK && dice < 12)
		op->what = w->raw && dice < 6 ? DISCARD : ZERO;
	if (op->what == WRITE && (w->mode == URING || w->mode == CACHED || w->own < SECTORS_A_BLOCK))
		most = MAX_RANGES;
	choose_ranges(w, op, 1 + (unsigned int)rng_below(&w->rng, most));
	for (unsigned int r = 0; r < op->nr && op->what == WRITE; r++) {
		fill(w, w->buf[r], op->range[r].first, op->range[r].count, seq);
		count(WRITES, 1);
		count(SECTORS_WRITTEN, op->range[r].count);
	}
}

static void *run(void *arg)
{
	struct writer *w = arg;
	struct op op;

	for (uint64_t seq = 2; !writers_stopping(); seq++) {
		pass_gate(w);
		next_op(w, &op, seq);
		shadow_begin(&w->shadow, &op);
		do_op(w, &op);
		shadow_end(&w->shadow);
		usleep((useconds_t)rng_below(&w->rng, 80000));
	}
	return NULL;
}

static void map(struct writer *w)
{
	w->map = mmap(NULL, w->shadow.sectors * SECTOR, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd,
		      (off_t)(w->base * SECTOR));
	check(w, w->map != MAP_FAILED, "mmap");
}

static void open_named(struct writer *w, const char *path)
{
	w->fd = open(path, O_RDWR | O_CREAT, 0644);
	w->direct = open(path, O_RDWR | O_DIRECT);
	check(w, w->fd >= 0 && w->direct >= 0, path);
}

static void file_path(const struct writer *w, const char *dir, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", dir, w->name);
}

void writers_leave_files(void)
{
	for (struct writer *w = writers; !w->raw; w++) {
		check(w, w->mode != MAPPED || !munmap(w->map, w->shadow.sectors * SECTOR), "munmap");
		check(w, !close(w->fd) && !close(w->direct), "close");
	}
}

void writers_return_to_files(void)
{
	char path[PATH_MAX];

	for (struct writer *w = writers; !w->raw; w++) {
		file_path(w, config.mount, path);
		open_named(w, path);
		if (w->mode == MAPPED)
			map(w);
	}
}

static void open_file(struct writer *w)
{
	char path[PATH_MAX];

	file_path(w, config.mount, path);
	open_named(w, path);
	check(w, !posix_fallocate(w->fd, 0, FILE_SECTORS * SECTOR), "space");
	w->own = SECTORS_A_BLOCK;
	shadow_init(&w->shadow, FILE_SECTORS);
}

static void open_raw(struct writer *w, uint64_t base, uint64_t own, uint64_t shift, uint64_t sectors)
{
	open_named(w, config.device);
	w->base = base;
	w->own = own;
	w->shift = shift;
	shadow_init(&w->shadow, sectors);
}

/* The parts of the raw area; the page cache's begin and end with a page. */
static void share_out(struct writer *raw)
{
	uint64_t first = config.raw / SECTOR, bytes, blocks, quarter;
	int fd = open(config.device, O_RDONLY);

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes))
		die("%s: %s", config.device, strerror(errno));
	close(fd);
	blocks = (bytes - config.raw) / BLOCK;
	quarter = blocks / 4 * SECTORS_A_BLOCK;
	open_raw(&raw[0], first, SECTORS_A_BLOCK, 0, quarter);
	first += quarter;
	open_raw(&raw[1], first, SHARED_A, 0, blocks / 8 * SHARED_A);
	open_raw(&raw[2], first, SECTORS_A_BLOCK - SHARED_A, SHARED_A, blocks / 8 * (SECTORS_A_BLOCK - SHARED_A));
	first += blocks / 8 * SECTORS_A_BLOCK;
	/* Two writers meet within a block here too. */
	open_raw(&raw[3], first, SECTORS_A_BLOCK, 0, quarter + 3);
	first += quarter + 3;
	open_raw(&raw[4], first, SECTORS_A_BLOCK, 0, bytes / SECTOR - first);
}

static void prepare(struct writer *w)
{
	struct op op = { .seq = 1, .what = WRITE, .nr = 1 };

	w->id = (unsigned int)(w - writers);
	w->rng.state = config.seed * 64 + w->id;
	for (int i = 0; i < MAX_RANGES; i++)
		check(w, !posix_memalign(&w->buf[i], BLOCK, MAX_BYTES), "memory");
	if (w->mode == URING) {
		errno = -uring_open(&w->ring, MAX_RANGES);
		check(w, !errno, "io_uring");
	}
	if (w->mode == MAPPED || w->mode == CACHED)
		map(w);
	/* Every sector once. */
	for (uint64_t i = 0; i < w->shadow.sectors; i += op.range[0].count) {
		uint64_t most = w->own == SECTORS_A_BLOCK ? MAX_BYTES / SECTOR : w->own;

		op.range[0].first = i;
		op.range[0].count = most < w->shadow.sectors - i ? most : w->shadow.sectors - i;
		fill(w, w->buf[0], i, op.range[0].count, 1);
		put(w, w->mode == CACHED ? w->fd : w->direct, w->buf[0], op.range[0].count * SECTOR, offset(w, i), 0);
		shadow_begin(&w->shadow, &op);
		shadow_end(&w->shadow);
	}
	check(w, !fsync(w->fd), "fsync");
}

void writers_start(void)
{
	struct writer *raw = writers;

	for (; !raw->raw; raw++)
		open_file(raw);
	share_out(raw);
	for (struct writer *w = writers; w < writers + NR; w++)
		prepare(w);
	for (struct writer *w = writers; w < writers + NR; w++)
		if (pthread_create(&w->thread, NULL, run, w))
			die("no thread");
}

void writers_stop(void)
{
	pthread_mutex_lock(&gate.lock);
	__atomic_store_n(&gate.stopping, 1, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
	for (struct writer *w = writers; w < writers + NR; w++)
		pthread_join(w->thread, NULL);
}

void writers_open(void)
{
	for (struct writer *w = writers; w < writers + NR; w++)
		shadow_open(&w->shadow);
}

void writers_close(void)
{
	for (struct writer *w = writers; w < writers + NR; w++)
		shadow_close(&w->shadow);
}

static void feed(struct writer *w, const char *sector, uint64_t at)
{
	uint64_t from = at - w->base, within = from % SECTORS_A_BLOCK, i;

	if (at < w->base)
		return;
	if (w->own < SECTORS_A_BLOCK && (within < w->shift || within >= w->shift + w->own))
		return;
	i = w->own == SECTORS_A_BLOCK ? from : from / SECTORS_A_BLOCK * w->own + within - w->shift;
	if (i < w->shadow.sectors)
		w->shadow.got[i] = sector_parse(sector, at * SECTOR, w->id);
}

void writers_feed_raw(const void *sectors, uint64_t first, uint64_t n)
{
	uint64_t from = first < config.raw / SECTOR ? config.raw / SECTOR : first;

	for (uint64_t at = from; at < first + n; at++)
		for (struct writer *w = writers; w < writers + NR; w++)
			if (w->raw)
				feed(w, (const char *)sectors + (at - first) * SECTOR, at);
}

void writers_check_raw(struct instant *t)
{
	for (struct writer *w = writers; w < writers + NR; w++)
		if (w->raw)
			shadow_check(&w->shadow, w->name, t);
}

/* What the file of the mounted snapshot holds, into @got. */
static int read_file(const struct writer *w, const char *dir, uint64_t *got)
{
	char path[PATH_MAX], *buf = malloc(MAX_BYTES);
	int fd, ok;

	file_path(w, dir, path);
	fd = open(path, O_RDONLY);
	ok = fd >= 0 && buf;
	for (uint64_t i = 0; ok && i < w->shadow.sectors; i += MAX_BYTES / SECTOR) {
		uint64_t n = w->shadow.sectors - i < MAX_BYTES / SECTOR ? w->shadow.sectors - i : MAX_BYTES / SECTOR;

		ok = pread(fd, buf, n * SECTOR, (off_t)(i * SECTOR)) == (ssize_t)(n * SECTOR);
		for (uint64_t k = 0; k < n; k++)
			got[i + k] = sector_parse(buf + k * SECTOR, offset(w, i + k), w->id);
	}
	if (fd >= 0)
		close(fd);
	free(buf);
	return ok ? 0 : -1;
}

int writers_check_files(const char *dir, struct instant *t)
{
	for (struct writer *w = writers; w < writers + NR; w++) {
		if (w->raw)
			continue;
		if (read_file(w, dir, w->shadow.got))
			return -1;
		shadow_check(&w->shadow, w->name, t);
	}
	return 0;
}

int writers_check_again(const char *dir)
{
	static uint64_t again[FILE_SECTORS];

	for (struct writer *w = writers; w < writers + NR; w++) {
		if (w->raw)
			continue;
		if (read_file(w, dir, again))
			return -1;
		for (uint64_t i = 0; i < w->shadow.sectors; i++)
			if (again[i] != w->shadow.got[i])
				die("%s: sector %lu of the snapshot changed from write %lu to %lu", w->name, i,
				    w->shadow.got[i], again[i]);
		count(SECTORS_VERIFIED, w->shadow.sectors);
	}
	return 0;
}
