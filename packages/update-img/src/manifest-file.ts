/**
 * The manifest beside an image: which snapshot the image is a copy of, and checksums of its segments.
 *
 * Format, version 1, lines of text: `update-img manifest 1`, `uuid U`, `seqid N` and `bytes N` of the
 * snapshot, `image I` by which the image is known again, or that says that it is half way, `segment N`,
 * then for each segment of so many bytes its SHA-256, `-` where it is not known, `!` where it was found
 * wrong, or no such lines at all; and `sha256` of all lines before.
 */

import { createHash } from 'node:crypto';
import { open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemErrorText } from '@dbd/cli-kit';
import { codeOf, UpdateError } from './error.js';
import { syncDirectory } from './sync.js';

/** Bytes of a segment. */
export const SEGMENT = 16 * 1024 * 1024;
export const HASH_SIZE = 32;
/** In place of checksums. */
export const UNKNOWN: Uint8Array = Buffer.alloc(HASH_SIZE);
export const DAMAGED: Uint8Array = Buffer.alloc(HASH_SIZE, 0xff);

/** In place of what the image is known by, while it is half way. */
export const HALFWAY = 'half way';

export interface ManifestContent {
  /** Of the series, 32 hexadecimal digits. */
  readonly uuid: string;
  /** Of the snapshot that the image is a copy of. */
  readonly seqid: bigint;
  /** Size of the device. */
  readonly bytes: number;
  /** See {@link identityOf}; or {@link HALFWAY}. */
  readonly image: string;
  /** 32 bytes for each segment; empty when there are no checksums. */
  readonly hashes: Uint8Array;
}

const TITLE = 'update-img manifest 1';
const FIELDS = new RegExp(
  `^${TITLE}\nuuid ([0-9a-f]{32})\nseqid (\\d+)\nbytes (\\d+)\nimage (.+)\nsegment ${SEGMENT}\n`,
);

/** @throws UpdateError ERR_UPDATE_MANIFEST */
export async function readManifest(path: string): Promise<ManifestContent | undefined> {
  const text = await readFile(path, 'latin1').catch((cause: unknown) => {
    if (codeOf(cause) === 'ENOENT') return undefined;
    throw manifestError(path, systemErrorText(cause), cause);
  });
  if (text === undefined) return undefined;
  const end = text.lastIndexOf('sha256 ');
  const fields = FIELDS.exec(text);
  const [head = '', uuid = '', seqid = '', bytes = '', image = ''] = fields ?? [];
  const lines = text.slice(head.length, Math.max(0, end)).split('\n').slice(0, -1);
  const counts = [0, Math.ceil(Number(bytes) / SEGMENT)];
  const sound = text.slice(end) === `sha256 ${sha256(text.slice(0, end))}\n`;
  if (fields === null || !sound || !counts.includes(lines.length)) {
    throw manifestError(
      path,
      'it is damaged, or of another version. Remove it, and the image is taken to be of the snapshot ' +
        'that the COW files start at; if that is not certain, make a full copy (--full)',
    );
  }
  const hashes = Buffer.concat(lines.map(parseHash));
  return { uuid, seqid: BigInt(seqid), bytes: Number(bytes), image, hashes };
}

/**
 * On return it is on the disk.
 * @param otherwise what it means when it cannot be written, a sentence
 * @throws UpdateError ERR_UPDATE_MANIFEST
 */
export async function writeManifest(
  path: string,
  content: ManifestContent,
  otherwise: string,
): Promise<void> {
  const { uuid, seqid, bytes, image, hashes } = content;
  const lines = [TITLE, `uuid ${uuid}`, `seqid ${seqid}`, `bytes ${bytes}`];
  lines.push(`image ${image}`, `segment ${SEGMENT}`);
  for (let at = 0; at < hashes.length; at += HASH_SIZE) {
    lines.push(formatHash(hashes.subarray(at, at + HASH_SIZE)));
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
    throw manifestError(
      path,
      `it cannot be written: ${systemErrorText(cause)}. ${otherwise} ` +
        'Mend the cause and run the same command again',
      cause,
    );
  }
}

/** @throws UpdateError ERR_UPDATE_MANIFEST */
export async function removeManifest(path: string): Promise<void> {
  try {
    await unlink(path);
    await syncDirectory(dirname(path));
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return;
    throw manifestError(path, `it cannot be removed: ${systemErrorText(cause)}`, cause);
  }
}

export function manifestError(path: string, reason: string, cause?: unknown): UpdateError {
  const message = `the manifest ${path}: ${reason}.`;
  return new UpdateError('ERR_UPDATE_MANIFEST', message, { cause });
}

export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function parseHash(line: string): Uint8Array {
  if (line === '-') return UNKNOWN;
  return line === '!' ? DAMAGED : Buffer.from(line, 'hex');
}

function formatHash(hash: Uint8Array): string {
  if (sameHash(hash, UNKNOWN)) return '-';
  return sameHash(hash, DAMAGED) ? '!' : Buffer.from(hash).toString('hex');
}

function sha256(text: string): string {
  return createHash('sha256').update(text, 'latin1').digest('hex');
}
