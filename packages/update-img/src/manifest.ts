/**
 * What is known of an image from the run before: the snapshot that it is a copy of, and checksums, so that
 * a run that would not make it whole is refused, and what changed in it without update-img is found.
 */

import type { FileHandle } from 'node:fs/promises';
import type { CowFile } from './cow-files.js';
import { UpdateError } from './error.js';
import type { Image } from './image.js';
import { identityOf } from './image-identity.js';
import type { RunState } from './journal.js';
import {
  DAMAGED,
  HALFWAY,
  HASH_SIZE,
  type ManifestContent,
  manifestError,
  readManifest,
  removeManifest,
  SEGMENT,
  sameHash,
  UNKNOWN,
  writeManifest,
} from './manifest-file.js';
import type { Plan } from './plan.js';
import { type HashTools, hashSegments, touchedSegments } from './segments.js';

/** What a manifest must fit. */
export interface ManifestDemands {
  readonly path: string;
  /** Of the image, for messages. */
  readonly name: string;
  readonly kind: Image['kind'];
  readonly plan: Plan;
  /** Where the COW files start. */
  readonly base: bigint;
  /** What the image held before does not matter. */
  readonly anew: boolean;
  readonly checksum: boolean;
  readonly tools: HashTools;
  readonly onNote?: ((text: string) => void) | undefined;
}

/**
 * Reads the manifest that an image has, if it has one, before anything is written.
 * @throws UpdateError ERR_UPDATE_GAP when the image is not of a snapshot that the COW files lead from;
 *   ERR_UPDATE_MANIFEST
 */
export async function prepareManifest(
  image: FileHandle | undefined,
  demands: ManifestDemands,
): Promise<Manifest> {
  const { path, name, kind, plan, base, anew, checksum, onNote } = demands;
  const { state } = plan;
  const none = new Manifest(path, kind, checksum, undefined);
  if (image === undefined || anew || state.mode === 'full') return none;
  const old = await readManifest(path);
  if (old === undefined) return none;
  const misfit = misfitOf(old, state, base);
  // Half way, the image is of no snapshot, and not as the manifest knows it.
  if (plan.halfway && !checksum) {
    return misfit === undefined ? new Manifest(path, kind, checksum, old) : none;
  }
  if (!plan.halfway && old.image === HALFWAY) {
    throw new UpdateError(
      'ERR_UPDATE_HALFWAY',
      `cannot update the image ${name}: by its manifest ${path} an earlier run did not finish, but its ` +
        'journal is gone. Make a full copy (--full); or, if you have put another one in its place and know ' +
        'of which snapshot that is, remove the manifest.',
    );
  }
  const isSame = plan.halfway || (await isRecorded(image, kind, old));
  // The checksums tell as well, and where. What this run copies hides what is wrong: they are looked at before.
  const known = isSame || !checksum ? old : await compared(image, old, demands);
  if (known === undefined || (!isSame && !checksum)) {
    onNote?.(
      `the image ${name} was replaced, or written by something else, since it was made a copy of snapshot ` +
        `${old.seqid}: it is taken to be of snapshot ${base}, where the COW files start. If it is ` +
        'not, make a full copy (--full)',
    );
    return none;
  }
  if (misfit !== undefined) {
    const message = `cannot update the image ${name}: by its manifest ${path}, ${misfit}.`;
    throw new UpdateError('ERR_UPDATE_GAP', message);
  }
  return new Manifest(path, kind, checksum, known);
}

/**
 * The manifest, with marks where the image is not as it says; undefined: the image is not known to be the
 * manifest's, nor to be another one.
 */
async function compared(
  image: FileHandle,
  old: ManifestContent,
  { kind, plan, tools }: ManifestDemands,
): Promise<ManifestContent | undefined> {
  const unknown = marked(old.hashes, UNKNOWN).length;
  // Nothing to compare with; of another device; cut.
  if (unknown * HASH_SIZE === old.hashes.length || old.bytes !== plan.state.deviceBytes) {
    return undefined;
  }
  if (kind === 'file' && (await image.stat()).size < old.bytes) return undefined;
  const hashes = await hashSegments(image, old.bytes, tools);
  if (markDamaged(hashes, old.hashes).length > 0) return { ...old, hashes };
  return unknown === 0 ? old : undefined;
}

/** Whether an image is as its manifest says, as far as can be told at once. */
async function isRecorded(
  image: FileHandle,
  kind: Image['kind'],
  { bytes, image: recorded }: ManifestContent,
): Promise<boolean> {
  // What cannot be read now is not as it was.
  return recorded === (await identityOf(image, kind, bytes).catch(() => ''));
}

/** Whether an image is whole and of its manifest, whatever a journal says that was left beside it. */
export async function isWhole(
  image: FileHandle,
  kind: Image['kind'],
  path: string,
): Promise<boolean> {
  const manifest = await readManifest(path);
  return manifest !== undefined && isRecorded(image, kind, manifest);
}

/** Why an image of the one state cannot be brought to the other; undefined: it can. */
function misfitOf(old: ManifestContent, state: RunState, base: bigint): string | undefined {
  const full = 'Make a full copy (--full)';
  if (old.uuid !== state.uuid) {
    return `it is of another series of snapshots, ${old.uuid}, and the COW files of ${state.uuid}. ${full}`;
  }
  if (old.bytes !== state.deviceBytes) {
    return `the device had ${old.bytes} bytes then, and has ${state.deviceBytes}. ${full}`;
  }
  if (old.seqid > state.target) {
    return `it is of snapshot ${old.seqid}, and this one is ${state.target}, an older one. ${full}`;
  }
  if (old.seqid >= base) return undefined;
  const missing =
    base - old.seqid === 1n
      ? `the COW file of seqid ${old.seqid}`
      : `the COW files of seqid ${old.seqid} to ${base - 1n}`;
  return (
    `it is of snapshot ${old.seqid}, and the COW files start at snapshot ${base}. ` +
    `Name ${missing} too, or make a full copy (--full)`
  );
}

/** The manifest of an image that is being updated. */
export class Manifest {
  readonly path: string;
  readonly #kind: Image['kind'];
  readonly #checksum: boolean;
  readonly #old: ManifestContent | undefined;

  constructor(
    path: string,
    kind: Image['kind'],
    checksum: boolean,
    old: ManifestContent | undefined,
  ) {
    this.path = path;
    this.#kind = kind;
    this.#checksum = checksum;
    this.#old = old;
  }

  /**
   * Removes a manifest that is not of this image; in another one notes that the image is of no snapshot
   * now. To be called when the journal is there.
   */
  async begin(): Promise<void> {
    if (this.#old === undefined) await removeManifest(this.path);
    else {
      const half = { ...this.#old, image: HALFWAY };
      await writeManifest(this.path, half, 'Nothing was copied yet.');
    }
  }

  /**
   * Writes the new manifest; the image is on the disk. With checksums the whole image is read before, and
   * what was not copied compared with the old ones.
   * @returns what is wrong with the image, by this run or an earlier one
   */
  async renew(
    image: FileHandle,
    cows: readonly CowFile[],
    state: RunState,
    tools: HashTools,
  ): Promise<UpdateError | undefined> {
    const kept = await this.#keptHashes(cows, state, tools);
    const hashes = this.#checksum ? await hashSegments(image, state.deviceBytes, tools) : kept;
    const damaged = this.#checksum ? markDamaged(hashes, kept) : marked(hashes, DAMAGED);
    const content = {
      uuid: state.uuid,
      seqid: state.target,
      bytes: state.deviceBytes,
      image: await identityOf(image, this.#kind, state.deviceBytes),
      hashes,
    };
    const otherwise = 'The image is whole, but what it is a copy of is not recorded.';
    await writeManifest(this.path, content, otherwise);
    return damaged.length > 0 ? damageError(this.path, damaged) : undefined;
  }

  /** The old checksums without those of segments that this run touched. */
  async #keptHashes(
    cows: readonly CowFile[],
    state: RunState,
    tools: HashTools,
  ): Promise<Uint8Array> {
    const hashes = Uint8Array.from(this.#old?.hashes ?? []);
    if (hashes.length === 0) return hashes;
    const touched = await touchedSegments(cows, state.deviceBytes, state.allFrom, tools);
    for (const [i, isTouched] of touched.entries()) {
      if (isTouched === 1 && !sameHash(hashAt(hashes, i), DAMAGED)) {
        hashes.set(UNKNOWN, i * HASH_SIZE);
      }
    }
    return hashes;
  }
}

/**
 * Marks segments that are not what they were. A mark stays until a full copy: of a segment that was copied
 * in part, the rest is as wrong as before.
 * @returns their numbers
 */
function markDamaged(hashes: Uint8Array, kept: Uint8Array): number[] {
  const damaged: number[] = [];
  for (let i = 0; i * HASH_SIZE < kept.length; i++) {
    const old = hashAt(kept, i);
    if (sameHash(old, UNKNOWN) || sameHash(old, hashAt(hashes, i))) continue;
    hashes.set(DAMAGED, i * HASH_SIZE);
    damaged.push(i);
  }
  return damaged;
}

/** Numbers of the segments that have this in place of a checksum. */
function marked(hashes: Uint8Array, mark: Uint8Array): number[] {
  const all = Array.from({ length: hashes.length / HASH_SIZE }, (_, i) => i);
  return all.filter((i) => sameHash(hashAt(hashes, i), mark));
}

function hashAt(hashes: Uint8Array, i: number): Uint8Array {
  return hashes.subarray(i * HASH_SIZE, (i + 1) * HASH_SIZE);
}

function damageError(path: string, damaged: readonly number[]): UpdateError {
  const listed = damaged.slice(0, 3).map((i) => `from byte ${i * SEGMENT}`);
  const more = damaged.length > 3 ? ` and ${damaged.length - 3} more` : '';
  return manifestError(
    path,
    `the image was changed by something else since it was written, in the segments of ${SEGMENT} bytes ` +
      `${listed.join(', ')}${more}. Check the disk it is on and make a full copy`,
  );
}
