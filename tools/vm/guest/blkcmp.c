// SPDX-License-Identifier: MIT
/*
 * Compares devices and images block by block (4096 bytes).
 *
 *   blkcmp hash [-c] A             one 64-bit hash a block, to stdout: what A held at this moment;
 *                                  -c: as the page cache shows it
 *   blkcmp cmp [-x RUNS]... A B    prints the runs of blocks that differ, "start count", except in
 *                                  the blocks listed in RUNS; exit status 1 if there are any
 *   blkcmp extents FILE            runs of device blocks that a file occupies
 *
 * A and B are devices, images or files made by `hash`. Devices are read with O_DIRECT: the page
 * cache of a mounted device is not what the file system wrote.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 4096
#define CHUNK (1 << 20)
static const char magic[] = "BLKHASH1";

static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

static uint64_t hash_block(const uint64_t *p, size_t bytes)
{
	uint64_t a = 0x9e3779b97f4a7c15ULL, b = 0xc2b2ae3d27d4eb4fULL ^ bytes;

	for (size_t i = 0; i < bytes / 8; i += 2) {
		a = (a ^ p[i]) * 0xff51afd7ed558ccdULL;
		b = (b ^ p[i + 1]) * 0xc4ceb9fe1a85ec53ULL;
		a ^= a >> 29;
		b ^= b >> 31;
	}
	return a ^ (b << 1 | b >> 63);
}

struct hashes {
	uint64_t *h;
	uint64_t n;
};

static void push(struct hashes *s, uint64_t h)
{
	if (s->n % 65536 == 0) {
		s->h = realloc(s->h, (s->n + 65536) * sizeof(*s->h));
		if (!s->h)
			die("out of memory");
	}
	s->h[s->n++] = h;
}

static struct hashes hash_device(int fd, const char *name)
{
	struct hashes s = { NULL, 0 };
	unsigned char *buf;
	off_t offset = 0;

	if (posix_memalign((void **)&buf, BLOCK, CHUNK))
		die("out of memory");
	for (;;) {
		ssize_t n = pread(fd, buf, CHUNK, offset);

		if (n < 0)
			die("%s: read at %jd: %s", name, (intmax_t)offset, strerror(errno));
		if (n == 0)
			break;
		for (ssize_t at = 0; at < n; at += BLOCK)
			push(&s, hash_block((uint64_t *)(buf + at), (size_t)(n - at < BLOCK ? n - at : BLOCK)));
		offset += n;
	}
	free(buf);
	return s;
}

static struct hashes load(const char *name, int cached)
{
	struct hashes s = { NULL, 0 };
	char head[8] = "";
	struct stat st;
	int fd = open(name, O_RDONLY);

	if (fd < 0 || fstat(fd, &st))
		die("%s: %s", name, strerror(errno));
	if (S_ISREG(st.st_mode) && read(fd, head, 8) == 8 && !memcmp(head, magic, 8)) {
		s.n = (uint64_t)(st.st_size - 8) / 8;
		s.h = malloc(s.n * 8 + 1);
		for (uint64_t got = 0; got < s.n * 8;) {
			ssize_t r = read(fd, (char *)s.h + got, s.n * 8 - got);

			if (r <= 0)
				die("%s: short read", name);
			got += (uint64_t)r;
		}
	} else {
		if (S_ISBLK(st.st_mode) && !cached) {
			close(fd);
			fd = open(name, O_RDONLY | O_DIRECT);
			if (fd < 0)
				die("%s: %s", name, strerror(errno));
		}
		s = hash_device(fd, name);
	}
	close(fd);
	return s;
}

static void exclude(const char *name, unsigned char *skip, uint64_t blocks)
{
	uint64_t start, count;
	FILE *f = fopen(name, "r");

	if (!f)
		die("%s: %s", name, strerror(errno));
	while (fscanf(f, "%" SCNu64 " %" SCNu64, &start, &count) == 2)
		for (uint64_t b = start; b < start + count && b < blocks; b++)
			skip[b] = 1;
	if (!feof(f))
		die("%s: not a list of runs", name);
	fclose(f);
}

static int compare(int argc, char **argv)
{
	struct hashes a, b;
	unsigned char *skip;
	uint64_t differing = 0, skipped = 0, start = 0, count = 0;

	if (argc < 2)
		die("cmp needs two names");
	a = load(argv[argc - 2], 0);
	b = load(argv[argc - 1], 0);
	if (a.n != b.n)
		die("%s has %" PRIu64 " blocks, %s has %" PRIu64, argv[argc - 2], a.n, argv[argc - 1], b.n);
	if (a.n == 0)
		die("nothing to compare");
	skip = calloc(1, a.n);
	for (int i = 0; i + 2 < argc; i += 2) {
		if (strcmp(argv[i], "-x") || i + 3 >= argc)
			die("cmp takes -x RUNS before the two names");
		exclude(argv[i + 1], skip, a.n);
	}
	for (uint64_t i = 0; i <= a.n; i++) {
		int differs = i < a.n && a.h[i] != b.h[i];

		if (differs && skip[i]) {
			skipped++;
			differs = 0;
		}
		if (differs) {
			if (!count++)
				start = i;
		} else if (count) {
			printf("%" PRIu64 " %" PRIu64 "\n", start, count);
			differing += count;
			count = 0;
		}
	}
	fprintf(stderr, "blkcmp: %" PRIu64 " blocks, %" PRIu64 " differ, %" PRIu64 " more differ where they may\n",
		a.n, differing, skipped);
	return differing != 0;
}

static int extents(const char *name)
{
	enum { COUNT = 256 };
	struct fiemap *map = calloc(1, sizeof(*map) + COUNT * sizeof(struct fiemap_extent));
	uint64_t next = 0;
	int fd = open(name, O_RDONLY), last = 0;

	if (fd < 0)
		die("%s: %s", name, strerror(errno));
	while (!last) {
		map->fm_start = next;
		map->fm_length = FIEMAP_MAX_OFFSET - next;
		map->fm_extent_count = COUNT;
		map->fm_mapped_extents = 0;
		if (ioctl(fd, FS_IOC_FIEMAP, map))
			die("%s: FIEMAP: %s", name, strerror(errno));
		if (map->fm_mapped_extents == 0)
			break;
		for (unsigned int i = 0; i < map->fm_mapped_extents; i++) {
			const struct fiemap_extent *e = &map->fm_extents[i];
			uint64_t first = e->fe_physical / BLOCK;

			uint64_t end = (e->fe_physical + e->fe_length + BLOCK - 1) / BLOCK;

			printf("%" PRIu64 " %" PRIu64 "\n", first, end - first);
			next = e->fe_logical + e->fe_length;
			last = e->fe_flags & FIEMAP_EXTENT_LAST;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "hash")) {
		int cached = !strcmp(argv[2], "-c");
		struct hashes s = load(argv[argc - 1], cached);

		fwrite(magic, 1, 8, stdout);
		fwrite(s.h, 8, s.n, stdout);
		return fflush(stdout) ? 2 : 0;
	}
	if (argc >= 4 && !strcmp(argv[1], "cmp"))
		return compare(argc - 2, argv + 2);
	if (argc == 3 && !strcmp(argv[1], "extents"))
		return extents(argv[2]);
	die("usage: blkcmp hash [-c] A | cmp [-x RUNS]... A B | extents FILE");
}
