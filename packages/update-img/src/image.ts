import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemErrorText } from '@dbd/cli-kit';
import type { Datto } from '@dbd/ioctl';
import { deviceId, isMadeOf, liesOn } from './block-stack.js';
import { codeOf, UpdateError } from './error.js';
import { syncDirectory } from './sync.js';

/** What the image is to be a copy of, and what it must not be. */
export interface ImageDemands {
  /** Size of the device. */
  readonly bytes: number;
  readonly snapshotDevice: string;
  /** The device that the snapshot is of. */
  readonly origin: string;
  readonly cowFiles: readonly string[];
  /** It need not exist, or hold anything. */
  readonly full: boolean;
  readonly resize: boolean;
}

/** An image that may be written. */
export interface Image {
  /** Without links. */
  readonly path: string;
  readonly kind: 'file' | 'block device';
  /** Its size; undefined: it does not exist. */
  readonly bytes: number | undefined;
  /** Of a block device, see {@link deviceId}. */
  readonly id?: string | undefined;
}

/**
 * Looks at the image and changes nothing.
 * @throws UpdateError ERR_UPDATE_IMAGE
 */
export async function inspectImage(
  datto: Datto,
  given: string,
  demands: ImageDemands,
): Promise<Image> {
  const stats = await stat(given).catch((cause: unknown) => {
    if (codeOf(cause) === 'ENOENT') return undefined;
    throw refuse(given, systemErrorText(cause), cause);
  });
  if (stats === undefined) {
    if (!demands.full) throw refuse(given, `it does not exist. ${firstCopy(given, demands)}`);
    const directory = await realpath(dirname(given)).catch((cause: unknown) => {
      throw refuse(given, systemErrorText(cause), cause);
    });
    await checkPlace(given, (await stat(directory)).dev, demands);
    return { path: join(directory, basename(given)), kind: 'file', bytes: undefined };
  }
  if (!stats.isFile() && !stats.isBlockDevice()) {
    const reason = 'it is neither a regular file nor a block device. Name the copy to update';
    throw refuse(given, reason);
  }
  for (const [other, what] of [
    [demands.snapshotDevice, 'the snapshot itself'],
    [demands.origin, 'the device that the snapshot is of'],
    ...demands.cowFiles.map((path) => [path, 'a COW file'] as const),
  ] as const) {
    if (await isSame(stats, other)) throw refuse(given, `it is ${what}. Name the copy to update`);
  }
  await checkPlace(given, stats.isBlockDevice() ? stats.rdev : stats.dev, demands);
  const origin = await stat(demands.origin).catch(() => undefined);
  if (origin !== undefined && (await isMadeOf(origin.rdev, stats))) {
    throw refuse(
      given,
      `${demands.origin}, the device that the snapshot is of, stands on it. Name the copy to update`,
    );
  }
  const kind = stats.isFile() ? 'file' : 'block device';
  const bytes = stats.isFile() ? stats.size : Number(await datto.deviceSize(given));
  const id = stats.isBlockDevice() ? await deviceId(stats.rdev) : undefined;
  const image = { path: await realpath(given), kind, bytes, id } as const;
  checkSize(given, image, demands);
  return image;
}

/**
 * Opens the image for writing, the same that was looked at; makes one where there was none.
 * @throws UpdateError ERR_UPDATE_IMAGE
 */
export async function openImage({ path, kind, bytes }: Image): Promise<FileHandle> {
  const { O_RDWR, O_EXCL, O_CREAT } = constants;
  // A block device that is mounted or otherwise taken refuses O_EXCL.
  const how =
    bytes === undefined ? O_RDWR | O_CREAT | O_EXCL : kind === 'file' ? O_RDWR : O_RDWR | O_EXCL;
  try {
    const handle = await open(path, how, 0o600);
    if (bytes === undefined) await syncDirectory(dirname(path));
    return handle;
  } catch (cause) {
    throw refuse(path, systemErrorText(cause), cause);
  }
}

/** Writing to the origin while it is copied would fill its COW file with the image's old blocks. */
async function checkPlace(path: string, device: number, demands: ImageDemands): Promise<void> {
  const origin = await stat(demands.origin).catch(() => undefined);
  if (origin === undefined || !(await liesOn(device, origin.rdev))) return;
  throw refuse(
    path,
    `it is on ${demands.origin}, the device that the snapshot is of: each block written there would ` +
      'go into the COW file. Keep the image on another device',
  );
}

function checkSize(path: string, { kind, bytes }: Image, demands: ImageDemands): void {
  if (bytes === demands.bytes || bytes === undefined) return;
  const sizes = `it has ${bytes} bytes, the snapshot ${demands.bytes}`;
  if (kind === 'block device' && bytes < demands.bytes) {
    throw refuse(path, `${sizes}. Use a larger device`);
  }
  if (demands.resize || (demands.full && kind === 'file' && bytes === 0)) return;
  if (kind === 'block device') {
    throw refuse(path, `${sizes}. With --resize only its first ${demands.bytes} bytes are used`);
  }
  throw refuse(
    path,
    `${sizes}, so it seems to be no copy of this device. If it is one, use --resize. ` +
      `Otherwise: ${firstCopy(path, demands)}`,
  );
}

async function isSame(stats: Stats, path: string): Promise<boolean> {
  const other = await stat(path).catch(() => undefined);
  if (other === undefined) return false;
  if (stats.isBlockDevice() && other.isBlockDevice()) return stats.rdev === other.rdev;
  return stats.dev === other.dev && stats.ino === other.ino;
}

function firstCopy(path: string, { snapshotDevice }: ImageDemands): string {
  return `Make a full copy first: update-img --full ${snapshotDevice} ${path}`;
}

function refuse(path: string, reason: string, cause?: unknown): UpdateError {
  const message = `cannot update the image ${path}: ${reason}.`;
  return new UpdateError('ERR_UPDATE_IMAGE', message, { cause });
}
