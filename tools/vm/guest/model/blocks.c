// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "blocks.h"
#include "model.h"

uint64_t nr_blocks;

set set_new(void)
{
	set s = calloc(1, nr_blocks);

	if (!s)
		die("out of memory");
	return s;
}

void set_clear(set s)
{
	memset(s, 0, nr_blocks);
}

void set_add(set to, const unsigned char *more)
{
	for (uint64_t b = 0; b < nr_blocks; b++)
		to[b] |= more[b];
}

void add_extents(set to, const char *file)
{
	enum { COUNT = 256 };
	static uint64_t room[(sizeof(struct fiemap) + COUNT * sizeof(struct fiemap_extent)) / 8];
	struct fiemap *map = (struct fiemap *)room;
	uint64_t next = 0;
	int fd = open(file, O_RDONLY), last = 0;

	if (fd < 0)
		die("%s: %s", file, strerror(errno));
	while (!last) {
		*map = (struct fiemap){ .fm_start = next, .fm_length = FIEMAP_MAX_OFFSET - next,
					.fm_extent_count = COUNT };
		if (ioctl(fd, FS_IOC_FIEMAP, map))
			die("%s: FIEMAP: %s", file, strerror(errno));
		if (map->fm_mapped_extents == 0)
			break;
		for (unsigned int i = 0; i < map->fm_mapped_extents; i++) {
			const struct fiemap_extent *e = &map->fm_extents[i];

			for (uint64_t b = e->fe_physical / BLOCK; b * BLOCK < e->fe_physical + e->fe_length; b++)
				to[b] = 1;
			next = e->fe_logical + e->fe_length;
			last = e->fe_flags & FIEMAP_EXTENT_LAST;
		}
	}
	close(fd);
}

void add_changed(set to, const char *cow, const char *uuid, uint64_t seqid)
{
	struct {
		uint32_t magic, flags;
		uint64_t fpos, fsize, seqid;
		char uuid[16];
		uint64_t version, nr_changed;
	} head;
	uint64_t bytes = (nr_blocks + 4095) / 4096 * 4096 * 8, changed = 0;
	uint64_t *index = malloc(bytes);
	int fd = open(cow, O_RDONLY);
	struct stat st;

	if (fd < 0 || !index || fstat(fd, &st))
		die("%s: %s", cow, strerror(errno));
	if (pread(fd, &head, sizeof(head), 0) != sizeof(head) || pread(fd, index, bytes, BLOCK) != (ssize_t)bytes)
		die("%s: short read", cow);
	close(fd);
	if (head.magic != 4776 || (head.flags & 3) != 3 || head.fsize != (uint64_t)st.st_size || head.version != 1)
		die("%s: magic %u flags %u size %" PRIu64 " of %jd version %" PRIu64, cow, head.magic, head.flags,
		    head.fsize, (intmax_t)st.st_size, head.version);
	if (memcmp(head.uuid, uuid, 16) || head.seqid != seqid)
		die("%s: another series, or seqid %" PRIu64 " instead of %" PRIu64, cow, head.seqid, seqid);
	for (uint64_t b = 0; b < bytes / 8; b++) {
		if (!index[b])
			continue;
		if (b >= nr_blocks)
			die("%s: entry %" PRIu64 " is past the last block", cow, b);
		to[b] = 1;
		changed++;
	}
	if (changed != head.nr_changed)
		die("%s: %" PRIu64 " blocks in the index, %" PRIu64 " in the header", cow, changed, head.nr_changed);
	free(index);
}

uint64_t hash_sector(const void *sector)
{
	const uint64_t *p = sector;
	uint64_t a = 0x9e3779b97f4a7c15ULL, b = 0xc2b2ae3d27d4eb4fULL;

	for (unsigned int i = 0; i < SECTOR / 8; i += 2) {
		a = (a ^ p[i]) * 0xff51afd7ed558ccdULL;
		b = (b ^ p[i + 1]) * 0xc4ceb9fe1a85ec53ULL;
		a ^= a >> 29;
		b ^= b >> 31;
	}
	return a ^ (b << 1 | b >> 63);
}
