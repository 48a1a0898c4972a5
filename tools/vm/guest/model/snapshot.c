// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/fs.h> /* glibc before 2.33: after sys/mount.h */
#include "model.h"
#include "noise.h"
#include "snapshot.h"
#include "writers.h"

#define CHUNK (1 << 20)
#define NODE_NAME 32
#define MOUNT_POINT "/mnt/model"

uint64_t nr_sectors;
static char *buf; /* the main thread's */

void snapshot_init(void)
{
	uint64_t bytes;
	int fd = open(config.device, O_RDONLY);

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) || posix_memalign((void **)&buf, BLOCK, CHUNK))
		die("%s: %s", config.device, strerror(errno));
	close(fd);
	nr_sectors = bytes / SECTOR;
	nr_blocks = (bytes + BLOCK - 1) / BLOCK;
}

static void node(char *name)
{
	snprintf(name, NODE_NAME, "/dev/datto%u", config.minor);
}

static int open_node(int flags)
{
	char name[NODE_NAME];

	node(name);
	return open(name, O_RDONLY | flags);
}

/* Sectors that could be read from @first on, or -1. */
static int64_t read_at(int fd, uint64_t first, uint64_t sectors)
{
	ssize_t n = pread(fd, buf, sectors * SECTOR, (off_t)(first * SECTOR));

	return n < 0 || n % SECTOR ? -1 : n / SECTOR;
}

int snapshot_read(uint64_t *hash, int image)
{
	int fd = open_node(O_DIRECT);
	int64_t n = fd < 0 ? -1 : 0;
	uint64_t at;

	for (at = 0; n >= 0 && at < nr_sectors; at += (uint64_t)n) {
		n = read_at(fd, at, CHUNK / SECTOR);
		if (n == 0)
			die("the snapshot ends at sector %" PRIu64 " of %" PRIu64, at, nr_sectors);
		if (n < 0)
			break;
		for (int64_t i = 0; i < n; i++)
			hash[at + (uint64_t)i] = hash_sector(buf + i * SECTOR);
		writers_feed_raw(buf, at, (uint64_t)n);
		if (image >= 0 && pwrite(image, buf, (size_t)n * SECTOR, (off_t)(at * SECTOR)) != n * SECTOR)
			die("%s: %s", config.image, strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : 0;
}

/* The file may have grown since. */
static int is_own(const struct own *own, uint64_t block)
{
	if (!own->blocks[block])
		add_extents(own->blocks, own->cow);
	return own->blocks[block];
}

static int compare_piece(int fd, const uint64_t *hash, const struct own *own, uint64_t at, uint64_t sectors)
{
	int64_t n = read_at(fd, at, sectors);

	if (n <= 0)
		return -1;
	for (uint64_t i = at; i < at + (uint64_t)n; i++)
		if (hash_sector(buf + (i - at) * SECTOR) != hash[i] && !is_own(own, i / SECTORS_A_BLOCK))
			die("sector %" PRIu64 " of the snapshot is not what it was", i);
	return (int)n;
}

int snapshot_again(const uint64_t *hash, const struct own *own, int cached)
{
	int fd = open_node(cached ? 0 : O_DIRECT), n = 0;

	if (fd < 0)
		return -1;
	for (uint64_t at = 0; at < nr_sectors && n >= 0; at += (uint64_t)n)
		n = compare_piece(fd, hash, own, at, CHUNK / SECTOR);
	close(fd);
	if (n >= 0)
		count(BLOCKS_COMPARED, nr_blocks);
	return n < 0 ? -1 : 0;
}

int snapshot_pieces(const uint64_t *hash, const struct own *own, struct rng *rng, unsigned int pieces)
{
	int fd = open_node(chance(rng, 70) ? O_DIRECT : 0), n = 0;

	if (fd < 0)
		return -1;
	while (pieces-- && n >= 0) {
		n = compare_piece(fd, hash, own, rng_below(rng, nr_sectors), rng_size(rng, CHUNK / SECTOR));
		if (n > 0)
			count(BLOCKS_COMPARED, ((uint64_t)n + SECTORS_A_BLOCK - 1) / SECTORS_A_BLOCK);
		count(REREADS, 1);
	}
	close(fd);
	return n < 0 ? -1 : 0;
}

/* Nothing is replayed. */
static const char *mount_options(void)
{
	return strcmp(config.fs, "xfs") ? "noload" : "norecovery,nouuid";
}

int snapshot_files(struct instant *t)
{
	char name[NODE_NAME];
	int ret;

	node(name);
	mkdir(MOUNT_POINT, 0755);
	if (mount(name, MOUNT_POINT, config.fs, MS_RDONLY, mount_options()))
		return -1;
	ret = t ? writers_check_files(MOUNT_POINT, t) : writers_check_again(MOUNT_POINT);
	if (!ret)
		ret = noise_check(MOUNT_POINT);
	if (umount(MOUNT_POINT))
		die("%s: %s", MOUNT_POINT, strerror(errno));
	return ret;
}

void image_check(const uint64_t *hash, const unsigned char *loose)
{
	int fd = open(config.image, O_RDONLY);
	uint64_t wrong = 0;
	int64_t n;

	if (fd < 0)
		die("%s: %s", config.image, strerror(errno));
	for (uint64_t at = 0; at < nr_sectors; at += (uint64_t)n) {
		n = read_at(fd, at, CHUNK / SECTOR);
		if (n <= 0)
			die("%s: cannot be read at sector %" PRIu64, config.image, at);
		for (uint64_t i = at; i < at + (uint64_t)n; i++) {
			if (hash_sector(buf + (i - at) * SECTOR) == hash[i] || loose[i / SECTORS_A_BLOCK])
				continue;
			if (wrong++ < 10)
				printf("sector %" PRIu64 " of the image differs from the snapshot\n", i);
		}
	}
	close(fd);
	if (wrong)
		die("%" PRIu64 " sectors of the updated image are not the snapshot's", wrong);
	count(BLOCKS_COMPARED, nr_blocks);
	count(IMAGES, 1);
}

void image_files(void)
{
	char command[4096];

	say("the image's files");
	snprintf(command, sizeof(command), "mount -t %s -o loop,ro,%s %s " MOUNT_POINT, config.fs, mount_options(),
		 config.image);
	if (system(command))
		die("%s", command);
	if (writers_check_again(MOUNT_POINT) || noise_check(MOUNT_POINT))
		die("the files of %s cannot be read", config.image);
	if (umount(MOUNT_POINT))
		die("%s: %s", MOUNT_POINT, strerror(errno));
	count(IMAGES_MOUNTED, 1);
}
