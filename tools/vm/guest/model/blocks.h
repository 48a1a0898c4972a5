/* SPDX-License-Identifier: MIT */
/* Sets of blocks, what blocks hold, and which blocks a file or a COW file's index names. */
#ifndef MODEL_BLOCKS_H
#define MODEL_BLOCKS_H

#include <stdint.h>

extern uint64_t nr_blocks; /* of the device, a partial one at its end included */

/* One byte a block: 0 or 1. */
typedef unsigned char *set;
set set_new(void);
void set_clear(set s);
void set_add(set to, const unsigned char *more);

/* The device blocks that the file occupies join @to. */
void add_extents(set to, const char *file);
/* The blocks that the finished COW file says have changed join @to. Ends the process when file, uuid or
 * seqid are not what they have to be. */
void add_changed(set to, const char *cow, const char *uuid, uint64_t seqid);

uint64_t hash_sector(const void *sector);

#endif
