import { rangeError } from './error.js';
import type { Source } from './source.js';

/** The part of Node's `FileHandle` that is needed here. */
export interface HandleLike {
  /** As `FileHandle.read`. */
  read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesRead: number }>;
  /** As `FileHandle.stat`. */
  stat(): Promise<{ size: number }>;
}

/** What the handle cannot tell by itself. */
export interface HandleOptions {
  /** Bytes in all; needed for block devices, asked of the handle when left out. */
  readonly size?: number;
  /**
   * lseek(2) with SEEK_DATA: the next data at or after the offset, null when there is none (ENXIO).
   * Node has no such call; `seekData` of @dbd/ioctl, bound to the handle's `fd`, is one.
   */
  readonly seekData?: (offset: number) => Promise<number | null>;
}

/**
 * A COW file that is open. The handle stays the caller's, who closes it.
 * @throws CowFormatError ERR_COW_RANGE when the size is no safe integer
 */
export async function handleSource(
  handle: HandleLike,
  options: HandleOptions = {},
): Promise<Source> {
  const size = options.size ?? (await handle.stat()).size;
  if (!Number.isSafeInteger(size) || size < 0) {
    throw rangeError('size of the COW file', 'an integer from 0 to 2^53-1', String(size));
  }
  const source: Source = { size, read: (offset, length) => readFully(handle, offset, length) };
  return options.seekData === undefined ? source : { ...source, nextData: options.seekData };
}

/** Reads until the length is reached or the file ends; read(2) may give less at a time. */
async function readFully(handle: HandleLike, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done === length ? bytes : bytes.subarray(0, done);
}
