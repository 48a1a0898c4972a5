/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver.h"

#define MINORS_MAX 255

/* udev is not waited for: devtmpfs has the node when the module is loaded. */
static void load_module(void)
{
	static const char *const paths[] = { "/sbin/modprobe", "/usr/sbin/modprobe", "/bin/modprobe" };
	pid_t child = fork();

	if (child == 0) {
		for (unsigned int i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
			execl(paths[i], "modprobe", "-q", "dattobd", (char *)NULL);
		_exit(127);
	}
	if (child > 0)
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
}

int driver_open(void)
{
	int ctl = open(DATTO_CTL_NODE, O_RDONLY | O_CLOEXEC);

	if (ctl < 0 && (errno == ENOENT || errno == ENXIO || errno == ENODEV)) {
		load_module();
		ctl = open(DATTO_CTL_NODE, O_RDONLY | O_CLOEXEC);
	}
	return ctl < 0 ? -errno : ctl;
}

bool driver_find(int ctl, struct dattobd_info *info,
		 bool (*each)(const struct dattobd_info *info, void *arg), void *arg)
{
	for (unsigned int minor = 0; minor < MINORS_MAX; minor++) {
		memset(info, 0, sizeof(*info));
		info->minor = minor;
		if (ioctl(ctl, IOCTL_DATTOBD_INFO, info) == 0) {
			if (each(info, arg))
				return true;
		} else if (errno != ENOENT) {
			break; /* not below max_snap_devices */
		}
	}
	return false;
}

static bool has_number(const struct dattobd_info *info, void *arg)
{
	struct stat st;

	return stat(info->bdev, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == *(dev_t *)arg;
}

bool driver_tracks(int ctl, dev_t number, struct dattobd_info *info)
{
	return driver_find(ctl, info, has_number, &number);
}

static int resume(int ctl, const char *device, unsigned int minor)
{
	struct datto_resume params = {
		.size = sizeof(params),
		.bdev = (uintptr_t)device,
		.record = (uintptr_t)RECORD,
		.next = (uintptr_t)RECORD_NEXT,
		.minor = minor,
	};

	return ioctl(ctl, IOCTL_RESUME, &params) < 0 ? -errno : 0;
}

int driver_resume(int ctl, const char *device, unsigned int *minor)
{
	int ret = resume(ctl, device, *minor);

	/* To be tracked matters more than the number; somebody may be quicker now and then. */
	for (int tries = 0; ret == -EBUSY && tries < 8; tries++) {
		int lowest;

		if (ioctl(ctl, IOCTL_GET_FREE, &lowest) < 0)
			break;
		*minor = (unsigned int)lowest;
		ret = resume(ctl, device, *minor);
	}
	return ret;
}

int driver_destroy(int ctl, unsigned int minor)
{
	return ioctl(ctl, IOCTL_DESTROY, &minor) < 0 ? -errno : 0;
}

static const char *reason(int ctl, unsigned int flags, unsigned int minor)
{
	static struct datto_failure failure;

	memset(&failure, 0, sizeof(failure));
	failure.size = sizeof(failure);
	failure.flags = flags;
	failure.minor = minor;
	if (ioctl(ctl, IOCTL_FAILURE, &failure) < 0)
		return "";
	failure.reason[sizeof(failure.reason) - 1] = 0;
	return failure.reason;
}

const char *driver_reason(int ctl)
{
	return reason(ctl, DATTO_FAILURE_OF_CALL, 0);
}

const char *driver_failure(int ctl, unsigned int minor)
{
	return reason(ctl, 0, minor);
}
