/** What changed between two snapshots: byte ranges of the device, in the order of the device. */
import { open } from 'node:fs/promises';
import { changedRuns, cowLayout, readHeader, requireIncremental, runBytes } from '@dbd/cow-format';
import { handleSource } from '@dbd/cow-format/node';

export async function* listChanges(
  cowFile: string,
  deviceBytes: number,
): AsyncGenerator<{ readonly offset: number; readonly length: number }> {
  const handle = await open(cowFile);
  try {
    const source = await handleSource(handle);
    requireIncremental(await readHeader(source));
    const layout = cowLayout(deviceBytes);
    for await (const run of changedRuns(source, { device: layout })) yield runBytes(layout, run);
  } finally {
    await handle.close();
  }
}
