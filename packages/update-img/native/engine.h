/* SPDX-License-Identifier: MIT */
/*
 * Copies the changed blocks of a snapshot into an image, or compares them. It
 * knows nothing of JavaScript, and owns no descriptor.
 *
 * One thread calls dbd_copy_run(), which returns when the work is done, paused,
 * stopped or failed, and may be called again after a pause. Any thread may call
 * dbd_copy_stop() and dbd_copy_progress() meanwhile.
 */
#ifndef DBD_ENGINE_H
#define DBD_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum dbd_mode {
	DBD_COPY,
	/* Both are read; what differs is a fault. Nothing is written. */
	DBD_VERIFY,
	/* The index is read, nothing else. */
	DBD_COUNT,
};

/* What becomes of blocks of zeros. */
enum dbd_zeros {
	DBD_ZEROS_WRITE,
	/* A hole is made in the image, where its file system can. */
	DBD_ZEROS_PUNCH,
	/* Left out: the image reads as zeros where nothing was written. */
	DBD_ZEROS_SKIP,
};

/* Consecutive blocks of the device. */
struct dbd_block_run {
	uint64_t start, count;
};

struct dbd_copy_options {
	enum dbd_mode mode;
	enum dbd_zeros zeros;
	int from, to;		/* descriptors; `to` is for writing in DBD_COPY */
	const int *maps;	/* COW files; copied */
	unsigned int nr_maps;	/* at most 1024 */
	uint64_t device_bytes;	/* at least 1, at most 2^53-1 */
	uint64_t first_block;	/* what is before it is left alone */
	uint64_t all_from;	/* from this block on all count as changed */
	uint64_t bytes_per_second;	/* 0: no limit */
	/* Blocks that may differ in DBD_VERIFY, in ascending order; copied. */
	const struct dbd_block_run *ignored;
	unsigned int nr_ignored;
};

enum dbd_end {
	DBD_DONE,
	DBD_PAUSED,
	DBD_STOPPED,
	/* The last fault says why it could not go on. */
	DBD_FAILED,
};

enum dbd_fault_kind {
	DBD_FAULT_READ,
	DBD_FAULT_WRITE,
	DBD_FAULT_DIFFERS,
	DBD_FAULT_MAP,
};

struct dbd_fault {
	enum dbd_fault_kind kind;
	int err;		/* errno; 0: the file ended early */
	unsigned int map;	/* of DBD_FAULT_MAP: which */
	uint64_t offset;	/* bytes on the device, of DBD_FAULT_MAP in that file */
	uint64_t length;	/* bytes */
};

/* More ranges, or more blocks in all, and the copy gives up. */
#define DBD_MAX_FAULTS 128
#define DBD_MAX_FAULTY_BLOCKS 4096

struct dbd_copy_progress {
	uint64_t position;	/* all before this block is done, but for faults */
	uint64_t blocks;	/* changed blocks dealt with */
	uint64_t bytes;		/* their bytes: the device's last block may be partial */
	uint64_t zero_bytes;	/* of them, left out or made holes */
	uint64_t runs;		/* runs of consecutive changed blocks */
};

struct dbd_copy;

/* NULL when there is no memory. The options are copied. */
struct dbd_copy *dbd_copy_new(const struct dbd_copy_options *options);
void dbd_copy_free(struct dbd_copy *copy);

/* Blocks. @milliseconds: after so long it pauses; 0: never. */
enum dbd_end dbd_copy_run(struct dbd_copy *copy, uint32_t milliseconds);

/* Ends the present and any later run soon; what was begun is finished. */
void dbd_copy_stop(struct dbd_copy *copy);

struct dbd_copy_progress dbd_copy_progress(const struct dbd_copy *copy);

/* The faults, in the order they were found. Not while it runs. */
const struct dbd_fault *dbd_copy_faults(const struct dbd_copy *copy,
					unsigned int *count);

/* Takes the lock that keeps two runs apart: 0, or errno (EWOULDBLOCK: taken). */
int dbd_lock(int fd);

/* Tells the kernel to forget the cached pages of a file that is clean. */
void dbd_forget(int fd);

#ifdef __cplusplus
}
#endif

#endif
