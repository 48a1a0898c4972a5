/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "device.h"

#define EXT_MAGIC_AT (1024 + 0x38)
#define EXT_UUID_AT (1024 + 0x68)
#define XFS_UUID_AT 32

static void uuid_text(const unsigned char *bytes, char text[UUID_TEXT])
{
	char *to = text;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		to += sprintf(to, "%02x", bytes[i]);
	}
}

int device_uuid(const char *path, char uuid[UUID_TEXT])
{
	unsigned char block[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;
	int ret = 0;

	if (fd < 0)
		return -errno;
	len = pread(fd, block, sizeof(block), 0);
	if (len < 0)
		ret = -errno;
	close(fd);
	if (ret)
		return ret;
	if (len < (ssize_t)sizeof(block))
		return -ENODATA;
	if (block[EXT_MAGIC_AT] == 0x53 && block[EXT_MAGIC_AT + 1] == 0xef)
		uuid_text(block + EXT_UUID_AT, uuid);
	else if (memcmp(block, "XFSB", 4) == 0)
		uuid_text(block + XFS_UUID_AT, uuid);
	else
		return -ENODATA;
	return 0;
}

bool device_of_uuid(const char *uuid, char path[PATH_MAX])
{
	char link[64 + UUID_TEXT];

	snprintf(link, sizeof(link), "/dev/disk/by-uuid/%s", uuid);
	return realpath(link, path) != NULL;
}

int device_number(const char *path, dev_t *number)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISBLK(st.st_mode))
		return -ENOTBLK;
	*number = st.st_rdev;
	return 0;
}

static bool read_line(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	bool good = file && fgets(text, (int)size, file);

	if (file)
		fclose(file);
	if (good)
		text[strcspn(text, "\n")] = 0;
	return good;
}

void device_kind(dev_t number, char kind[KIND_TEXT])
{
	char path[128], uuid[KIND_TEXT - 3];
	int len = snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(number), minor(number));

	kind[0] = 0;
	snprintf(path + len, sizeof(path) - len, "/dm/uuid");
	if (read_line(path, uuid, sizeof(uuid))) {
		snprintf(kind, KIND_TEXT, "dm:%s", uuid);
		return;
	}
	snprintf(path + len, sizeof(path) - len, "/loop");
	if (access(path, F_OK) < 0) {
		/* A partition is below its disk. */
		snprintf(path + len, sizeof(path) - len, "/partition");
		if (access(path, F_OK) < 0)
			return;
		snprintf(path + len, sizeof(path) - len, "/../loop");
		if (access(path, F_OK) < 0)
			return;
	}
	strcpy(kind, "loop");
}

static bool is_uuid(const char *name)
{
	for (int i = 0; i < UUID_TEXT - 1; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? name[i] != '-' : !isxdigit((unsigned char)name[i]))
			return false;
	}
	return name[UUID_TEXT - 1] == 0;
}

static bool parse_number(const char *text, unsigned long long max, unsigned long long *number)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0 && (*end == 0 || *end == '\n') && *number <= max;
}

int wanted_read(const char *dir, const char *uuid, struct wanted *wanted)
{
	char path[PATH_MAX], line[KIND_TEXT + 5];
	unsigned long long minor;
	bool found = false, good = true;
	FILE *file;

	memset(wanted, 0, sizeof(*wanted));
	snprintf(wanted->uuid, sizeof(wanted->uuid), "%s", uuid);
	snprintf(path, sizeof(path), "%s/%s", dir, uuid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (good && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "minor=", 6) == 0) {
			good = parse_number(line + 6, UINT_MAX, &minor);
			wanted->minor = good ? (unsigned int)minor : 0;
			found = true;
		} else if (strncmp(line, "kind=", 5) == 0) {
			line[strcspn(line, "\n")] = 0;
			snprintf(wanted->kind, sizeof(wanted->kind), "%s", line + 5);
		}
		/* What a later version adds is no reason not to track. */
	}
	fclose(file);
	return good && found ? 0 : -EINVAL;
}

void wanted_each(const char *dir, void (*each)(const char *uuid, void *arg), void *arg)
{
	DIR *stream = opendir(dir);
	const struct dirent *entry;

	if (!stream)
		return;
	while ((entry = readdir(stream)))
		if (is_uuid(entry->d_name))
			each(entry->d_name, arg);
	closedir(stream);
}

/* Space, tab, newline and backslash are written in octal. */
static void unescape(char *text)
{
	char *to = text;

	while (*text) {
		if (text[0] == '\\' && text[1] && text[2] && text[3]) {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = 0;
}

bool mount_point_of(dev_t number, char path[PATH_MAX])
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	if (!file)
		return false;
	while (!found && getline(&line, &size, file) > 0) {
		unsigned int major, minor;
		char root[PATH_MAX];

		if (sscanf(line, "%*d %*d %u:%u %4095s %4095s", &major, &minor, root, path) != 4)
			continue;
		found = makedev(major, minor) == number && strcmp(root, "/") == 0;
	}
	free(line);
	fclose(file);
	if (found)
		unescape(path);
	return found;
}
