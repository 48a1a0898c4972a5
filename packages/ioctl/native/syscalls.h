/* SPDX-License-Identifier: MIT */
/*
 * The system calls of this package. Nothing here knows of JavaScript. Each
 * function blocks, may run in any thread, and owns nothing when it returns.
 */
#ifndef DBD_SYSCALLS_H
#define DBD_SYSCALLS_H

#include <stdint.h>

#include "uapi/dattobd.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * How a call went: err is 0 or an errno value, syscall names the call that
 * failed, reason is what the driver says of it or empty.
 */
struct dbd_result {
	int err;
	const char *syscall;
	char reason[DATTO_REASON_SIZE];
};

/* One ioctl on the driver's control node, which is opened for it. */
struct dbd_result dbd_control(unsigned long request, void *argument);

/* Size of a block device in bytes. */
struct dbd_result dbd_device_size(const char *path, uint64_t *bytes);

/* Logical block size of a block device in bytes. */
struct dbd_result dbd_logical_block_size(const char *path, uint32_t *bytes);

/* lseek(2) with SEEK_DATA or SEEK_HOLE; moves the position of fd. */
struct dbd_result dbd_seek_data(int fd, int64_t offset, int64_t *found);
struct dbd_result dbd_seek_hole(int fd, int64_t offset, int64_t *found);

/* posix_fadvise(2); advice is one of POSIX_FADV_*. */
struct dbd_result dbd_fadvise(int fd, int64_t offset, int64_t length, int advice);

#ifdef __cplusplus
}
#endif

#endif
