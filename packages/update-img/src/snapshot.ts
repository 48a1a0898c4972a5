import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { systemErrorText } from '@dbd/cli-kit';
import type { SnapshotId } from '@dbd/cow-format';
import type { Datto } from '@dbd/ioctl';
import { UpdateError, type UpdateErrorCode } from './error.js';

/** A snapshot device, found but not yet asked about. */
export interface SnapshotNode {
  readonly minor: number;
  /** For reading. */
  readonly open: () => Promise<FileHandle>;
}

/** A snapshot that can be read. */
export interface Snapshot extends SnapshotId {
  /** Size of the device in bytes. */
  readonly bytes: number;
  /** The device that the snapshot is of. */
  readonly origin: string;
  /** The COW file it is kept in, relative to the root of the file system. */
  readonly liveCowFile: string;
}

/**
 * The snapshot device at a path, which may be a link to it.
 * @throws UpdateError ERR_UPDATE_NO_SNAPSHOT
 */
export async function locateSnapshot(path: string): Promise<SnapshotNode> {
  const real = await realpath(path).catch((cause: unknown) => {
    const reason = `${systemErrorText(cause)}, or set the snapshot up first, see: dbdctl help`;
    throw refuse(path, reason, cause, 'ERR_UPDATE_NO_SNAPSHOT');
  });
  const minor = /^\/dev\/datto(\d+)$/.exec(real)?.[1];
  if (minor === undefined || !(await stat(real)).isBlockDevice()) {
    const reason = 'it is not a snapshot device. Give /dev/datto<minor>';
    throw refuse(path, reason, undefined, 'ERR_UPDATE_NO_SNAPSHOT');
  }
  return { minor: Number(minor), open: () => open(real, 'r') };
}

/** @throws UpdateError ERR_UPDATE_SNAPSHOT */
export async function openSnapshot(node: SnapshotNode, path: string): Promise<FileHandle> {
  return node.open().catch((cause: unknown) => {
    throw refuse(path, systemErrorText(cause), cause);
  });
}

/**
 * Requires a snapshot that is active and has not failed.
 * @throws UpdateError ERR_UPDATE_SNAPSHOT; DattoIoctlError
 */
export async function checkSnapshot(datto: Datto, path: string, minor: number): Promise<Snapshot> {
  const info = await datto.info(minor);
  if (info.error !== 0) {
    const failure = await datto.failure(minor).catch(() => null);
    const why = failure?.reason ? `: ${failure.reason}` : '';
    throw refuse(
      path,
      `the snapshot has failed with ${info.errorName} (${info.error})${why}. What it holds is lost: ` +
        `go on with what it tracked (dbdctl transition-to-incremental --force ${minor}), or set it up again and make a full copy`,
    );
  }
  if (!info.state.snapshot || !info.state.active || info.state.unverified) {
    throw refuse(path, `the device is ${info.state.text}. It must be an active snapshot`);
  }
  const bytes = Number(await datto.deviceSize(path));
  if (!Number.isSafeInteger(bytes) || bytes <= 0) throw refuse(path, `its size is ${bytes}`);
  return {
    uuid: info.uuid,
    seqid: info.seqid,
    bytes,
    origin: info.blockDevice,
    liveCowFile: info.cowFile,
  };
}

function refuse(
  path: string,
  reason: string,
  cause?: unknown,
  code: UpdateErrorCode = 'ERR_UPDATE_SNAPSHOT',
): UpdateError {
  return new UpdateError(code, `cannot read the snapshot ${path}: ${reason}.`, { cause });
}
