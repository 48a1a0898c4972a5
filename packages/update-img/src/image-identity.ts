import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { BLOCK_SIZE } from '@dbd/cow-format';
import type { Image } from './image.js';
import type { RunState } from './journal.js';
import { readPiece } from './segments.js';

/** Bytes at the beginning of a block device that tell whether its content was replaced. */
const HEAD = 1024 * 1024;

/**
 * By what an image is known again, in one line. Of a file, size and time of the last change: numbers of
 * devices and inodes are not the same after every mount, and a copy made with its time is as good. A block
 * device has no such time: a checksum of its beginning, where file systems note when they
 * were mounted and written.
 * To be called when what was written is on the disk.
 */
export async function identityOf(
  image: FileHandle,
  kind: Image['kind'],
  deviceBytes: number,
): Promise<string> {
  if (kind === 'file') {
    const { size, mtimeNs } = await image.stat({ bigint: true });
    return `file ${size} ${mtimeNs}`;
  }
  return `device ${await hashBefore(image, Math.min(HEAD, deviceBytes))}`;
}

/**
 * The same of an image that is known to be on the disk up to `position`, a block number. On a block device
 * what was copied last tells it from another one too.
 */
export async function halfwayIdentityOf(
  image: FileHandle,
  kind: Image['kind'],
  { deviceBytes, position }: RunState,
): Promise<string> {
  const identity = await identityOf(image, kind, deviceBytes);
  if (kind === 'file') return identity;
  return `${identity} ${await hashBefore(image, Math.min(position * BLOCK_SIZE, deviceBytes))}`;
}

/** Of the bytes before this one. */
async function hashBefore(image: FileHandle, end: number): Promise<string> {
  const length = Math.min(HEAD, end);
  const piece = await readPiece(image, Buffer.alloc(HEAD), end - length, length);
  return createHash('sha256').update(piece).digest('hex');
}
