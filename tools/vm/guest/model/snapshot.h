/* SPDX-License-Identifier: MIT */
/* Reading /dev/datto<N>. All return -1 when it cannot be read: the caller knows whether that may be. */
#ifndef MODEL_SNAPSHOT_H
#define MODEL_SNAPSHOT_H

#include <stdint.h>
#include "blocks.h"
#include "shadow.h"

extern uint64_t nr_sectors; /* of the device */

/* The blocks of the COW file, as far as it was seen, and where more can be learned. */
struct own {
	set blocks;
	const char *cow;
};

/* Finds out how large the device is. */
void snapshot_init(void);
/* Reads all of it: a hash of each sector, the raw area to its writers, and, if @image >= 0, a copy. */
int snapshot_read(uint64_t *hash, int image);
/* Reads all of it again, through the page cache or not: nothing is another but the COW file's blocks. */
int snapshot_again(const uint64_t *hash, const struct own *own, int cached);
/* Reads of random place and length, compared in the same way. */
int snapshot_pieces(const uint64_t *hash, const struct own *own, struct rng *rng, unsigned int n);
/* Mounts it and looks at its files; the first time (@t is not NULL) to find the instant. */
int snapshot_files(struct instant *t);
/* The image equals it but in the blocks of @loose. */
void image_check(const uint64_t *hash, const unsigned char *loose);
/* Mounts the image: its files are those of the snapshot, also where they lie in blocks of @loose. */
void image_files(void);

#endif
