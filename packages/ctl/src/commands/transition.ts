/** From one mode to the other. */
import { COW_SIZE, MINOR, NEW_COW_FILE } from '../parameters.js';
import { defineCommand } from '../tools.js';

export const transitionToIncremental = defineCommand({
  name: 'transition-to-incremental',
  summary: 'End the snapshot and go on tracking what changes',
  arguments: [MINOR],
  options: [],
  examples: [{ args: '0', summary: '/dev/datto0 is gone; changes since its snapshot are tracked' }],
  run: async ({ values, tools }) => {
    await (await tools.datto()).transitionToIncremental(values.minor);
    return undefined;
  },
});

export const transitionToSnapshot = defineCommand({
  name: 'transition-to-snapshot',
  summary: 'Take the next snapshot; the old COW file is left with the map of what changed',
  arguments: [NEW_COW_FILE, MINOR],
  options: [COW_SIZE],
  examples: [{ args: '/mnt/.datto2 0', summary: 'next snapshot at /dev/datto0' }],
  run: async ({ values, tools }) => {
    const { cowFile, minor, cowSize } = values;
    await (await tools.datto()).transitionToSnapshot({ cowFile, minor, fallocateMib: cowSize });
    return undefined;
  },
});
