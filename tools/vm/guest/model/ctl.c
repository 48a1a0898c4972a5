// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include "ctl.h"
#include "model.h"

static int node;

void ctl_open(void)
{
	node = open(DATTO_CTL_NODE, O_RDONLY | O_CLOEXEC);
	if (node < 0)
		die("%s: %s", DATTO_CTL_NODE, strerror(errno));
}

static int call(unsigned long nr, void *arg)
{
	struct datto_failure why = { .size = sizeof(why), .flags = DATTO_FAILURE_OF_CALL };
	int ret = ioctl(node, nr, arg) < 0 ? -errno : 0;

	count(IOCTLS, 1);
	if (ret && !ioctl(node, IOCTL_FAILURE, &why))
		say("command %lu: %s: %s", nr & 0xff, strerror(-ret), why.reason);
	return ret;
}

int ctl_setup(const char *cow, uint64_t mib, uint64_t cache)
{
	struct setup_params p = { (char *)config.device, (char *)cow, mib, cache, config.minor };

	return call(IOCTL_SETUP_SNAP, &p);
}

int ctl_trans_snap(const char *cow, uint64_t mib)
{
	struct transition_snap_params p = { (char *)cow, mib, config.minor };

	return call(IOCTL_TRANSITION_SNAP, &p);
}

int ctl_trans_inc(void)
{
	return call(IOCTL_TRANSITION_INC, &config.minor);
}

int ctl_force_inc(void)
{
	struct datto_force_inc p = { .size = sizeof(p), .minor = config.minor };

	return call(IOCTL_FORCE_TRANSITION_INC, &p);
}

int ctl_destroy(void)
{
	return call(IOCTL_DESTROY, &config.minor);
}

int ctl_reconfigure(uint64_t cache)
{
	struct reconfigure_params p = { cache, config.minor };

	return call(IOCTL_RECONFIGURE, &p);
}

int ctl_expand(uint64_t mib)
{
	struct expand_cow_file_params p = { mib, config.minor };

	return call(IOCTL_EXPAND_COW_FILE, &p);
}

int ctl_auto_expand(uint64_t step, uint64_t reserved)
{
	struct reconfigure_auto_expand_params p = { step, reserved, config.minor };

	return call(IOCTL_RECONFIGURE_AUTO_EXPAND, &p);
}

struct dattobd_info ctl_info(void)
{
	struct dattobd_info info = { .minor = config.minor };
	int ret = call(IOCTL_DATTOBD_INFO, &info);

	if (ret)
		die("INFO: %s", strerror(-ret));
	return info;
}
