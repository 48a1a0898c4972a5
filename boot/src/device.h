/* SPDX-License-Identifier: MIT */
/* Block devices by the UUID of their file system, and what /etc says of them. */
#ifndef DBD_BOOT_DEVICE_H
#define DBD_BOOT_DEVICE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#define UUID_TEXT 37 /* with the zero byte */
#define KIND_TEXT 256

/**
 * struct wanted - a device that is to be tracked
 * @uuid: of its file system
 * @minor: the number it is to have
 * @kind: see device_kind()
 */
struct wanted {
	char uuid[UUID_TEXT];
	unsigned int minor;
	char kind[KIND_TEXT];
};

/* Of the ext2, ext3, ext4 or XFS on it. -ENODATA: neither; or another negative errno. */
int device_uuid(const char *path, char uuid[UUID_TEXT]);
/* The device that udev knows by @uuid; false: not there. @path: without links. */
bool device_of_uuid(const char *uuid, char path[PATH_MAX]);
/*
 * What tells devices apart that carry copies of one file system: `dm:` with the mapping's UUID, or
 * `loop`; empty for disks and partitions.
 */
void device_kind(dev_t number, char kind[KIND_TEXT]);
/* 0, or a negative errno. */
int device_number(const char *path, dev_t *number);

/* Reads @dir/@uuid. -ENOENT: it is not to be tracked; -EINVAL: not understood. */
int wanted_read(const char *dir, const char *uuid, struct wanted *wanted);
/* Calls @each with the names in @dir that are UUIDs. */
void wanted_each(const char *dir, void (*each)(const char *uuid, void *arg), void *arg);

/* Where the whole file system of @number is mounted; false: nowhere. */
bool mount_point_of(dev_t number, char path[PATH_MAX]);

#endif
