import { BLOCK_SIZE, ENTRY_SIZE, HEADER_SIZE, SECTION_ENTRIES, SECTION_SIZE } from './constants.js';
import { rangeError } from './error.js';

/** Where things are in the COW file of a device of a given size. Everything is exact below 2^53. */
export interface CowLayout {
  /** Size of the device in bytes. */
  readonly deviceBytes: number;
  /** Blocks of the device; a last partial block counts. */
  readonly blocks: number;
  /** Bytes of the device's last block, 1..4096. */
  readonly lastBlockBytes: number;
  /** Sections of the index. */
  readonly sections: number;
  /** Bytes of the index in whole sections. */
  readonly indexBytes: number;
  /** Byte offset of the data area; the size of a finished incremental file. */
  readonly dataOffset: number;
  /** Bytes a file must have to hold an entry for each block. */
  readonly requiredBytes: number;
}

/** One section of the index and the part of the device that it describes. */
export interface CowSection {
  readonly section: number;
  readonly firstBlock: number;
  /** Blocks of the device in this section, 1..4096. */
  readonly blocks: number;
  /** Byte offset of the section in the COW file. */
  readonly indexOffset: number;
  /** Byte offset on the device. */
  readonly deviceOffset: number;
  /** Bytes of the device described, at most 16 MiB. */
  readonly deviceBytes: number;
}

/**
 * Layout of the COW file for a device.
 * @param deviceBytes size of the device in bytes, 1..2^53-1
 * @throws CowFormatError ERR_COW_RANGE
 */
export function cowLayout(deviceBytes: number | bigint): CowLayout {
  const bytes = toSafeInteger('device size in bytes', deviceBytes, 1);
  const blocks = Math.ceil(bytes / BLOCK_SIZE);
  const sections = Math.ceil(blocks / SECTION_ENTRIES);
  const indexBytes = sections * SECTION_SIZE;
  return {
    deviceBytes: bytes,
    blocks,
    lastBlockBytes: bytes - (blocks - 1) * BLOCK_SIZE,
    sections,
    indexBytes,
    dataOffset: HEADER_SIZE + indexBytes,
    requiredBytes: HEADER_SIZE + blocks * ENTRY_SIZE,
  };
}

/**
 * One section of the index.
 * @throws CowFormatError ERR_COW_RANGE when the device has no such section
 */
export function cowSection(layout: CowLayout, section: number): CowSection {
  checkIndex('section', section, layout.sections);
  const firstBlock = section * SECTION_ENTRIES;
  const deviceOffset = firstBlock * BLOCK_SIZE;
  return {
    section,
    firstBlock,
    blocks: Math.min(SECTION_ENTRIES, layout.blocks - firstBlock),
    indexOffset: HEADER_SIZE + section * SECTION_SIZE,
    deviceOffset,
    deviceBytes: Math.min(SECTION_ENTRIES * BLOCK_SIZE, layout.deviceBytes - deviceOffset),
  };
}

/**
 * Byte offset in the COW file of a block's index entry.
 * @throws CowFormatError ERR_COW_RANGE when the device has no such block
 */
export function entryOffset(layout: CowLayout, block: number): number {
  checkIndex('block', block, layout.blocks);
  return HEADER_SIZE + block * ENTRY_SIZE;
}

/**
 * The bytes of the device that a run of blocks covers; shorter than the blocks when the last one
 * is partial.
 * @throws CowFormatError ERR_COW_RANGE when the run is empty or leaves the device
 */
export function runBytes(
  layout: CowLayout,
  run: { readonly start: number; readonly count: number },
): { offset: number; length: number } {
  checkIndex('start block', run.start, layout.blocks);
  checkIndex('last block', run.start + run.count - 1, layout.blocks);
  if (!(run.count >= 1)) throw rangeError('block count', 'at least 1', String(run.count));
  const offset = run.start * BLOCK_SIZE;
  return { offset, length: Math.min(run.count * BLOCK_SIZE, layout.deviceBytes - offset) };
}

/**
 * A number that is exact: the one place where a u64 becomes a `number`.
 * @throws CowFormatError ERR_COW_RANGE when it is no integer in minimum..2^53-1
 */
export function toSafeInteger(what: string, value: number | bigint, minimum = 0): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < minimum) {
    throw rangeError(what, `an integer from ${minimum} to 2^53-1`, String(value));
  }
  return number;
}

function checkIndex(what: string, value: number, end: number): void {
  if (!Number.isInteger(value) || value < 0 || value >= end) {
    throw rangeError(what, `an integer from 0 to ${end - 1}`, String(value));
  }
}
