/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracked devices: their states and what leads from one to another.
 *
 * Locks, outermost first:
 *   control lock (device.c): one changing call at a time
 *   device lock: one change of a device at a time, by a call or by an event
 *   cow_file.lock; the tracker's locks
 *   view lock (device.c): what dbd_device_view() shows; never held across I/O
 * The unmount callback runs under cow_file.lock alone.
 */
#ifndef DBD_DEVICE_H
#define DBD_DEVICE_H

#include <linux/types.h>

#include "uapi/dattobd.h"

/**
 * struct dbd_view - what is shown of a device
 * @info: as the ioctl gives it
 * @asked: size asked for the COW file, bytes
 * @step: growth of one step in bytes; 0: it does not grow by itself
 * @reserved: bytes that stay free then
 * @room: bytes of the COW file of a snapshot that old blocks can still go to
 */
struct dbd_view {
	struct dattobd_info info;
	u64 asked;
	u64 step;
	u64 reserved;
	u64 room;
};

/**
 * struct dbd_member - a device to be set up
 * @bdev: path of the block device
 * @cow: path of the COW file
 * @size: of it in bytes; 0: the default
 * @cache: bytes for the index; 0: the default
 * @minor: its number
 */
struct dbd_member {
	char *bdev;
	char *cow;
	u64 size;
	u64 cache;
	unsigned int minor;
};

/*
 * The control calls, with the errors of the interface's table: a failed one
 * has changed nothing. Ioctl context. Sizes in bytes, 0: the default.
 */
/* All of them at one instant, or none; *@failed: which one it is due to, or @nr. */
int dbd_setup(const struct dbd_member *members, unsigned int nr, unsigned int *failed);
/*
 * @next: NULL, or @cow and @next are records, links that lead to the COW file; @next empty: there is
 * no second one. See struct datto_resume.
 */
int dbd_reload(const char *bdev, const char *cow, const char *next, u64 cache, unsigned int minor,
	       bool snapshot);
int dbd_destroy(unsigned int minor);
int dbd_transition_inc(unsigned int minor);
/* From a failed snapshot, whose map goes on; -EINVAL: it has not failed. */
int dbd_force_inc(unsigned int minor);
int dbd_transition_snap(const char *cow, u64 size, unsigned int minor);
int dbd_reconfigure(u64 cache, unsigned int minor);
int dbd_expand(u64 bytes, unsigned int minor);
int dbd_auto_expand(u64 step, u64 reserved, unsigned int minor);

/* Before the machine goes down: saves the maps of all devices, mounted or not. */
void dbd_devices_seal(void);
/* Whether one is tracked, in whatever state. */
bool dbd_devices_any(void);
/*
 * Module exit: no device is active. The devices go, their COW files stay as they
 * are, to be reloaded.
 */
void dbd_devices_exit(void);

/* These never wait for a control call. -ENOENT: no such (no free) device. */
int dbd_device_view(unsigned int minor, struct dbd_view *view);
int dbd_free_minor(void);
/* Fills in what is out; @failure was zero there. */
int dbd_device_failure(unsigned int minor, struct datto_failure *failure);

#endif /* DBD_DEVICE_H */
