// SPDX-License-Identifier: MIT
/*
 * Mounts by either of the kernel's two interfaces, whatever this suite's mount(8) uses; and pivot_root,
 * whether or not this suite has that program.
 *
 *   mntapi old|new mount FSTYPE DEVICE DIR [ro]
 *   mntapi old|new remount DIR ro|rw
 *   mntapi pivot NEW_ROOT DIR
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As in linux/mount.h, which some C libraries do not let be included beside sys/mount.h. */
enum { SET_FLAG = 0, SET_STRING = 1, CMD_CREATE = 6, CMD_RECONFIGURE = 7 };
#define MOVE_EMPTY_PATH 0x4

static void check(long result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static void configure(int fd, int cmd, const char *key, const char *value)
{
	check(syscall(SYS_fsconfig, fd, cmd, key, value, 0), key ? key : "fsconfig");
}

static void new_mount(const char *type, const char *device, const char *dir, int ro)
{
	int fd = syscall(SYS_fsopen, type, 0), mnt;

	check(fd, "fsopen");
	configure(fd, SET_STRING, "source", device);
	if (ro)
		configure(fd, SET_FLAG, "ro", NULL);
	configure(fd, CMD_CREATE, NULL, NULL);
	mnt = syscall(SYS_fsmount, fd, 0, 0);
	check(mnt, "fsmount");
	check(syscall(SYS_move_mount, mnt, "", AT_FDCWD, dir, MOVE_EMPTY_PATH), "move_mount");
}

static void new_remount(const char *dir, int ro)
{
	int fd = syscall(SYS_fspick, AT_FDCWD, dir, 0);

	check(fd, "fspick");
	configure(fd, SET_FLAG, ro ? "ro" : "rw", NULL);
	configure(fd, CMD_RECONFIGURE, NULL, NULL);
}

int main(int argc, char **argv)
{
	int old = argc > 2 && !strcmp(argv[1], "old");
	int ro = argc > 3 && !strcmp(argv[argc - 1], "ro");

	if (argc >= 6 && !strcmp(argv[2], "mount")) {
		if (old)
			check(mount(argv[4], argv[5], argv[3], ro ? MS_RDONLY : 0, NULL), "mount");
		else
			new_mount(argv[3], argv[4], argv[5], ro);
	} else if (argc == 5 && !strcmp(argv[2], "remount")) {
		if (old)
			check(mount(NULL, argv[3], NULL, MS_REMOUNT | (ro ? MS_RDONLY : 0), NULL),
			      "remount");
		else
			new_remount(argv[3], ro);
	} else if (argc == 4 && !strcmp(argv[1], "pivot")) {
		check(syscall(SYS_pivot_root, argv[2], argv[3]), "pivot_root");
	} else {
		fprintf(stderr, "usage: see the source\n");
		return 2;
	}
	return 0;
}
