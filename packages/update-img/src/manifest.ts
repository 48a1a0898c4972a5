/**
 * The manifest of an image: a checksum of each of its segments, so that what changed in it without
 * update-img is found.
 *
 * Format, version 1, lines of text: `update-img manifest 1`, `uuid U`, `seqid N`, `bytes N`,
 * `segment N`, then for each segment of so many bytes its SHA-256, and `sha256` of all lines before.
 */

import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemErrorText } from '@dbd/cli-kit';
import { BLOCK_SIZE, changedRunBatches, cowLayout } from '@dbd/cow-format';
import { handleSource } from '@dbd/cow-format/node';
import type { Datto } from '@dbd/ioctl';
import type { CowFile } from './cow-files.js';
import { codeOf, UpdateError } from './error.js';
import type { JournalState } from './journal.js';
import { syncDirectory } from './sync.js';
import type { UpdateProgress } from './update.js';

/** Bytes of a segment. */
export const SEGMENT = 16 * 1024 * 1024;
const PIECE = 1024 * 1024;
const HASH_SIZE = 32;
const TITLE = 'update-img manifest 1';

interface Content {
  readonly uuid: string;
  readonly seqid: bigint;
  readonly bytes: number;
  /** 32 bytes for each segment. */
  readonly hashes: Uint8Array;
}

interface Tools {
  readonly datto: Datto;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: UpdateProgress) => void) | undefined;
}

/**
 * Reads the manifest that an image has, if it has one, before anything is written.
 * @param anew what the image held before does not matter
 * @throws UpdateError ERR_UPDATE_MANIFEST when it does not fit what is going to be done
 */
export async function prepareManifest(
  path: string,
  state: JournalState,
  anew: boolean,
): Promise<Manifest> {
  const old = anew || state.mode === 'full' ? undefined : await readManifest(path);
  if (old !== undefined) requireFitting(path, old, state);
  return new Manifest(path, old);
}

/** The manifest of an image that is being updated. */
export class Manifest {
  readonly path: string;
  readonly #old: Content | undefined;

  constructor(path: string, old: Content | undefined) {
    this.path = path;
    this.#old = old;
  }

  /**
   * Reads the whole image, compares what was not copied with the old manifest, and writes the new one.
   * @returns what is wrong with the image; the old manifest stays then
   */
  async renew(
    image: FileHandle,
    cows: readonly CowFile[],
    state: JournalState,
    tools: Tools,
  ): Promise<UpdateError | undefined> {
    const hashes = await hashSegments(image, state.deviceBytes, tools);
    const old = this.#old;
    const touched =
      old === undefined ? undefined : await touchedSegments(cows, state.deviceBytes, state.allFrom);
    const damaged: number[] = [];
    for (let i = 0; old !== undefined && i * HASH_SIZE < hashes.length; i++) {
      const at = i * HASH_SIZE;
      const same = Buffer.compare(
        hashes.subarray(at, at + HASH_SIZE),
        old.hashes.subarray(at, at + HASH_SIZE),
      );
      if (same !== 0 && touched?.[i] === 0) damaged.push(i);
    }
    if (damaged.length > 0) return damageError(this.path, damaged);
    await writeManifest(this.path, {
      uuid: state.uuid,
      seqid: state.target,
      bytes: state.deviceBytes,
      hashes,
    });
    return undefined;
  }
}

/** @throws UpdateError ERR_UPDATE_MANIFEST */
async function readManifest(path: string): Promise<Content | undefined> {
  const text = await readFile(path, 'latin1').catch((cause: unknown) => {
    if (codeOf(cause) === 'ENOENT') return undefined;
    throw failure(path, systemErrorText(cause), cause);
  });
  if (text === undefined) return undefined;
  const end = text.lastIndexOf('sha256 ');
  const fields = /^uuid ([0-9a-f]{32})\nseqid (\d+)\nbytes (\d+)\nsegment (\d+)\n/.exec(
    text.slice(TITLE.length + 1),
  );
  const sound =
    text.startsWith(`${TITLE}\n`) && text.slice(end) === `sha256 ${sha256(text.slice(0, end))}\n`;
  const [head = '', uuid = '', seqid = '', bytes = '', segment = ''] = fields ?? [];
  const hashes = Buffer.from(
    text.slice(TITLE.length + 1 + head.length, Math.max(0, end)).replaceAll('\n', ''),
    'hex',
  );
  const segments = Math.ceil(Number(bytes) / SEGMENT);
  if (!sound || Number(segment) !== SEGMENT || hashes.length !== segments * HASH_SIZE) {
    throw failure(path, 'it is damaged, or of a newer version. Remove it to begin a new one');
  }
  return { uuid, seqid: BigInt(seqid), bytes: Number(bytes), hashes };
}

/** An image of an older snapshot than the COW files begin with must not be updated with them. */
function requireFitting(path: string, old: Content, state: JournalState): void {
  const other = 'If the image was replaced or updated without --checksum, remove the manifest';
  if (old.uuid !== state.uuid || old.bytes !== state.deviceBytes) {
    throw failure(
      path,
      `it is of another series or device (uuid ${old.uuid}, ${old.bytes} bytes). ${other}`,
    );
  }
  if (old.seqid >= state.base && old.seqid <= state.target) return;
  throw failure(
    path,
    `it says that the image is of snapshot ${old.seqid}, and the COW files lead from ${state.base} to ` +
      `${state.target}. ${other}`,
  );
}

async function hashSegments(
  image: FileHandle,
  bytes: number,
  { datto, signal, onProgress }: Tools,
): Promise<Uint8Array> {
  const hashes = new Uint8Array(Math.ceil(bytes / SEGMENT) * HASH_SIZE);
  const buffers = [Buffer.alloc(PIECE), Buffer.alloc(PIECE)] as const;
  const zeros = new Map<number, Uint8Array>();
  for (let offset = 0; offset < bytes; offset += SEGMENT) {
    if (signal?.aborted) {
      throw new UpdateError('ERR_UPDATE_INTERRUPTED', 'interrupted. Run the same command again.');
    }
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

async function readPiece(
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
async function touchedSegments(
  cows: readonly CowFile[],
  bytes: number,
  allFrom: number | null,
): Promise<Uint8Array> {
  const touched = new Uint8Array(Math.ceil(bytes / SEGMENT));
  const device = cowLayout(bytes);
  const perSegment = SEGMENT / BLOCK_SIZE;
  if (allFrom !== null) touched.fill(1, Math.floor(allFrom / perSegment));
  for (const { handle } of cows) {
    for await (const runs of changedRunBatches(await handleSource(handle), { device })) {
      for (const { start, count } of runs) {
        const last = Math.floor((start + count - 1) / perSegment);
        touched.fill(1, Math.floor(start / perSegment), last + 1);
      }
    }
  }
  return touched;
}

async function writeManifest(path: string, { uuid, seqid, bytes, hashes }: Content) {
  const lines = [TITLE, `uuid ${uuid}`, `seqid ${seqid}`, `bytes ${bytes}`, `segment ${SEGMENT}`];
  for (let at = 0; at < hashes.length; at += HASH_SIZE) {
    lines.push(Buffer.from(hashes.subarray(at, at + HASH_SIZE)).toString('hex'));
  }
  const text = `${lines.join('\n')}\n`;
  const fresh = `${path}.new`;
  try {
    const handle = await open(fresh, 'w', 0o600);
    try {
      await handle.writeFile(`${text}sha256 ${sha256(text)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(fresh, path);
    await syncDirectory(dirname(path));
  } catch (cause) {
    await unlink(fresh).catch(() => {});
    throw failure(path, `it cannot be written: ${systemErrorText(cause)}`, cause);
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text, 'latin1').digest('hex');
}

function damageError(path: string, damaged: readonly number[]): UpdateError {
  const listed = damaged.slice(0, 3).map((i) => `from byte ${i * SEGMENT}`);
  const more = damaged.length > 3 ? ` and ${damaged.length - 3} more` : '';
  return failure(
    path,
    `the image was changed by something else since it was written, in the segments of ${SEGMENT} bytes ` +
      `${listed.join(', ')}${more}. Check the disk it is on and make a full copy`,
  );
}

function failure(path: string, reason: string, cause?: unknown): UpdateError {
  const message = `the manifest ${path}: ${reason}.`;
  return new UpdateError('ERR_UPDATE_MANIFEST', message, { cause });
}
