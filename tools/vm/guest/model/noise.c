// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "model.h"
#include "noise.h"
#include "sector.h"
#include "writers.h"

#define WHO 63
#define KEPT 24 /* files, of up to MOST sectors */
#define MOST 800

static pthread_t thread;
static pthread_mutex_t freezing = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t working = PTHREAD_MUTEX_INITIALIZER;
static struct rng rng;
static int root; /* of the file system */

static void name(char *to, uint64_t id, uint64_t sectors)
{
	snprintf(to, 64, "noise/f-%" PRIu64 "-%" PRIu64, id, sectors);
}

/* Written under another name first: what has its name is whole. */
static void make_file(uint64_t id, uint64_t sectors)
{
	static char buf[MOST * SECTOR];
	char path[64];
	int fd = openat(root, "noise/new", O_RDWR | O_CREAT | O_TRUNC, 0644);

	for (uint64_t i = 0; i < sectors; i++)
		sector_fill(buf + i * SECTOR, i * SECTOR, WHO, id, now_ns());
	name(path, id, sectors);
	if (fd < 0 || write(fd, buf, sectors * SECTOR) != (ssize_t)(sectors * SECTOR) ||
	    (chance(&rng, 20) && fsync(fd)) || close(fd) || renameat(root, "noise/new", root, path))
		die("%s: %s", path, strerror(errno));
}

static void make_others(uint64_t id)
{
	char path[64];

	snprintf(path, sizeof(path), "noise/dir-%" PRIu64, id % 7);
	if (mkdirat(root, path, 0755) && unlinkat(root, path, AT_REMOVEDIR))
		die("%s: %s", path, strerror(errno));
	snprintf(path, sizeof(path), "noise/link-%" PRIu64, id % 5);
	if (unlinkat(root, path, 0) && symlinkat("somewhere else", root, path))
		die("%s: %s", path, strerror(errno));
}

void noise_thaw(void)
{
	ioctl(root, FITHAW, 0);
}

static void freeze(void)
{
	if (pthread_mutex_trylock(&freezing))
		return;
	if (ioctl(root, FIFREEZE, 0))
		die("freeze: %s", strerror(errno));
	usleep((useconds_t)rng_below(&rng, 150000));
	if (ioctl(root, FITHAW, 0))
		die("thaw: %s", strerror(errno));
	count(FREEZES, 1);
	pthread_mutex_unlock(&freezing);
}

static void *run(void *arg)
{
	uint64_t sizes[KEPT] = { 0 };

	for (uint64_t id = 1; !writers_stopping(); id++) {
		char path[64];
		uint64_t *size = &sizes[id % KEPT];
		struct fstrim_range all = { 0, UINT64_MAX, 0 };

		pthread_mutex_lock(&working);
		if (*size) {
			name(path, id - KEPT, *size);
			if (unlinkat(root, path, 0))
				die("%s: %s", path, strerror(errno));
		}
		*size = 1 + rng_below(&rng, MOST);
		make_file(id, *size);
		make_others(id);
		if (chance(&rng, 4))
			sync();
		if (chance(&rng, 2) && ioctl(root, FITRIM, &all))
			die("fstrim: %s", strerror(errno));
		if (chance(&rng, 3))
			freeze();
		pthread_mutex_unlock(&working);
		usleep((useconds_t)rng_below(&rng, 60000));
	}
	return arg;
}

static void open_root(void)
{
	root = open(config.mount, O_RDONLY | O_DIRECTORY);
	if (root < 0)
		die("%s: %s", config.mount, strerror(errno));
}

void noise_leave(void)
{
	pthread_mutex_lock(&working);
	close(root);
}

void noise_return(void)
{
	open_root();
	pthread_mutex_unlock(&working);
}

void noise_start(void)
{
	rng.state = config.seed * 64 + WHO;
	open_root();
	if ((mkdirat(root, "noise", 0755) && errno != EEXIST) || pthread_create(&thread, NULL, run, NULL))
		die("%s: %s", config.mount, strerror(errno));
}

void noise_stop(void)
{
	pthread_join(thread, NULL);
	close(root);
}

void noise_hold(void)
{
	pthread_mutex_lock(&freezing);
}

void noise_release(void)
{
	pthread_mutex_unlock(&freezing);
}

static int check_file(int dir, const char *path)
{
	static char buf[(MOST + 1) * SECTOR];
	uint64_t id, sectors;
	ssize_t n = -1;
	int fd;

	if (sscanf(path, "f-%" SCNu64 "-%" SCNu64, &id, &sectors) != 2)
		return 0;
	fd = openat(dir, path, O_RDONLY);
	if (fd >= 0)
		n = pread(fd, buf, sizeof(buf), 0);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return -1;
	if ((uint64_t)n != sectors * SECTOR)
		die("%s of the snapshot has %zd bytes", path, n);
	for (uint64_t i = 0; i < sectors; i++)
		if (sector_parse(buf + i * SECTOR, i * SECTOR, WHO) != id)
			die("%s of the snapshot: sector %" PRIu64 " is another", path, i);
	count(FILES_VERIFIED, 1);
	return 0;
}

int noise_check(const char *at)
{
	char path[4096];
	struct dirent *e;
	DIR *dir;
	int ret = 0;

	snprintf(path, sizeof(path), "%s/noise", at);
	dir = opendir(path);
	if (!dir)
		return -1;
	errno = 0;
	while (!ret && (e = readdir(dir)))
		ret = check_file(dirfd(dir), e->d_name);
	if (errno)
		ret = -1;
	closedir(dir);
	return ret;
}
