/** The whole of an update, in its order: check, mark, copy, sync, check again, record, unmark. */

import type { FileHandle } from 'node:fs/promises';
import { systemErrorText } from '@dbd/cli-kit';
import { BLOCK_SIZE, formatUuid } from '@dbd/cow-format';
import type { Datto } from '@dbd/ioctl';
import { type CopyProgress, copyBinding } from './binding.js';
import { type CopyJob, type Fault, runCopy } from './copy.js';
import type { CowFile } from './cow-files.js';
import { UpdateError } from './error.js';
import { faultText } from './fault-text.js';
import { halfwayIdentityOf } from './image-identity.js';
import { Journal, type JournalState, type RunState } from './journal.js';
import { ownBlocks } from './own-blocks.js';
import { prepare, type Scene } from './prepare.js';
import { checkSnapshot, type SnapshotNode } from './snapshot.js';

export interface UpdateRequest {
  /** /dev/datto<minor>. */
  readonly snapshotDevice: string;
  /** The files that the snapshots since the image's left, in any order; none with `full`. */
  readonly cowFiles: readonly string[];
  /** A full copy of an earlier snapshot; file or block device. */
  readonly imageFile: string;
  /** Copy everything; the image need not exist. */
  readonly full?: boolean;
  /** Give the image the device's size. */
  readonly resize?: boolean;
  /** Read what was copied again, and compare. */
  readonly verify?: boolean;
  /** Check the image against its manifest, and write a new one. */
  readonly checksum?: boolean;
  /** Change nothing, and tell what would be copied. */
  readonly dryRun?: boolean;
  readonly bytesPerSecond?: number | undefined;
  /** Where journal and manifest are kept; see {@link stateFiles}. */
  readonly stateDirectory?: string | undefined;
}

export type Phase = 'copy' | 'sync' | 'verify' | 'checksum';

/** How far an update is. */
export interface UpdateProgress {
  readonly phase: Phase;
  readonly bytes: number;
  /** Bytes of this phase in all, as far as known; an upper bound where COW files were merged. */
  readonly expected: number | undefined;
}

export interface UpdateTools {
  readonly datto: Datto;
  /** Finds the snapshot device; tests have another way than /dev. */
  readonly locate?: ((path: string) => Promise<SnapshotNode>) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onStart?: ((start: UpdateStart) => void) | undefined;
  /** Gets what the user should know, though it does not keep the run from being made. */
  readonly onNote?: ((text: string) => void) | undefined;
  readonly onProgress?: ((progress: UpdateProgress) => void) | undefined;
  /** How often what was copied is made durable and noted in the journal. */
  readonly checkpointMs?: number;
}

/** What is going to be done; all checks are passed. */
export interface UpdateStart {
  /** Seqids; `from` is 0 for a full copy. */
  readonly from: bigint;
  readonly to: bigint;
  readonly uuid: string;
  readonly deviceBytes: number;
  /** Byte offset that an earlier run reached; 0 when this one begins at the beginning. */
  readonly resumedAt: number;
}

/** What was done. */
export interface UpdateReport extends UpdateStart {
  readonly copied: CopyProgress;
  readonly verified: boolean;
  /** Path of the manifest that was written; undefined in a dry run. */
  readonly manifest: string | undefined;
  readonly dryRun: boolean;
}

const CHECKPOINT_MS = 30_000;

/**
 * Makes an image that equals an earlier snapshot equal this one. Nothing is written before all is
 * checked; on return all is on the disk. Until then a journal beside the image says that it is half
 * way, and the same call goes on where an earlier one ended.
 * @throws UpdateError; DattoIoctlError when the driver cannot be asked
 */
export async function updateImage(
  request: UpdateRequest,
  tools: UpdateTools,
): Promise<UpdateReport> {
  const handles: FileHandle[] = [];
  try {
    const scene = await prepare(request, tools, handles);
    const { state, resumed } = scene.plan;
    const start: UpdateStart = {
      from: state.base,
      to: state.target,
      uuid: state.uuid,
      deviceBytes: state.deviceBytes,
      resumedAt: resumed ? state.position * BLOCK_SIZE : 0,
    };
    tools.onStart?.(start);
    if (request.dryRun) {
      const copied = await countOnly(scene, tools);
      return { ...start, copied, verified: false, manifest: undefined, dryRun: true };
    }
    const { copied, damage } = await perform(request, scene, tools);
    // Of something else, and before: where this run wrote, the image is as it should be.
    if (damage !== undefined) throw damage;
    const manifest = scene.manifest.path;
    return { ...start, copied, verified: request.verify ?? false, manifest, dryRun: false };
  } finally {
    await Promise.allSettled(handles.map((handle) => handle.close()));
  }
}

/** With what the image is known by while it is so. */
async function noted(scene: Scene, state: RunState): Promise<JournalState> {
  // What cannot be read now is copied from the beginning next time.
  const identity = halfwayIdentityOf(target(scene), scene.image.kind, state).catch(() => '');
  return { ...state, image: await identity };
}

function copyJob({ from, to, cows, plan }: Scene, zeros: CopyJob['zeros'] & string) {
  const { deviceBytes, allFrom: all } = plan.state;
  return {
    from: from.fd,
    // A dry run that has no image reads the index alone.
    to: to?.fd ?? from.fd,
    maps: cows.map(({ handle }) => handle.fd),
    zeros,
    deviceBytes,
    allFrom: all ?? undefined,
  };
}

async function countOnly(scene: Scene, { signal }: UpdateTools): Promise<CopyProgress> {
  const job = { ...copyJob(scene, 'write'), firstBlock: scene.plan.state.position };
  const { end, progress, faults } = await runCopy({ ...job, mode: 'count' }, { signal });
  if (end === 'stopped') throw interrupted('Nothing was changed.');
  if (end === 'failed') throw copyFailed(scene, faults, '');
  return progress;
}

async function perform(
  request: UpdateRequest,
  scene: Scene,
  tools: UpdateTools,
): Promise<{ copied: CopyProgress; damage: UpdateError | undefined }> {
  const { plan, paths } = scene;
  const journal = await Journal.begin(paths.journal, await noted(scene, plan.state));
  try {
    await scene.manifest.begin();
    const copied = await copy(request, scene, tools, journal);
    // A snapshot that failed meanwhile may have given wrong bytes at the very end.
    const { snapshotDevice } = request;
    await checkSnapshot(tools.datto, snapshotDevice, scene.node.minor);
    if (request.verify) await verify(request, scene, tools, journal);
    const damage = await scene.manifest.renew(target(scene), scene.cows, plan.state, tools);
    await journal.end();
    return { copied, damage };
  } catch (cause) {
    await giveUpPosition(request, scene, tools, journal).catch(() => {});
    await journal.close().catch(() => {});
    const error =
      cause instanceof UpdateError
        ? cause
        : new UpdateError('ERR_UPDATE_COPY', `${systemErrorText(cause)}. ${again(request)}`, {
            cause,
          });
    error.partial = true;
    throw error;
  }
}

/**
 * A snapshot that failed may have been one that the driver took back: the next one has its seqid, and other
 * content.
 */
async function giveUpPosition(
  { snapshotDevice }: UpdateRequest,
  scene: Scene,
  { datto }: UpdateTools,
  journal: Journal,
): Promise<void> {
  const stands = await checkSnapshot(datto, snapshotDevice, scene.node.minor).then(
    ({ uuid, seqid }) =>
      seqid === scene.snapshot.seqid && formatUuid(uuid) === scene.plan.state.uuid,
    () => false,
  );
  if (stands) return;
  await journal.update(await noted(scene, { ...scene.plan.state, position: 0, empty: false }));
}

async function copy(
  request: UpdateRequest,
  scene: Scene,
  tools: UpdateTools,
  journal: Journal,
): Promise<CopyProgress> {
  const { image, snapshot, plan, cows } = scene;
  const to = target(scene);
  if (image.kind === 'file' && image.bytes !== snapshot.bytes) await to.truncate(snapshot.bytes);
  const zeros = image.kind !== 'file' ? 'write' : plan.state.empty ? 'skip' : 'punch';
  const state = (position: number, faults: readonly Fault[]) =>
    noted(scene, { ...plan.state, position: Math.min(position, firstBlock(faults)) });
  const expected = expectedBytes(plan.state, cows);
  tools.onProgress?.({ phase: 'copy', bytes: 0, expected });
  const { end, progress, faults } = await runCopy(
    {
      ...copyJob(scene, zeros),
      mode: 'copy',
      firstBlock: plan.state.position,
      bytesPerSecond: request.bytesPerSecond,
    },
    {
      signal: tools.signal,
      onProgress: ({ bytes }) => tools.onProgress?.({ phase: 'copy', bytes, expected }),
      pauseMs: tools.checkpointMs ?? CHECKPOINT_MS,
      onPause: async ({ position }, found) => {
        await sync(to, image.path);
        await journal.update(await state(position, found));
      },
    },
  );
  const trouble =
    end === 'stopped'
      ? interrupted(again(request))
      : end === 'failed' || faults.length > 0
        ? copyFailed(scene, faults, again(request))
        : undefined;
  try {
    tools.onProgress?.({ phase: 'sync', bytes: progress.bytes, expected: progress.bytes });
    await sync(to, image.path);
    await journal.update(await state(progress.position, faults));
  } catch (error) {
    // Of two reasons the first one.
    throw trouble ?? error;
  }
  if (trouble !== undefined) throw trouble;
  return progress;
}

async function verify(
  request: UpdateRequest,
  scene: Scene,
  tools: UpdateTools,
  journal: Journal,
): Promise<void> {
  // What was written is on the disk; from there it is to come.
  copyBinding().forget(target(scene).fd);
  const expected = expectedBytes({ ...scene.plan.state, position: 0 }, scene.cows);
  const { end, faults } = await runCopy(
    {
      ...copyJob(scene, 'write'),
      mode: 'verify',
      bytesPerSecond: request.bytesPerSecond,
      ignored: await ownBlocks(scene.snapshot.origin, scene.snapshot.liveCowFile),
    },
    {
      signal: tools.signal,
      onProgress: ({ bytes }) => tools.onProgress?.({ phase: 'verify', bytes, expected }),
    },
  );
  if (end === 'stopped') throw interrupted(again(request));
  if (end === 'done' && faults.length === 0) return;
  // So that the next run copies them again.
  await journal.update(await noted(scene, { ...scene.plan.state, position: firstBlock(faults) }));
  throw new UpdateError(
    'ERR_UPDATE_VERIFY',
    `the image ${request.imageFile} is not what was copied: ${faultText(faults, scene.cows)}. ` +
      `Check the disk it is on. ${again(request)}`,
    { faults },
  );
}

/** Bytes that are going to be copied, as far as headers tell. */
function expectedBytes(
  { position, allFrom, deviceBytes }: RunState,
  cows: readonly CowFile[],
): number | undefined {
  const blocks = Math.ceil(deviceBytes / BLOCK_SIZE);
  const whole = allFrom === null ? 0 : blocks - Math.max(allFrom, position);
  if (cows.some(({ header }) => header.version < 1n)) return undefined;
  const changed = cows.reduce((sum, { header }) => sum + Number(header.nrChangedBlocks), 0);
  // As if they were evenly spread.
  const left = changed * (1 - position / blocks);
  return Math.min(deviceBytes, Math.ceil(left + whole) * BLOCK_SIZE);
}

/** Brings the image to the disk. A failure means that what was written may be lost, and is final. */
async function sync(image: FileHandle, path: string): Promise<void> {
  try {
    await image.sync();
  } catch (cause) {
    const message = `cannot bring the image ${path} to the disk: ${systemErrorText(cause)}.`;
    throw new UpdateError('ERR_UPDATE_SYNC', message, { cause });
  }
}

function target({ to }: Scene): FileHandle {
  if (to === undefined) throw new Error('there is no image in a dry run');
  return to;
}

/** The first block that failed. */
function firstBlock(faults: readonly Fault[]): number {
  const offsets = faults.filter(({ kind }) => kind !== 'map').map(({ offset }) => offset);
  return Math.floor(Math.min(...offsets) / BLOCK_SIZE);
}

function copyFailed({ cows }: Scene, faults: readonly Fault[], advice: string): UpdateError {
  return new UpdateError(
    'ERR_UPDATE_COPY',
    `the copy is not complete: ${faultText(faults, cows)}. ${advice}`.trim(),
    { faults },
  );
}

function interrupted(advice: string): UpdateError {
  return new UpdateError('ERR_UPDATE_INTERRUPTED', `interrupted. ${advice}`);
}

function again({ imageFile }: UpdateRequest): string {
  return (
    `The image ${imageFile} is half way now. Mend the cause and run the same command again while the ` +
    'snapshot is there, or later one with all COW files since; it goes on from where it was.'
  );
}
