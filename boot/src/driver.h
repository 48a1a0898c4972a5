/* SPDX-License-Identifier: MIT */
/* The driver's calls that matter at boot. A negative result is an errno. */
#ifndef DBD_BOOT_DRIVER_H
#define DBD_BOOT_DRIVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "uapi/dattobd.h"

/* Where dbdctl leaves the names of the COW files, from the root of the tracked file system. */
#define RECORD "/.dbd/live"
#define RECORD_NEXT "/.dbd/next"

/* Opens the control node; loads the module if need be. */
int driver_open(void);

/* Calls @each for each tracked device until it returns true, with @info then left as that device. */
bool driver_find(int ctl, struct dattobd_info *info,
		 bool (*each)(const struct dattobd_info *info, void *arg), void *arg);
/* The tracked device that is block device @number. */
bool driver_tracks(int ctl, dev_t number, struct dattobd_info *info);

/* Tracks @device again by its record; *@minor: the one wanted, changed if that is taken. */
int driver_resume(int ctl, const char *device, unsigned int *minor);
int driver_destroy(int ctl, unsigned int minor);

/* In the driver's words, or empty: why the last call was refused, why a device failed. */
const char *driver_reason(int ctl);
const char *driver_failure(int ctl, unsigned int minor);

#endif
