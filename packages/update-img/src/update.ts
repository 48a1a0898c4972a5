import type { FileHandle } from 'node:fs/promises';
import { cowLayout } from '@dbd/cow-format';
import type { Datto } from '@dbd/ioctl';
import { type Copied, copyChanged } from './copy.js';
import { openCowFile } from './cow-file.js';
import { messageOf, UpdateError } from './error.js';
import { openImage } from './image.js';
import { checkSnapshot, locateSnapshot, type SnapshotNode } from './snapshot.js';

export interface UpdateRequest {
  /** /dev/datto<minor>. */
  readonly snapshotDevice: string;
  /** The file that the snapshot's predecessor left. */
  readonly cowFile: string;
  /** A full copy of the predecessor; file or block device. */
  readonly imageFile: string;
}

export interface UpdateTools {
  readonly datto: Datto;
  /** Finds the snapshot device; tests have another way than /dev. */
  readonly locate?: (path: string) => Promise<SnapshotNode>;
  /** Called after each piece; `expected` is how many bytes the COW file's header leads to expect. */
  readonly onProgress?: (copied: Copied, expected: number | undefined) => void;
}

/**
 * Makes an image that equals the snapshot before this one equal this one. Nothing is written
 * before all is checked; on return all is on the disk.
 * @throws UpdateError; DattoIoctlError when the driver cannot be asked
 */
export async function updateImage(request: UpdateRequest, tools: UpdateTools): Promise<Copied> {
  const { snapshotDevice, cowFile, imageFile } = request;
  const { datto } = tools;
  const handles: FileHandle[] = [];
  try {
    const node = await (tools.locate ?? locateSnapshot)(snapshotDevice);
    // Open before it is asked about: while it is open, the driver keeps the snapshot.
    const from = await openSnapshot(node, snapshotDevice);
    handles.push(from);
    const snapshot = await checkSnapshot(datto, snapshotDevice, node.minor);
    const cow = await openCowFile(datto, cowFile, snapshot, snapshot.bytes);
    handles.push(cow.handle);
    const to = await openImage(datto, imageFile, { ...request, ...snapshot });
    handles.push(to);
    const expected =
      cow.header.version >= 1n ? Number(cow.header.nrChangedBlocks) * 4096 : undefined;
    const copied = await copyChanged({
      map: cow.source,
      layout: cowLayout(snapshot.bytes),
      from,
      to,
      names: { cowFile, from: snapshotDevice, to: imageFile },
      onProgress: (so) => tools.onProgress?.(so, expected),
    });
    await finish(to, imageFile);
    handles.pop();
    // A snapshot that failed meanwhile may have given wrong bytes at the very end.
    await checkSnapshot(datto, snapshotDevice, node.minor);
    return copied;
  } finally {
    await Promise.allSettled(handles.map((handle) => handle.close()));
  }
}

async function openSnapshot(node: SnapshotNode, path: string): Promise<FileHandle> {
  return node.open().catch((cause: unknown) => {
    const message = `cannot read the snapshot ${path}: ${messageOf(cause)}.`;
    throw new UpdateError('ERR_UPDATE_SNAPSHOT', message, cause);
  });
}

/** Brings the image to the disk; an error of close counts, as a late write error may come there. */
export async function finish(
  image: Pick<FileHandle, 'sync' | 'close'>,
  path: string,
): Promise<void> {
  try {
    await image.sync();
    await image.close();
  } catch (cause) {
    const message = `cannot bring the image ${path} to the disk: ${messageOf(cause)}.`;
    throw new UpdateError('ERR_UPDATE_SYNC', message, cause);
  }
}
