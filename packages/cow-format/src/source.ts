import { HEADER_SIZE } from './constants.js';
import { CowFormatError } from './error.js';
import { type CowHeader, decodeHeader } from './header.js';

/** Where the bytes of a COW file come from. */
export interface Source {
  /** Bytes in all. */
  readonly size: number;
  /**
   * Bytes from `offset` on: `length` of them; fewer only when the source ends there. They may
   * not change until the next call.
   */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
  /**
   * The offset of the first byte at or after `offset` that may be other than zero, or null when
   * there is none. Leave it out when the source cannot tell holes from data.
   */
  nextData?(offset: number): number | null | Promise<number | null>;
}

/** A COW file in memory. */
export function bufferSource(bytes: Uint8Array): Source {
  return {
    size: bytes.byteLength,
    read: (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/** The part of a browser's `Blob` or `File` that is needed here. */
export interface BlobLike {
  readonly size: number;
  /** As `Blob.slice`. */
  slice(
    start: number,
    end: number,
  ): {
    /** As `Blob.arrayBuffer`. */
    arrayBuffer(): Promise<ArrayBuffer>;
  };
}

/** A COW file in a `Blob` or `File`, as a browser has it. */
export function blobSource(blob: BlobLike): Source {
  return {
    size: blob.size,
    read: async (offset, length) =>
      new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}

/**
 * The header of a COW file.
 * @throws CowFormatError ERR_COW_TRUNCATED, ERR_COW_MAGIC, ERR_COW_VERSION, ERR_COW_READ
 */
export async function readHeader(source: Source): Promise<CowHeader> {
  return decodeHeader(await readExactly(source, 0, Math.min(HEADER_SIZE, source.size)));
}

/**
 * `length` bytes, no fewer.
 * @throws CowFormatError ERR_COW_TRUNCATED, ERR_COW_READ
 */
export async function readExactly(
  source: Source,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = await guard(offset, () => source.read(offset, length));
  if (bytes.byteLength !== length) {
    throw new CowFormatError('ERR_COW_TRUNCATED', 'COW file', {
      offset: offset + Math.min(bytes.byteLength, length),
      expected: `${length} bytes from byte ${offset} on`,
      found: `${bytes.byteLength} bytes`,
      advice: 'The file changed or ended while it was read; read it again when nobody writes it.',
    });
  }
  return bytes;
}

/** Runs a call to the source; its failure becomes ERR_COW_READ with the failure as cause. */
export async function guard<T>(offset: number, call: () => T | Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (cause instanceof CowFormatError) throw cause;
    throw new CowFormatError('ERR_COW_READ', 'COW file', {
      offset,
      expected: 'a read without error',
      found: cause instanceof Error ? cause.message : String(cause),
      advice: 'Check the file and the disk it is on.',
      cause,
    });
  }
}
