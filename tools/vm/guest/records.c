// SPDX-License-Identifier: MIT
/*
 * Writes files whose every sector says what it is, and checks them: a sector that was lost, torn,
 * or put elsewhere shows.
 *
 *   records write [-m MODE] [-t SECONDS | -n OPS] [-b MAX_KIB] [-r SEED] [-p PAUSE_MS] [-s]
 *         [-u SECTORS] [-o OFFSET] FILE MIB
 *       random overwrites of random length, until told to stop by SIGTERM at the latest. MODE:
 *       buffered, direct, mmap, dsync (direct and O_DSYNC), range (sync_file_range after each),
 *       uring (direct, 8 at a time). -s: fdatasync after each; -u: lengths and places are multiples
 *       of so many sectors (8, 1 when not direct). FILE may be a device: from byte OFFSET on, MIB 0
 *       for all that is behind it
 *   records fill [-r SEED] FILE MIB
 *       every sector once, in order
 *   records holes FILE           takes every second 4096 bytes out of the file
 *   records verify [-x TORN] FILE
 *       each sector is zero or a record of this file at this place; up to TORN may be of two such records
 *   records ring [-m buffered|direct] [-t SECONDS] [-s] [-p PAUSE_MS] FILE SLOTS LOG
 *       write i goes to slot i % SLOTS, and its number to LOG when it has returned (-s: fsync first)
 *   records ring-verify FILE SLOTS
 *       the file is what it was after some write i, exactly; prints i
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <linux/fs.h>
#include <time.h>
#include <unistd.h>
#include "uring.h"

#define SECTOR 512
#define WORDS (SECTOR / 8)
#define MAGIC 0x64726f6365726264ULL
#define SLOT 4096
#define URING_DEPTH 8

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 31) * 0x7fb5d329728ea185ULL;
	x = (x ^ x >> 27) * 0x81dadef4bc2dd44dULL;
	return x ^ x >> 33;
}

static void fill(uint64_t *s, uint64_t index, uint64_t seq)
{
	uint64_t x = mix(index * 0x9e3779b97f4a7c15ULL ^ seq);

	s[0] = MAGIC;
	s[1] = index;
	s[2] = seq;
	for (int i = 3; i < WORDS; i++)
		s[i] = x += 0x632be59bd9b4e019ULL;
}

static int intact(const uint64_t *s, uint64_t index)
{
	uint64_t want[WORDS];

	fill(want, index, s[2]);
	return !memcmp(s, want, SECTOR);
}

/* In order, word by word: memcpy() may store the first bytes last, and a sector is torn at each end then. */
static void copy_in_order(volatile uint64_t *to, const uint64_t *from, size_t bytes)
{
	for (size_t i = 0; i < bytes / 8; i++)
		to[i] = from[i];
}

static int blank(const uint64_t *s)
{
	for (int i = 0; i < WORDS; i++)
		if (s[i])
			return 0;
	return 1;
}

struct options {
	const char *mode;
	unsigned long seconds, ops, max_kib, pause_ms, unit, torn;
	uint64_t seed, offset;
	int sync;
};

static int is(const struct options *o, const char *mode)
{
	return !strcmp(o->mode, mode);
}

static int open_file(const struct options *o, const char *name, off_t bytes)
{
	int flags = is(o, "direct") || is(o, "uring") ? O_DIRECT : is(o, "dsync") ? O_DIRECT | O_DSYNC : 0;
	int fd = open(name, O_RDWR | O_CREAT | flags, 0644);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die("%s: %s", name, strerror(errno));
	/* A mapping of a hole finds out too late that the disk is full. */
	if (S_ISREG(st.st_mode) && st.st_size < bytes && posix_fallocate(fd, 0, bytes))
		die("%s: no room for %jd bytes", name, (intmax_t)bytes);
	return fd;
}

/* Sectors from the offset to the end of a device. */
static uint64_t sectors_behind(int fd, const char *name, uint64_t offset)
{
	uint64_t bytes;

	if (ioctl(fd, BLKGETSIZE64, &bytes) || bytes <= offset)
		die("%s: nothing behind byte %" PRIu64, name, offset);
	return (bytes - offset) / SECTOR;
}

static void put(int fd, const void *buf, size_t n, off_t at)
{
	ssize_t r = pwrite(fd, buf, n, at);

	if (r != (ssize_t)n)
		die("write of %zu at %jd: %s", n, (intmax_t)at, r < 0 ? strerror(errno) : "short");
}

/* How each mode writes; @n bytes of @buf to @at of the file. */
struct writer {
	const struct options *o;
	int fd;
	char *map; /* of the region that begins at the offset */
	struct uring ring;
};

static void write_one(struct writer *w, const void *buf, size_t n, uint64_t at)
{
	if (w->map)
		copy_in_order((uint64_t *)(w->map + at - w->o->offset), buf, n);
	else if (is(w->o, "uring"))
		uring_write(&w->ring, w->fd, buf, (uint32_t)n, at, 0);
	else
		put(w->fd, buf, n, (off_t)at);
	if (is(w->o, "range") && sync_file_range(w->fd, (off_t)at, (off_t)n, SYNC_FILE_RANGE_WAIT_BEFORE |
			SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER))
		die("sync_file_range: %s", strerror(errno));
	if (w->o->sync && fdatasync(w->fd))
		die("fdatasync: %s", strerror(errno));
}

static void writer_init(struct writer *w, const struct options *o, int fd, uint64_t sectors)
{
	w->o = o;
	w->fd = fd;
	if (is(o, "uring") && uring_open(&w->ring, URING_DEPTH))
		die("io_uring: %s", strerror(errno));
	if (is(o, "mmap")) {
		w->map = mmap(NULL, sectors * SECTOR, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)o->offset);
		if (w->map == MAP_FAILED)
			die("mmap: %s", strerror(errno));
	}
}

static int write_random(const struct options *o, const char *name, unsigned long mib)
{
	int fd = open_file(o, name, (off_t)(o->offset + (mib << 20)));
	uint64_t sectors = mib ? mib << 11 : sectors_behind(fd, name, o->offset);
	uint64_t unit = o->unit ? o->unit : is(o, "direct") || is(o, "dsync") || is(o, "uring") ? 8 : 1;
	uint64_t rng = mix(o->seed + 1), done = 0, *bufs[URING_DEPTH];
	unsigned int i, at_once = is(o, "uring") ? URING_DEPTH : 1;
	time_t end = time(NULL) + (time_t)o->seconds;
	struct writer w = { 0 };

	writer_init(&w, o, fd, sectors);
	for (i = 0; i < at_once; i++)
		if (posix_memalign((void **)&bufs[i], 4096, o->max_kib << 10))
			die("out of memory");
	while (!stop && (o->ops ? done < o->ops : time(NULL) < end)) {
		uint64_t first[URING_DEPTH], next[URING_DEPTH];

		for (i = 0; i < at_once; i++) {
			uint64_t count, s;
			unsigned int j;

			rng = mix(rng + 0x9e3779b97f4a7c15ULL);
			count = (1 + rng % (o->max_kib * 2 / unit)) * unit;
			rng = mix(rng + 0x9e3779b97f4a7c15ULL);
			first[i] = rng % (sectors / unit) * unit;
			if (count > sectors - first[i])
				count = sectors - first[i];
			next[i] = first[i] + count;
			/* Two writes of one sector at the same time have no defined result. */
			for (j = 0; j < i && (first[j] >= next[i] || first[i] >= next[j]); j++)
				;
			if (j < i)
				break;
			done++;
			for (s = first[i]; s < next[i]; s++)
				fill(bufs[i] + (s - first[i]) * WORDS, s, o->seed << 40 | done);
			write_one(&w, bufs[i], count * SECTOR, o->offset + first[i] * SECTOR);
		}
		if (is(o, "uring") && uring_wait(&w.ring))
			die("a write by io_uring failed or was short");
		usleep((useconds_t)o->pause_ms * 1000);
	}
	if (w.map && msync(w.map, sectors * SECTOR, MS_SYNC))
		die("msync: %s", strerror(errno));
	if (fsync(fd) || close(fd))
		die("fsync: %s", strerror(errno));
	printf("%" PRIu64 " writes\n", done);
	return 0;
}

static int write_all(const struct options *o, const char *name, unsigned long mib)
{
	int fd = open_file(o, name, (off_t)mib << 20);
	uint64_t *buf = malloc(1 << 20);

	for (uint64_t m = 0; m < mib; m++) {
		for (uint64_t i = 0; i < 2048; i++)
			fill(buf + i * WORDS, m * 2048 + i, o->seed << 40);
		put(fd, buf, 1 << 20, (off_t)(m << 20));
	}
	if (fsync(fd) || close(fd))
		die("fsync: %s", strerror(errno));
	return 0;
}

static int punch(const char *name)
{
	int fd = open(name, O_RDWR);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die("%s: %s", name, strerror(errno));
	for (off_t at = 0; at + SLOT <= st.st_size; at += 2 * SLOT)
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, SLOT))
			die("%s: hole at %jd: %s", name, (intmax_t)at, strerror(errno));
	return fsync(fd);
}

static int verify(const char *name, unsigned long torn)
{
	static uint64_t buf[1 << 16];
	uint64_t index = 0, records = 0;
	int fd = open(name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		die("%s: %s", name, strerror(errno));
	while ((n = pread(fd, buf, sizeof(buf), (off_t)(index * SECTOR))) > 0) {
		for (ssize_t at = 0; at + SECTOR <= n; at += SECTOR, index++) {
			const uint64_t *s = buf + at / 8;

			if (blank(s))
				continue;
			if (!intact(s, index)) {
				/* Torn: the index is not there yet where there was no record before. */
				if (torn && s[0] == MAGIC && (s[1] == index || !s[1])) {
					torn--;
					continue;
				}
				die("%s: sector %" PRIu64 ": magic %" PRIx64 " index %" PRIu64 " seq %" PRIu64
				    ": not a record of this place", name, index, s[0], s[1], s[2]);
			}
			records++;
		}
	}
	if (n < 0)
		die("%s: %s", name, strerror(errno));
	printf("%" PRIu64 " records\n", records);
	return records == 0;
}

static int ring(const struct options *o, const char *name, uint64_t slots, const char *log)
{
	int fd = open_file(o, name, (off_t)(slots * SLOT));
	int out = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	time_t end = time(NULL) + (time_t)o->seconds;
	uint64_t *buf;

	if (out < 0 || posix_memalign((void **)&buf, 4096, SLOT))
		die("%s: %s", log, strerror(errno));
	for (uint64_t seq = 1; !stop && time(NULL) < end; seq++) {
		uint64_t slot = seq % slots;
		char line[32];

		for (uint64_t i = 0; i < SLOT / SECTOR; i++)
			fill(buf + i * WORDS, slot * (SLOT / SECTOR) + i, seq);
		put(fd, buf, SLOT, (off_t)(slot * SLOT));
		if (o->sync && fdatasync(fd))
			die("fdatasync: %s", strerror(errno));
		/* One fixed-width line, rewritten: a reader never sees half a number. */
		snprintf(line, sizeof(line), "%020" PRIu64 "\n", seq);
		put(out, line, 21, 0);
		usleep((useconds_t)o->pause_ms * 1000);
	}
	return 0;
}

static int ring_verify(const char *name, uint64_t slots)
{
	uint64_t *seqs = calloc(slots, sizeof(*seqs)), max = 0, buf[SLOT / 8];
	int fd = open(name, O_RDONLY);

	if (fd < 0)
		die("%s: %s", name, strerror(errno));
	for (uint64_t slot = 0; slot < slots; slot++) {
		if (pread(fd, buf, SLOT, (off_t)(slot * SLOT)) != SLOT)
			die("%s: short at slot %" PRIu64, name, slot);
		seqs[slot] = buf[2];
		for (uint64_t i = 0; i < SLOT / SECTOR; i++) {
			const uint64_t *s = buf + i * WORDS;

			if (seqs[slot] == 0 ? !blank(s) : s[2] != seqs[slot] ||
			    !intact(s, slot * (SLOT / SECTOR) + i))
				die("%s: slot %" PRIu64 " is torn or foreign", name, slot);
		}
		if (seqs[slot] > max)
			max = seqs[slot];
	}
	for (uint64_t slot = 0; slot < slots; slot++) {
		/* The newest write up to max that went to this slot; none yet if that is 0 or less. */
		uint64_t back = (max % slots + slots - slot) % slots;
		uint64_t want = back < max ? max - back : 0;

		if (seqs[slot] != want)
			die("%s: slot %" PRIu64 " holds write %" PRIu64 ", but with write %" PRIu64
			    " there it should be %" PRIu64, name, slot, seqs[slot], max, want);
	}
	printf("%" PRIu64 "\n", max);
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .mode = "buffered", .seconds = 5, .max_kib = 256, .seed = 1 };
	const char *cmd = argc > 1 ? argv[1] : "";
	int c;

	signal(SIGTERM, on_term);
	optind = 2;
	while ((c = getopt(argc, argv, "m:t:n:b:r:p:u:o:x:s")) != -1) {
		switch (c) {
		case 'm': o.mode = optarg; break;
		case 't': o.seconds = strtoul(optarg, NULL, 10); break;
		case 'n': o.ops = strtoul(optarg, NULL, 10); break;
		case 'b': o.max_kib = strtoul(optarg, NULL, 10); break;
		case 'r': o.seed = strtoull(optarg, NULL, 10); break;
		case 'p': o.pause_ms = strtoul(optarg, NULL, 10); break;
		case 'u': o.unit = strtoul(optarg, NULL, 10); break;
		case 'o': o.offset = strtoull(optarg, NULL, 10); break;
		case 'x': o.torn = strtoul(optarg, NULL, 10); break;
		case 's': o.sync = 1; break;
		default: return 2;
		}
	}
	argc -= optind;
	argv += optind;
	if (!strcmp(cmd, "write") && argc == 2)
		return write_random(&o, argv[0], strtoul(argv[1], NULL, 10));
	if (!strcmp(cmd, "fill") && argc == 2)
		return write_all(&o, argv[0], strtoul(argv[1], NULL, 10));
	if (!strcmp(cmd, "holes") && argc == 1)
		return punch(argv[0]);
	if (!strcmp(cmd, "verify") && argc == 1)
		return verify(argv[0], o.torn);
	if (!strcmp(cmd, "ring") && argc == 3)
		return ring(&o, argv[0], strtoull(argv[1], NULL, 10), argv[2]);
	if (!strcmp(cmd, "ring-verify") && argc == 2)
		return ring_verify(argv[0], strtoull(argv[1], NULL, 10));
	fputs("usage: records write|fill|holes|verify|ring|ring-verify ...\n", stderr);
	return 2;
}
