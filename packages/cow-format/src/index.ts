export {
  BLOCK_SIZE,
  COW_MAGIC,
  COW_VERSION,
  ENTRY_SIZE,
  HEADER_OFFSET,
  HEADER_SIZE,
  SECTION_ENTRIES,
  SECTION_SIZE,
  SECTOR_SIZE,
  UUID_SIZE,
} from './constants.js';
export { type CowErrorCode, type CowErrorDetails, CowFormatError } from './error.js';
export {
  type CowFlags,
  type CowHeader,
  decodeFlags,
  decodeHeader,
  EXTENSION_SIZE,
  encodeFlags,
  encodeHeader,
  formatUuid,
} from './header.js';
export {
  type CowLayout,
  type CowSection,
  cowLayout,
  cowSection,
  entryOffset,
  runBytes,
  toSafeInteger,
} from './layout.js';
export { type Run, RunBuilder } from './run-builder.js';
export { changedBlocks, changedRunBatches, changedRuns, type RunOptions } from './runs.js';
export { type BlobLike, blobSource, bufferSource, readHeader, type Source } from './source.js';
export {
  requireCount,
  requireIncremental,
  requirePredecessor,
  requireWholeIndex,
  type SnapshotId,
} from './verify.js';
