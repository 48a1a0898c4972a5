import { type FileHandle, open } from 'node:fs/promises';
import {
  type CowHeader,
  cowLayout,
  readHeader,
  requireIncremental,
  requirePredecessor,
  requireWholeIndex,
  type SnapshotId,
  type Source,
} from '@dbd/cow-format';
import { handleSource } from '@dbd/cow-format/node';
import type { Datto } from '@dbd/ioctl';
import { messageOf, UpdateError } from './error.js';

/** The map of what changed. */
export interface CowFile {
  readonly handle: FileHandle;
  readonly source: Source;
  readonly header: CowHeader;
}

/**
 * Opens the COW file that leads to a snapshot, and no other.
 * @param bytes size of the device
 * @throws UpdateError ERR_UPDATE_COW, with the CowFormatError as cause
 */
export async function openCowFile(
  datto: Datto,
  path: string,
  snapshot: SnapshotId,
  bytes: number,
): Promise<CowFile> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const { fd } = handle;
    if (!(await handle.stat()).isFile()) throw new Error('it is not a regular file');
    const source = await handleSource(handle, { seekData: (offset) => datto.seekData(fd, offset) });
    const header = await readHeader(source);
    requireIncremental(header);
    requirePredecessor(header, snapshot);
    requireWholeIndex(cowLayout(bytes), source.size);
    return { handle, source, header };
  } catch (cause) {
    await handle?.close();
    throw cowError(path, cause);
  }
}

/** Puts the path before a reason that does not have it. */
export function cowError(path: string, cause: unknown): UpdateError {
  const reason = messageOf(cause).replace(/\.$/, '');
  return new UpdateError('ERR_UPDATE_COW', `cannot use the COW file ${path}: ${reason}.`, cause);
}
