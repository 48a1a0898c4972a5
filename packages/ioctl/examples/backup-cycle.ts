/** One round of an incremental backup: from a snapshot to the next. */
import type { Datto } from '@dbd/ioctl';

/**
 * @param copy reads /dev/datto<minor>; all of it, or what the COW file says has changed
 * @returns the COW file with the map of what changed between the two snapshots
 */
export async function nextSnapshot(
  datto: Datto,
  minor: number,
  newCowFile: string,
  copy: (device: string, map?: string) => Promise<void>,
): Promise<string> {
  const { cowFile } = await datto.info(minor);
  // From here on changes are tracked; /dev/datto<minor> is gone.
  await datto.transitionToIncremental(minor);
  // ... hours pass ...
  await datto.transitionToSnapshot({ minor, cowFile: newCowFile });
  await copy(`/dev/datto${minor}`, cowFile);
  return cowFile;
}
