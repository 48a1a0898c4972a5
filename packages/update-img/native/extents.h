/* SPDX-License-Identifier: MIT */
#ifndef DBD_EXTENTS_H
#define DBD_EXTENTS_H

#include <stdint.h>

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Blocks of the device that a file occupies, in ascending order; blocks that it has
 * in part count. 0 or errno. The caller frees *runs.
 */
int dbd_extents(int fd, struct dbd_block_run **runs, unsigned int *count);

#ifdef __cplusplus
}
#endif

#endif
