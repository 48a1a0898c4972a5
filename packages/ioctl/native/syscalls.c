// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include "syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "layout.h"

static struct dbd_result success(void)
{
	return (struct dbd_result){ 0, "", "" };
}

static struct dbd_result failure(const char *syscall)
{
	return (struct dbd_result){ errno, syscall, "" };
}

/* What the driver says of the call that was just refused; older ones say nothing. */
static void ask_reason(int fd, struct dbd_result *result)
{
	struct datto_failure failure = {
		.size = sizeof(failure),
		.flags = DATTO_FAILURE_OF_CALL,
	};

	if (ioctl(fd, IOCTL_FAILURE, &failure) < 0)
		return;
	memcpy(result->reason, failure.reason, sizeof(result->reason));
	result->reason[sizeof(result->reason) - 1] = 0;
}

/*
 * A close error is not looked at: the node was opened read-only, nothing is
 * written behind, and the ioctl's own result is already known.
 */
static struct dbd_result ioctl_on(const char *path, unsigned long request,
				  void *argument,
				  void (*ask)(int fd, struct dbd_result *result))
{
	struct dbd_result result;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return failure("open");
	/*
	 * No retry after EINTR: commands are not idempotent, and a signal does
	 * not reach this thread.
	 */
	result = ioctl(fd, request, argument) < 0 ? failure("ioctl") : success();
	if (result.err && ask)
		ask(fd, &result);
	close(fd);
	return result;
}

struct dbd_result dbd_control(unsigned long request, void *argument)
{
	return ioctl_on(DATTO_CTL_NODE, request, argument, ask_reason);
}

struct dbd_result dbd_device_size(const char *path, uint64_t *bytes)
{
	return ioctl_on(path, BLKGETSIZE64, bytes, NULL);
}

struct dbd_result dbd_logical_block_size(const char *path, uint32_t *bytes)
{
	int size = 0;
	struct dbd_result result = ioctl_on(path, BLKSSZGET, &size, NULL);

	*bytes = size;
	return result;
}

static struct dbd_result seek(int fd, int64_t offset, int whence, int64_t *found)
{
	*found = lseek(fd, offset, whence);
	return *found < 0 ? failure("lseek") : success();
}

struct dbd_result dbd_seek_data(int fd, int64_t offset, int64_t *found)
{
	return seek(fd, offset, SEEK_DATA, found);
}

struct dbd_result dbd_seek_hole(int fd, int64_t offset, int64_t *found)
{
	return seek(fd, offset, SEEK_HOLE, found);
}

struct dbd_result dbd_fadvise(int fd, int64_t offset, int64_t length, int advice)
{
	/* Returns the error instead of setting errno. */
	int err = posix_fadvise(fd, offset, length, advice);

	return (struct dbd_result){ err, err ? "posix_fadvise" : "", "" };
}
