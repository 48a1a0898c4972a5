import { FLAG_CLEAN, FLAG_INDEX_ONLY, HEADER_OFFSET } from './constants.js';
import { CowFormatError } from './error.js';
import { type CowHeader, encodeFlags, formatUuid } from './header.js';
import type { CowLayout } from './layout.js';

/** A snapshot: the uuid of its series and its number therein. */
export interface SnapshotId {
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  readonly seqid: bigint;
}

/**
 * Requires that a file is finished and incremental, so that its index is the truth.
 * @throws CowFormatError ERR_COW_NOT_CLEAN, ERR_COW_NOT_INCREMENTAL
 */
export function requireIncremental(header: CowHeader): void {
  const found = `flags 0x${encodeFlags(header.flags).toString(16)}`;
  if (!header.flags.clean) {
    throw new CowFormatError('ERR_COW_NOT_CLEAN', 'COW file flags', {
      offset: HEADER_OFFSET.flags,
      expected: `the clean bit (0x${FLAG_CLEAN.toString(16)})`,
      found,
      advice:
        'The driver still writes this file, or it was not closed in order: transition to the next snapshot first, or make a full copy.',
    });
  }
  if (!header.flags.indexOnly) {
    throw new CowFormatError('ERR_COW_NOT_INCREMENTAL', 'COW file flags', {
      offset: HEADER_OFFSET.flags,
      expected: `the index-only bit (0x${FLAG_INDEX_ONLY.toString(16)})`,
      found,
      advice:
        'The file is of a device in snapshot mode: use the COW file that was left by transition-to-incremental and transition-to-snapshot.',
    });
  }
}

/**
 * Requires that the file is the map of what changed between the snapshot before `snapshot` and
 * `snapshot`: same uuid, seqid one less.
 * @throws CowFormatError ERR_COW_SERIES, ERR_COW_SEQID
 */
export function requirePredecessor(header: CowHeader, snapshot: SnapshotId): void {
  const found = formatUuid(header.uuid);
  const expected = formatUuid(snapshot.uuid);
  if (found !== expected) {
    throw new CowFormatError('ERR_COW_SERIES', 'COW file uuid', {
      offset: HEADER_OFFSET.uuid,
      expected: `${expected} (the snapshot's)`,
      found,
      advice: 'The file is of another series of snapshots; use the one of this device.',
    });
  }
  if (header.seqid + 1n !== snapshot.seqid) {
    throw new CowFormatError('ERR_COW_SEQID', 'COW file seqid', {
      offset: HEADER_OFFSET.seqid,
      expected: `${snapshot.seqid - 1n} (one less than the snapshot's ${snapshot.seqid})`,
      found: String(header.seqid),
      advice:
        'The file does not lead to this snapshot; apply the files in order, each with its own snapshot, or make a full copy.',
    });
  }
}

/**
 * Requires that a file is long enough to hold an index entry for each block of the device.
 * @param size of the file in bytes
 * @throws CowFormatError ERR_COW_TRUNCATED
 */
export function requireWholeIndex(layout: CowLayout, size: number): void {
  if (!(size >= layout.requiredBytes)) {
    throw new CowFormatError('ERR_COW_TRUNCATED', 'COW file index', {
      offset: size,
      expected: `${layout.requiredBytes} bytes (header and ${layout.blocks} entries of a device of ${layout.deviceBytes} bytes)`,
      found: `${size} bytes`,
      advice:
        'The file is cut short or belongs to a smaller device; check it, or make a full copy.',
    });
  }
}

/**
 * Requires that an index has no fewer changed blocks than its header counts: what is missing was lost, as by
 * a copy of the file that did not reach the disk.
 * @param blocks that the index has
 * @throws CowFormatError ERR_COW_COUNT
 */
export function requireCount({ version, nrChangedBlocks }: CowHeader, blocks: number): void {
  if (version < 1n || BigInt(blocks) >= nrChangedBlocks) return;
  throw new CowFormatError('ERR_COW_COUNT', 'COW file index', {
    expected: `the ${nrChangedBlocks} changed blocks that the header counts`,
    found: `${blocks}`,
    advice:
      'A part of the index was lost, or the device is larger: take the file itself, not a copy of it, or make a full copy.',
  });
}
