import {
  COW_MAGIC,
  COW_VERSION,
  FLAG_CLEAN,
  FLAG_DRIVER_PRIVATE,
  FLAG_INDEX_ONLY,
  HEADER_OFFSET,
  HEADER_SIZE,
  UUID_SIZE,
} from './constants.js';
import { CowFormatError, rangeError } from './error.js';

/** The header's flags by name. */
export interface CowFlags {
  /** Bit 0: closed in order; nobody is writing the file. */
  readonly clean: boolean;
  /** Bit 1: incremental, the file holds the index and no data. */
  readonly indexOnly: boolean;
  /** Bit 2: the driver's own, without meaning to readers. */
  readonly driverPrivate: boolean;
  /** The bits without a name, 3..31, at their places. */
  readonly unknown: number;
}

/** The header of a COW file. 64-bit fields are bigint, as they are on the wire. */
export interface CowHeader {
  readonly flags: CowFlags;
  /** Next free block number in the data area (blocks of 4096 bytes, not bytes). */
  readonly fpos: bigint;
  /** Size of the file in bytes. */
  readonly fsize: bigint;
  /** Number of the snapshot in its series, from 1. */
  readonly seqid: bigint;
  /** 16 bytes, the same for all snapshots of a series. */
  readonly uuid: Uint8Array;
  /** 0, or 1 = nrChangedBlocks is kept. */
  readonly version: bigint;
  /** Blocks changed since the snapshot; without meaning in version 0. */
  readonly nrChangedBlocks: bigint;
  /** Bytes 0x40..0xfff: zero today, extensions tomorrow; kept as they are. */
  readonly extension: Uint8Array;
}

/** Bytes of the header after its named fields. */
export const EXTENSION_SIZE = HEADER_SIZE - HEADER_OFFSET.extension;

const NAMED_FLAGS = FLAG_CLEAN | FLAG_INDEX_ONLY | FLAG_DRIVER_PRIVATE;

/**
 * Reads a header. The result shares no memory with the argument.
 * @param bytes the first 4096 bytes of a COW file; more are ignored
 * @throws CowFormatError ERR_COW_TRUNCATED, ERR_COW_MAGIC, ERR_COW_VERSION
 */
export function decodeHeader(bytes: Uint8Array): CowHeader {
  if (bytes.byteLength < HEADER_SIZE) {
    throw new CowFormatError('ERR_COW_TRUNCATED', 'COW file header', {
      offset: bytes.byteLength,
      expected: `${HEADER_SIZE} bytes`,
      found: `${bytes.byteLength} bytes`,
      advice: 'The file is cut short or is no COW file; copy it again.',
    });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_SIZE);
  const magic = view.getUint32(HEADER_OFFSET.magic, true);
  if (magic !== COW_MAGIC) {
    throw new CowFormatError('ERR_COW_MAGIC', 'COW file magic number', {
      offset: HEADER_OFFSET.magic,
      expected: String(COW_MAGIC),
      found: String(magic),
      advice:
        magic === 0
          ? 'The file is no COW file, or the driver has not finished it: transition the device first.'
          : 'The file is no COW file; check the path.',
    });
  }
  const version = view.getBigUint64(HEADER_OFFSET.version, true);
  if (version > COW_VERSION) {
    throw new CowFormatError('ERR_COW_VERSION', 'COW file version', {
      offset: HEADER_OFFSET.version,
      expected: `0 or ${COW_VERSION}`,
      found: String(version),
      advice: 'The file was written by a newer driver; update this program.',
    });
  }
  const flags = view.getUint32(HEADER_OFFSET.flags, true);
  return {
    flags: decodeFlags(flags),
    fpos: view.getBigUint64(HEADER_OFFSET.fpos, true),
    fsize: view.getBigUint64(HEADER_OFFSET.fsize, true),
    seqid: view.getBigUint64(HEADER_OFFSET.seqid, true),
    uuid: bytesCopy(bytes, HEADER_OFFSET.uuid, UUID_SIZE),
    version,
    nrChangedBlocks: view.getBigUint64(HEADER_OFFSET.nrChangedBlocks, true),
    extension: bytesCopy(bytes, HEADER_OFFSET.extension, EXTENSION_SIZE),
  };
}

/**
 * Writes a header: 4096 bytes.
 * @throws CowFormatError ERR_COW_RANGE when a field does not fit
 */
export function encodeHeader(header: CowHeader): Uint8Array {
  checkLength('uuid', header.uuid, UUID_SIZE);
  checkLength('extension', header.extension, EXTENSION_SIZE);
  const bytes = new Uint8Array(HEADER_SIZE);
  const view = new DataView(bytes.buffer);
  const putU64 = (field: 'fpos' | 'fsize' | 'seqid' | 'version' | 'nrChangedBlocks') => {
    const value = header[field];
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn) {
      throw rangeError(`header field ${field}`, 'an integer from 0 to 2^64-1', String(value));
    }
    view.setBigUint64(HEADER_OFFSET[field], value, true);
  };
  view.setUint32(HEADER_OFFSET.magic, COW_MAGIC, true);
  view.setUint32(HEADER_OFFSET.flags, encodeFlags(header.flags), true);
  putU64('fpos');
  putU64('fsize');
  putU64('seqid');
  bytes.set(header.uuid, HEADER_OFFSET.uuid);
  putU64('version');
  putU64('nrChangedBlocks');
  bytes.set(header.extension, HEADER_OFFSET.extension);
  return bytes;
}

/** The flags word by name. */
export function decodeFlags(flags: number): CowFlags {
  return {
    clean: (flags & FLAG_CLEAN) !== 0,
    indexOnly: (flags & FLAG_INDEX_ONLY) !== 0,
    driverPrivate: (flags & FLAG_DRIVER_PRIVATE) !== 0,
    unknown: (flags & ~NAMED_FLAGS) >>> 0,
  };
}

/**
 * The flags as a u32.
 * @throws CowFormatError ERR_COW_RANGE when `unknown` holds a named bit or is no u32
 */
export function encodeFlags(flags: CowFlags): number {
  const { unknown } = flags;
  if (unknown !== unknown >>> 0 || (unknown & NAMED_FLAGS) !== 0) {
    throw rangeError('header field flags.unknown', 'a u32 without bits 0..2', String(unknown));
  }
  return (
    ((flags.clean ? FLAG_CLEAN : 0) |
      (flags.indexOnly ? FLAG_INDEX_ONLY : 0) |
      (flags.driverPrivate ? FLAG_DRIVER_PRIVATE : 0) |
      unknown) >>>
    0
  );
}

/** A uuid as 32 hexadecimal digits, the form /proc/datto-info shows. */
export function formatUuid(uuid: Uint8Array): string {
  return Array.from(uuid, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function bytesCopy(bytes: Uint8Array, offset: number, length: number): Uint8Array {
  // Not bytes.slice(): on a Node Buffer that gives a view of the same memory.
  const copy = new Uint8Array(length);
  copy.set(bytes.subarray(offset, offset + length));
  return copy;
}

function checkLength(field: string, bytes: Uint8Array, length: number): void {
  if (bytes.byteLength !== length) {
    throw rangeError(`header field ${field}`, `${length} bytes`, `${bytes.byteLength} bytes`);
  }
}
