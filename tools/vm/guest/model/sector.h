/* SPDX-License-Identifier: MIT */
/* A sector that says what it is: where it belongs, who wrote it as its how-manieth write, and when. */
#ifndef MODEL_SECTOR_H
#define MODEL_SECTOR_H

#include <stdint.h>

#define SECTOR_ZERO 0ULL
#define SECTOR_BAD UINT64_MAX

/* @place: byte of the device or file; @who: writer; @seq: from 1. Fills 512 bytes. */
void sector_fill(void *sector, uint64_t place, unsigned int who, uint64_t seq, uint64_t ns);
/* The seq of a sector that is whole and of this place and writer, SECTOR_ZERO or SECTOR_BAD. */
uint64_t sector_parse(const void *sector, uint64_t place, unsigned int who);

#endif
