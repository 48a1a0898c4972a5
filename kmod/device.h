/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracked devices: their states and what leads from one to another.
 *
 * Locks, outermost first:
 *   control lock (device.c): one changing call at a time
 *   cow_file.lock
 *   view lock (device.c): what dbd_device_info() shows; never held across I/O
 * The unmount callback runs under cow_file.lock without the control lock.
 */
#ifndef DBD_DEVICE_H
#define DBD_DEVICE_H

#include <linux/types.h>

#include "uapi/dattobd.h"

/**
 * struct dbd_view - what is shown of a device
 * @info: as the ioctl gives it
 * @asked: size asked for the COW file, bytes
 */
struct dbd_view {
	struct dattobd_info info;
	u64 asked;
};

/*
 * The control calls, with the errors of the interface's table: a failed one
 * has changed nothing. Ioctl context. Sizes in bytes, 0: the default.
 */
int dbd_setup(const char *bdev, const char *cow, u64 size, u64 cache, unsigned int minor);
int dbd_reload(const char *bdev, const char *cow, u64 cache, unsigned int minor);
int dbd_destroy(unsigned int minor);
int dbd_transition_inc(unsigned int minor);
int dbd_transition_snap(const char *cow, u64 size, unsigned int minor);
int dbd_reconfigure(u64 cache, unsigned int minor);
int dbd_expand(unsigned int minor);

/* These never wait for a control call. -ENOENT: no such (no free) device. */
int dbd_device_view(unsigned int minor, struct dbd_view *view);
int dbd_free_minor(void);

#endif /* DBD_DEVICE_H */
