/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Layout of the COW file.
 *
 * block 0            header
 * from byte 4096     index: one __le64 for each block of the device, in whole
 *                    sections of 4096 entries
 * from data_offset   the write-intent log, then the tracking map, then old blocks in
 *                    the order they were saved
 *
 * What the driver writes raw for itself while the file is in use is the tracking
 * header, behind the first 64 bytes of block 0, the write-intent log and the
 * tracking map: the driver's own map, a bit for each block. The first 64 bytes and the index stay
 * as nobody wrote them then, so that no other reader takes the file for valid.
 *
 * No kernel dependency but the fixed-width types: user space tests include it.
 */
#ifndef DBD_COW_LAYOUT_H
#define DBD_COW_LAYOUT_H

#include <linux/types.h>

#define COW_BLOCK_SHIFT 12
#define COW_BLOCK_SIZE (1u << COW_BLOCK_SHIFT) /* bytes */
#define COW_SECTORS_PER_BLOCK (COW_BLOCK_SIZE >> 9)
#define COW_SECTION_ENTRIES 4096u
#define COW_SECTION_BYTES (COW_SECTION_ENTRIES * 8u)
#define COW_ENTRIES_PER_BLOCK (COW_BLOCK_SIZE / 8u)

#define COW_MAGIC 4776u
#define COW_VERSION 1u /* nr_changed_blocks is kept */
#define COW_FLAG_CLEAN (1u << 0) /* closed in order */
#define COW_FLAG_INDEX_ONLY (1u << 1) /* incremental: no data area */

/* Index entries: 0 is unchanged, any other value means changed. */
#define COW_ENTRY_CHANGED 1u /* changed, old content not kept */

#define COW_UUID_SIZE 16
#define COW_MOUNT_MARK_SIZE 40

/* The first 64 bytes of the file; zeros follow up to COW_BLOCK_SIZE. */
struct cow_header {
	__le32 magic;
	__le32 flags; /* COW_FLAG_* */
	__le64 fpos; /* next free block number of the file */
	__le64 fsize; /* bytes */
	__le64 seqid; /* from 1 */
	__u8 uuid[COW_UUID_SIZE];
	__le64 version;
	__le64 nr_changed_blocks;
};

/*
 * The tracking header. @crc is over the whole of block 0 with itself zero; all
 * checksums are CRC-32 (IEEE), from ~0, not inverted.
 */
#define COW_TRACK_OFFSET 64u
#define COW_TRACK_MAGIC 0x4b52545f444244ull /* "DBD_TRK" */
#define COW_TRACK_VERSION 1u
#define COW_TRACK_CLEAN (1u << 0) /* map, and index of a snapshot, are complete */
#define COW_TRACK_SNAPSHOT (1u << 1) /* else incremental */
#define COW_TRACK_LOG (1u << 2) /* map and the log's regions together are complete */
#define COW_TRACK_PENDING (1u << 3) /* not completed yet: the predecessor counts, if there is one */

struct cow_track_header {
	__le64 magic;
	__le32 version;
	__le32 flags; /* COW_TRACK_* */
	__le64 generation; /* one more each time it is written */
	__le64 nr_blocks; /* of the device */
	__le64 fpos; /* as in the header */
	__le64 run_end; /* blocks from fpos to here take old blocks, later ones may not */
	__le64 fsize;
	__le64 seqid;
	__u8 uuid[COW_UUID_SIZE];
	__le64 asked; /* size asked for, bytes */
	__le32 map_crc; /* of the tracking map; when clean */
	__le32 extents_crc; /* of where the file is on the device; when clean */
	__le32 origin_crc; /* of what mounting or repairing the file system changes; when clean */
	__le32 base_crc; /* as extents_crc, up to the place for old blocks */
	__u8 mount_mark[COW_MOUNT_MARK_SIZE]; /* of the mount in which it was used last */
	__le32 pad;
	__le32 crc;
};

#define COW_MAP_BLOCKS_PER_BLOCK (COW_BLOCK_SIZE * 8ull)

/*
 * A region of the write-intent log: 1 MiB, or more where the device would
 * have over a million of them. Two slots of region bits alternate; each of
 * their blocks keeps COW_INTENT_HEAD bytes for generation and checksum.
 */
#define COW_REGION_SHIFT_MIN 20
#define COW_REGIONS_MAX (1ull << 20)
#define COW_INTENT_HEAD 64u
#define COW_INTENT_BITS ((COW_BLOCK_SIZE - COW_INTENT_HEAD) * 8) /* regions in a block */
#define COW_INTENT_MAGIC 0x4e544e495f444244ull /* "DBD_INTN" */

/*
 * Before the bits of each block of a slot, padded to COW_INTENT_HEAD. Of the two
 * blocks for the same regions the one of the higher generation counts, if its
 * checksum is right; else the other. @crc is over the block with itself zero.
 */
struct cow_intent_head {
	__le64 magic;
	__le64 generation;
	__le32 nr; /* of the block in its slot */
	__le32 crc;
};

/**
 * struct cow_layout - where the parts of a COW file are
 * @device_bytes: size of the device
 * @nr_blocks: its blocks, a last partial one counted
 * @data_offset: end of the index, in bytes
 * @log_start: first block number of the log's two slots
 * @slot_blocks: blocks in a slot
 * @region_shift: of a region's bytes
 * @nr_regions: of the device
 * @map_start: first block number of the tracking map, behind the log's place
 * @data_start: first block number for old blocks
 */
struct cow_layout {
	__u64 device_bytes;
	__u64 nr_blocks;
	__u64 data_offset;
	__u64 log_start;
	__u64 slot_blocks;
	unsigned int region_shift;
	__u64 nr_regions;
	__u64 map_start;
	__u64 data_start;
};

static inline void cow_layout_init(struct cow_layout *l, __u64 device_bytes)
{
	__u64 sections;

	l->device_bytes = device_bytes;
	l->nr_blocks = (device_bytes >> COW_BLOCK_SHIFT) +
		       !!(device_bytes & (COW_BLOCK_SIZE - 1));
	sections = (l->nr_blocks + COW_SECTION_ENTRIES - 1) / COW_SECTION_ENTRIES;
	l->data_offset = COW_BLOCK_SIZE + sections * COW_SECTION_BYTES;

	l->region_shift = COW_REGION_SHIFT_MIN;
	while ((device_bytes >> l->region_shift) >= COW_REGIONS_MAX)
		l->region_shift++;
	l->nr_regions = (device_bytes >> l->region_shift) + 1;
	l->log_start = l->data_offset >> COW_BLOCK_SHIFT;
	l->slot_blocks = (l->nr_regions + COW_INTENT_BITS - 1) / COW_INTENT_BITS;
	l->map_start = l->log_start + 2 * l->slot_blocks;
	l->data_start = l->map_start + (l->nr_blocks + COW_MAP_BLOCKS_PER_BLOCK - 1) /
					       COW_MAP_BLOCKS_PER_BLOCK;
}

#endif /* DBD_COW_LAYOUT_H */
