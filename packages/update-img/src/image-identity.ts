import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Image } from './image.js';
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
  const head = await readPiece(image, Buffer.alloc(HEAD), 0, Math.min(HEAD, deviceBytes));
  return `device ${createHash('sha256').update(head).digest('hex')}`;
}
