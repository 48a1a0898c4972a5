/** Bytes of a block, the unit of the index: one entry says whether one block changed. */
export const BLOCK_SIZE = 4096;
/** Bytes of a sector. */
export const SECTOR_SIZE = 512;
/** Index entries of a section; the index is sized in whole sections. */
export const SECTION_ENTRIES = 4096;
/** Bytes of an index entry, a little-endian u64. */
export const ENTRY_SIZE = 8;
/** Bytes of a section of the index. */
export const SECTION_SIZE = SECTION_ENTRIES * ENTRY_SIZE;
/** Bytes of the header; the index begins here. */
export const HEADER_SIZE = 4096;
/** The header's magic number (4776). */
export const COW_MAGIC = 4776;
/** Newest header version this package knows: 1 = nr_changed_blocks is kept. */
export const COW_VERSION = 1n;
/** Bytes of a series' uuid. */
export const UUID_SIZE = 16;

/** Byte offsets of the header's fields. */
export const HEADER_OFFSET = {
  magic: 0x00,
  flags: 0x04,
  fpos: 0x08,
  fsize: 0x10,
  seqid: 0x18,
  uuid: 0x20,
  version: 0x30,
  nrChangedBlocks: 0x38,
  extension: 0x40,
} as const;

/** Bits of the header's flags. */
export const FLAG_CLEAN = 1 << 0;
export const FLAG_INDEX_ONLY = 1 << 1;
export const FLAG_DRIVER_PRIVATE = 1 << 2;
