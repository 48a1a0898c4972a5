/* SPDX-License-Identifier: MIT */
/*
 * Has the driver track devices again, before their file systems are mounted: those that
 * `dbdctl persist` put into /etc/dbd/devices. Static, for an initramfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"
#include "driver.h"

#define GRUB_ENV_MAX (1 << 20)
#define MARKS "/run/dbd" /* a file for each minor that was armed, with the UUID in it */

static const char usage[] =
	"usage: dbd-reload [-c DIRECTORY] [DEVICE...]\n"
	"       dbd-reload [-c DIRECTORY] --check\n"
	"\n"
	"Tracks devices again after a boot, before their file systems are mounted: those for\n"
	"which there is a file in DIRECTORY (/etc/dbd/devices), named like the UUID of the file\n"
	"system. Without DEVICE: all that are there. It waits for nothing.\n"
	"\n"
	"  --check  once they are mounted: says what became of them; ends those of which nothing\n"
	"           is known any more, mends the record after a crash during a transition, and has\n"
	"           what GRUB wrote to its environment block count as changed\n"
	"\n"
	"exit status: 0 all that are there are tracked; 1 one is not; 2 usage; 3 no driver\n";

enum { EXIT_FINE, EXIT_UNTRACKED, EXIT_USAGE, EXIT_NO_DRIVER };

static struct {
	const char *dir;
	int ctl; /* -1: not opened yet */
	int status;
} run = { .dir = "/etc/dbd/devices", .ctl = -1 };

static void worse(int status)
{
	if (run.status < status)
		run.status = status;
}

__attribute__((format(printf, 2, 3))) static void say(FILE *to, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("dbd: ", to);
	vfprintf(to, format, args);
	fputc('\n', to);
	fflush(to);
	va_end(args);
}

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...)
{
	char text[PATH_MAX + 1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	say(stderr, "%s", text);
	worse(EXIT_UNTRACKED);
}

static bool open_driver(void)
{
	if (run.ctl < 0)
		run.ctl = driver_open();
	if (run.ctl >= 0)
		return true;
	if (run.status != EXIT_NO_DRIVER)
		say(stderr, "the driver is not there (%s: %s): nothing is tracked. Install the module dattobd for this kernel",
		    DATTO_CTL_NODE, strerror(-run.ctl));
	run.status = EXIT_NO_DRIVER;
	return false;
}

/* ---- before the mounts ---- */

/* So that --check knows whose a device is. Without /run it does not, and leaves it alone. */
static void leave_mark(unsigned int minor, const char *uuid)
{
	char path[64];
	FILE *file;

	mkdir(MARKS, 0755);
	snprintf(path, sizeof(path), MARKS "/%u", minor);
	file = fopen(path, "we");
	if (!file)
		return;
	fprintf(file, "%s\n", uuid);
	fclose(file);
}

static bool has_uuid(const struct dattobd_info *info, void *arg)
{
	char uuid[UUID_TEXT];

	return device_uuid(info->bdev, uuid) == 0 && strcmp(uuid, arg) == 0;
}

/* Copies of a file system have its UUID: volumes' snapshots, images on loop devices, ours. */
static bool is_copy(const char *device, dev_t number, struct wanted *wanted)
{
	static struct dattobd_info info;
	char kind[KIND_TEXT];

	device_kind(number, kind);
	if (strcmp(kind, wanted->kind) != 0) {
		say(stdout, "%s is a copy of what is to be tracked: it is left alone", device);
		return true;
	}
	if (!driver_find(run.ctl, &info, has_uuid, wanted->uuid))
		return false;
	say(stdout, "%s is left alone: %s, which is tracked, has the same UUID", device, info.bdev);
	return true;
}

static void arm(const char *device, struct wanted *wanted)
{
	static struct dattobd_info info;
	unsigned int minor = wanted->minor;
	dev_t number;
	int ret = device_number(device, &number);

	if (ret) {
		complain("%s cannot be looked at: %s", device, strerror(-ret));
		return;
	}
	if (!open_driver())
		return;
	if (driver_tracks(run.ctl, number, &info)) {
		say(stdout, "%s is tracked already, as minor %u", device, info.minor);
		return;
	}
	if (is_copy(device, number, wanted))
		return;
	ret = driver_resume(run.ctl, device, &minor);
	if (ret) {
		const char *why = driver_reason(run.ctl);

		complain("%s cannot be tracked: %s%s%s. The next backup of it must be a full one",
			 device, strerror(-ret), *why ? ": " : "", why);
		return;
	}
	leave_mark(minor, wanted->uuid);
	if (minor != wanted->minor)
		say(stdout, "%s is tracked, as minor %u since %u is in use", device, minor,
		    wanted->minor);
	else
		say(stdout, "%s is tracked, as minor %u", device, minor);
}

/* As named by the caller: a device that is not to be tracked is none of our business. */
static void arm_device(const char *device)
{
	struct wanted wanted;
	char uuid[UUID_TEXT];
	int ret = device_uuid(device, uuid);

	if (ret == -ENODATA)
		return;
	if (ret) {
		complain("%s cannot be read: %s", device, strerror(-ret));
		return;
	}
	ret = wanted_read(run.dir, uuid, &wanted);
	if (ret == -ENOENT)
		return;
	if (ret)
		complain("%s/%s cannot be understood: %s. Write it anew: dbdctl persist", run.dir,
			 uuid, strerror(-ret));
	else
		arm(device, &wanted);
}

static void arm_uuid(const char *uuid, void *arg)
{
	char device[PATH_MAX];

	(void)arg;
	if (device_of_uuid(uuid, device))
		arm_device(device);
	else
		say(stdout, "the device with UUID %s is not there yet", uuid);
}

/* ---- after the mounts ---- */

/*
 * GRUB's save_env writes to this file's blocks before there is a kernel. Touched, they are in the map; a
 * page is made dirty without a store that could undo what somebody else writes there.
 */
static bool touch_pages(int fd, size_t size)
{
	long page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	bool done;

	if (p == MAP_FAILED)
		return false;
	for (size_t i = 0; i < size; i += page)
		__atomic_fetch_or(p + i, 0, __ATOMIC_SEQ_CST);
	done = msync(p, size, MS_SYNC) == 0;
	munmap(p, size);
	return done;
}

static void touch_grub_env(const char *root, dev_t number)
{
	static const char *const names[] = { "/boot/grub/grubenv", "/boot/grub2/grubenv",
					     "/grub/grubenv", "/grub2/grubenv" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[PATH_MAX + 32];
		struct stat st;
		int fd;

		snprintf(path, sizeof(path), "%s%s", root, names[i]);
		fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0) {
			if (errno != ENOENT && errno != ENOTDIR)
				complain("%s: %s: what GRUB wrote there is not in the next increment",
					 path, strerror(errno));
			continue;
		}
		/* /boot may be another file system, and the file a link to one. */
		if (fstat(fd, &st) == 0 && st.st_dev == number && S_ISREG(st.st_mode) &&
		    st.st_size > 0 && st.st_size <= GRUB_ENV_MAX && !touch_pages(fd, st.st_size))
			complain("%s: %s: what GRUB wrote there is not in the next increment", path,
				 strerror(errno));
		close(fd);
	}
}

/* The driver found the file by the second record: that is the first one now. */
static void mend_record(const struct dattobd_info *info, const char *root)
{
	char live[PATH_MAX + 16], next[PATH_MAX + 16], target[PATH_MAX];
	ssize_t len;

	snprintf(live, sizeof(live), "%s%s", root, RECORD);
	snprintf(next, sizeof(next), "%s%s", root, RECORD_NEXT);
	len = readlink(next, target, sizeof(target) - 1);
	if (len < 0)
		return;
	target[len] = 0;
	if (strcmp(target, info->cow) == 0) {
		if (rename(next, live) == 0)
			say(stdout, "%s: %s is its COW file now", info->bdev, info->cow);
	} else {
		unlink(next); /* of a transition that did not take place */
	}
}

static void check_tracked(const char *device, dev_t number, const struct dattobd_info *info)
{
	char root[PATH_MAX];

	if (info->error) {
		complain("%s (minor %u) has failed: %s (%s). The next backup of it must be a full one: dbdctl destroy %u, and set it up anew",
			 device, info->minor, driver_failure(run.ctl, info->minor),
			 strerror(-info->error), info->minor);
	} else if (info->state & DATTO_STATE_UNVERIFIED) {
		say(stdout, "%s (minor %u) is tracked, and waits for its file system to be mounted",
		    device, info->minor);
	} else {
		say(stdout, "%s (minor %u) is tracked with %s, snapshot %llu", device, info->minor,
		    info->cow, info->seqid);
		/* Dormant: it may be mounted read-only. */
		if (!(info->state & DATTO_STATE_ACTIVE) || !mount_point_of(number, root))
			return;
		mend_record(info, root);
		touch_grub_env(root, number);
	}
}

static void check_uuid(const char *uuid, void *arg)
{
	static struct dattobd_info info;
	char device[PATH_MAX];
	dev_t number;

	(void)arg;
	if (!device_of_uuid(uuid, device) || device_number(device, &number)) {
		say(stdout, "the device with UUID %s is not there", uuid);
		return;
	}
	if (!open_driver())
		return;
	if (driver_tracks(run.ctl, number, &info))
		check_tracked(device, number, &info);
	else
		complain("%s is not tracked. The next backup of it must be a full one", device);
}

/* An initramfs may know of devices that are no longer to be tracked. */
static bool end_forgotten(const struct dattobd_info *info, void *arg)
{
	char path[64], uuid[UUID_TEXT] = "";
	struct wanted wanted;
	FILE *file;

	(void)arg;
	if (!(info->state & DATTO_STATE_UNVERIFIED) || !info->error)
		return false;
	snprintf(path, sizeof(path), MARKS "/%u", info->minor);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(uuid, sizeof(uuid), file))
		uuid[0] = 0;
	fclose(file);
	if (*uuid && wanted_read(run.dir, uuid, &wanted) == -ENOENT &&
	    driver_destroy(run.ctl, info->minor) == 0)
		say(stdout, "%s is no longer to be tracked", info->bdev);
	return false;
}

static void check(void)
{
	static struct dattobd_info info;

	wanted_each(run.dir, check_uuid, NULL);
	if (run.ctl < 0 && access(DATTO_CTL_NODE, F_OK) == 0)
		open_driver();
	if (run.ctl >= 0)
		driver_find(run.ctl, &info, end_forgotten, NULL);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "check", no_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	bool checking = false;
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'c') {
			run.dir = optarg;
		} else if (option == 'k') {
			checking = true;
		} else {
			fputs(usage, option == 'h' ? stdout : stderr);
			return option == 'h' ? EXIT_FINE : EXIT_USAGE;
		}
	}
	if (checking && optind < argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (checking)
		check();
	else if (optind < argc)
		for (int i = optind; i < argc; i++)
			arm_device(argv[i]);
	else
		wanted_each(run.dir, arm_uuid, NULL);
	return run.status;
}
