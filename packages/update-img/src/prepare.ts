/** Opens and checks all that an update needs; nothing is written. */

import type { FileHandle } from 'node:fs/promises';
import { getSystemErrorMap } from 'node:util';
import { BLOCK_SIZE, formatUuid } from '@dbd/cow-format';
import { copyBinding } from './binding.js';
import { type CowFile, openCowFiles } from './cow-files.js';
import { UpdateError } from './error.js';
import { type Image, inspectImage, openImage } from './image.js';
import { halfwayIdentityOf } from './image-identity.js';
import { type JournalState, readJournal } from './journal.js';
import { isWhole, type Manifest, prepareManifest } from './manifest.js';
import { type Plan, planRun } from './plan.js';
import {
  checkSnapshot,
  locateSnapshot,
  openSnapshot,
  type Snapshot,
  type SnapshotNode,
} from './snapshot.js';
import { stateFiles } from './state-files.js';
import type { UpdateRequest, UpdateTools } from './update.js';

/** All that is open and known once everything is checked. */
export interface Scene {
  readonly node: SnapshotNode;
  readonly snapshot: Snapshot;
  readonly from: FileHandle;
  readonly cows: readonly CowFile[];
  readonly image: Image;
  /** Absent in a dry run that would create it. */
  readonly to: FileHandle | undefined;
  readonly plan: Plan;
  readonly paths: { readonly journal: string; readonly manifest: string };
  readonly manifest: Manifest;
}

/**
 * @param handles gets each file as soon as it is open; whoever calls this closes them
 * @throws UpdateError; DattoIoctlError when the driver cannot be asked
 */
export async function prepare(
  request: UpdateRequest,
  tools: UpdateTools,
  handles: FileHandle[],
): Promise<Scene> {
  const { snapshotDevice, cowFiles, imageFile, full = false, resize = false } = request;
  const keep = (handle: FileHandle) => {
    handles.push(handle);
    return handle;
  };
  const node = await (tools.locate ?? locateSnapshot)(snapshotDevice);
  // Open before it is asked about: while it is open, the driver keeps the snapshot.
  const from = keep(await openSnapshot(node, snapshotDevice));
  const snapshot = await checkSnapshot(tools.datto, snapshotDevice, node.minor);
  const cows = await openCowFiles(cowFiles, snapshot, tools, keep);
  const image = await inspectImage(tools.datto, imageFile, {
    ...snapshot,
    snapshotDevice,
    cowFiles,
    full,
    resize,
  });
  const paths = stateFiles(image, imageFile, request.stateDirectory);
  const created = image.bytes === undefined || (full && image.bytes === 0);
  const make = image.bytes !== undefined || !request.dryRun;
  const to = make ? keep(await openImage(image)) : undefined;
  if (to !== undefined) await takeLock(to, image, imageFile);
  const base = cows[0]?.header.seqid ?? 0n;
  const { earlier, intact } = await earlierRun(to, image, paths, full);
  const plan = planRun(
    imageFile,
    {
      mode: full ? 'full' : 'update',
      uuid: formatUuid(snapshot.uuid),
      base,
      target: snapshot.seqid,
      deviceBytes: snapshot.bytes,
      kept: keptBlocks(image, snapshot),
      created,
      intact,
    },
    earlier,
  );
  if (plan.halfway && !intact) {
    const base = full ? undefined : plan.state.base;
    tools.onNote?.(beginsAnew(imageFile, base, earlier?.target));
  }
  const manifest = await prepareManifest(to, {
    path: paths.manifest,
    name: imageFile,
    kind: image.kind,
    plan,
    base,
    anew: created,
    checksum: request.checksum ?? false,
    tools,
    onNote: tools.onNote,
  });
  return { node, snapshot, from, cows, image, to, plan, paths, manifest };
}

/** What an earlier run has left, and whether the image is still as its journal says. */
async function earlierRun(
  to: FileHandle | undefined,
  { kind }: Image,
  paths: Scene['paths'],
  full: boolean,
): Promise<{ earlier: JournalState | undefined; intact: boolean }> {
  const earlier = await readJournal(paths.journal);
  if (earlier === undefined || to === undefined) return { earlier, intact: false };
  const identity = await halfwayIdentityOf(to, kind, earlier).catch(() => undefined);
  const intact = earlier.image !== '' && earlier.image === identity;
  // Put back with its manifest, which is that of a whole image.
  if (!intact && !full && (await isWhole(to, kind, paths.manifest))) {
    return { earlier: undefined, intact: false };
  }
  return { earlier, intact };
}

function beginsAnew(image: string, base: bigint | undefined, target: bigint | undefined): string {
  const taken =
    base === undefined
      ? ''
      : `, and taken to be of snapshot ${base}, or between that and ${target}. If it is not, make a full ` +
        'copy (--full)';
  return `the image ${image} was replaced, or written, since its journal was: it is copied from the beginning${taken}`;
}

/** A last partial block counts when the image ends where the device does. */
function keptBlocks({ bytes = 0 }: Image, snapshot: Snapshot): number {
  return bytes >= snapshot.bytes ? Math.ceil(bytes / BLOCK_SIZE) : Math.floor(bytes / BLOCK_SIZE);
}

async function takeLock(handle: FileHandle, { kind, bytes }: Image, path: string): Promise<void> {
  const errno = copyBinding().lock(handle.fd);
  const [name, text] = getSystemErrorMap().get(-errno) ?? [];
  const reason =
    errno === 0
      ? // What was looked at before may have been in the hands of a run that is over now.
        kind === 'file' && (await handle.stat()).size !== (bytes ?? 0)
        ? 'another program writes it'
        : undefined
      : name === 'EAGAIN'
        ? 'another program has locked it'
        : `it cannot be locked: ${name}: ${text}`;
  if (reason === undefined) return;
  throw new UpdateError(
    'ERR_UPDATE_BUSY',
    `cannot update the image ${path}: ${reason}. Wait until the other run is over.`,
  );
}
