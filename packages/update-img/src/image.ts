import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import type { Datto } from '@dbd/ioctl';
import { messageOf, UpdateError } from './error.js';

/** What the image is to be a copy of, and what it must not be. */
export interface ImageDemands {
  /** Size of the device. */
  readonly bytes: number;
  readonly snapshotDevice: string;
  /** The device that the snapshot is of. */
  readonly origin: string;
  readonly cowFile: string;
}

/**
 * Opens the image for writing; never makes one, as a new one would lack all that did not change.
 * @throws UpdateError ERR_UPDATE_IMAGE
 */
export async function openImage(
  datto: Datto,
  path: string,
  demands: ImageDemands,
): Promise<FileHandle> {
  const stats = await stat(path).catch((cause: unknown) => {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw refuse(
      path,
      missing ? `it does not exist. ${firstCopy(path, demands)}` : messageOf(cause),
    );
  });
  if (!stats.isFile() && !stats.isBlockDevice()) {
    throw refuse(path, 'it is neither a regular file nor a block device');
  }
  for (const [other, what] of [
    [demands.snapshotDevice, 'the snapshot itself'],
    [demands.origin, 'the device that the snapshot is of'],
    [demands.cowFile, 'the COW file'],
  ] as const) {
    if (await isSame(stats, other)) throw refuse(path, `it is ${what}. Name the copy to update`);
  }
  await checkSize(datto, path, stats, demands);
  // A block device that is mounted or otherwise taken refuses O_EXCL.
  const flags = constants.O_RDWR | (stats.isBlockDevice() ? constants.O_EXCL : 0);
  return open(path, flags).catch((cause: unknown) => {
    throw refuse(path, messageOf(cause), cause);
  });
}

async function checkSize(
  datto: Datto,
  path: string,
  stats: Stats,
  demands: ImageDemands,
): Promise<void> {
  if (stats.isBlockDevice()) {
    const bytes = Number(await datto.deviceSize(path));
    if (bytes >= demands.bytes) return;
    throw refuse(path, `it has ${bytes} bytes, the snapshot ${demands.bytes}. Use a larger device`);
  }
  if (stats.size === demands.bytes) return;
  throw refuse(
    path,
    `it has ${stats.size} bytes, the snapshot ${demands.bytes}, so it is no copy of this device. ${firstCopy(path, demands)}`,
  );
}

async function isSame(stats: Stats, path: string): Promise<boolean> {
  const other = await stat(path).catch(() => undefined);
  if (other === undefined) return false;
  if (stats.isBlockDevice() && other.isBlockDevice()) return stats.rdev === other.rdev;
  return stats.dev === other.dev && stats.ino === other.ino;
}

function firstCopy(path: string, { snapshotDevice }: ImageDemands): string {
  return `Make a full copy first: dd if=${snapshotDevice} of=${path} bs=1M conv=fsync`;
}

function refuse(path: string, reason: string, cause?: unknown): UpdateError {
  return new UpdateError('ERR_UPDATE_IMAGE', `cannot update the image ${path}: ${reason}.`, cause);
}
