/** Segments of an image: their checksums, and which of them a run touches. */

import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { systemErrorText } from '@dbd/cli-kit';
import { BLOCK_SIZE } from '@dbd/cow-format';
import type { Datto } from '@dbd/ioctl';
import { type CowFile, requireGoing, runsOf } from './cow-files.js';
import { UpdateError } from './error.js';
import { HASH_SIZE, SEGMENT } from './manifest-file.js';
import type { UpdateProgress } from './update.js';

const PIECE = 1024 * 1024;

export interface HashTools {
  readonly datto: Datto;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: UpdateProgress) => void) | undefined;
}

/** Reads the whole image; 32 bytes for each segment. */
export async function hashSegments(
  image: FileHandle,
  bytes: number,
  { datto, signal, onProgress }: HashTools,
): Promise<Uint8Array> {
  const hashes = new Uint8Array(Math.ceil(bytes / SEGMENT) * HASH_SIZE);
  const buffers = [Buffer.alloc(PIECE), Buffer.alloc(PIECE)] as const;
  const zeros = new Map<number, Uint8Array>();
  for (let offset = 0; offset < bytes; offset += SEGMENT) {
    requireGoing(signal);
    const length = Math.min(SEGMENT, bytes - offset);
    const data = await datto.seekData(image.fd, offset);
    let digest: Uint8Array;
    if (data === null || data >= offset + length) {
      digest = zeros.get(length) ?? createHash('sha256').update(Buffer.alloc(length)).digest();
      zeros.set(length, digest);
    } else {
      digest = await hashSegment(image, offset, length, buffers);
    }
    hashes.set(digest, (offset / SEGMENT) * HASH_SIZE);
    onProgress?.({ phase: 'checksum', bytes: offset + length, expected: bytes });
  }
  return hashes;
}

/** One piece is read while the one before it is hashed. */
async function hashSegment(
  image: FileHandle,
  offset: number,
  length: number,
  buffers: readonly [Buffer, Buffer],
): Promise<Uint8Array> {
  const hash = createHash('sha256');
  let turn: 0 | 1 = 0;
  let next = readPiece(image, buffers[turn], offset, Math.min(PIECE, length));
  for (let at = 0; at < length; at += PIECE) {
    const piece = await next;
    turn = turn === 0 ? 1 : 0;
    const left = length - at - PIECE;
    if (left > 0) {
      next = readPiece(image, buffers[turn], offset + at + PIECE, Math.min(PIECE, left));
      // Looked at when its turn comes; until then a failure is not an unhandled one.
      next.catch(() => {});
    }
    hash.update(piece);
  }
  return hash.digest();
}

/** @throws UpdateError ERR_UPDATE_COPY when there are fewer bytes */
export async function readPiece(
  image: FileHandle,
  buffer: Buffer,
  offset: number,
  length: number,
): Promise<Buffer> {
  let done = 0;
  while (done < length) {
    const { bytesRead } = await image
      .read(buffer, done, length - done, offset + done)
      .catch((cause: unknown) => {
        const message = `cannot read the image at byte ${offset + done}: ${systemErrorText(cause)}.`;
        throw new UpdateError('ERR_UPDATE_COPY', message, { cause });
      });
    if (bytesRead === 0) {
      const message = `cannot read the image at byte ${offset + done}: it ended early.`;
      throw new UpdateError('ERR_UPDATE_COPY', message);
    }
    done += bytesRead;
  }
  return buffer.subarray(0, length);
}

/** 1 for each segment that the COW files, or the copy of all blocks from `allFrom` on, touch. */
export async function touchedSegments(
  cows: readonly CowFile[],
  bytes: number,
  allFrom: number | null,
  tools: HashTools,
): Promise<Uint8Array> {
  const touched = new Uint8Array(Math.ceil(bytes / SEGMENT));
  const perSegment = SEGMENT / BLOCK_SIZE;
  if (allFrom !== null) touched.fill(1, Math.floor(allFrom / perSegment));
  for (const { handle } of cows) {
    for await (const runs of runsOf(handle, bytes, tools)) {
      for (const { start, count } of runs) {
        const last = Math.floor((start + count - 1) / perSegment);
        touched.fill(1, Math.floor(start / perSegment), last + 1);
      }
    }
  }
  return touched;
}
