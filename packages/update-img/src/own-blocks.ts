import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { copyBinding } from './binding.js';

/**
 * The blocks of the COW file that a snapshot is kept in: the driver writes there all the time, so what
 * the snapshot device gives for them means nothing, and is not the same twice.
 * @param origin path of the device that the snapshot is of
 * @param cowFile path of the file, relative to the root of the file system on it
 * @returns start and count of runs, in turn; none where the file cannot be found
 */
export async function ownBlocks(origin: string, cowFile: string): Promise<readonly number[]> {
  const device = await stat(origin).catch(() => undefined);
  if (device === undefined) return [];
  for (const mountPoint of await mountPoints(device.rdev)) {
    const handle = await open(join(mountPoint, cowFile), 'r').catch(() => undefined);
    if (handle === undefined) continue;
    try {
      const runs = await extentsOn(handle, device.rdev);
      if (runs !== undefined) return runs;
    } finally {
      await handle.close();
    }
  }
  return [];
}

/** Undefined when the file is not on that device, or its file system cannot tell. */
async function extentsOn(handle: FileHandle, device: number) {
  if ((await handle.stat()).dev !== device) return undefined;
  const runs = copyBinding().extents(handle.fd);
  return typeof runs === 'number' ? undefined : runs;
}

/** Where the root of the file system on a device is mounted. */
async function mountPoints(device: number): Promise<string[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  const found: string[] = [];
  for (const line of text.split('\n')) {
    const [, , , root, mountPoint] = line.split(' ');
    if (root !== '/' || mountPoint === undefined) continue;
    // As mountinfo writes spaces and the like.
    const path = mountPoint.replace(/\\([0-7]{3})/g, (_, digits) =>
      String.fromCharCode(Number.parseInt(digits, 8)),
    );
    if ((await stat(path).catch(() => undefined))?.dev === device) found.push(path);
  }
  return found;
}
