/** From one mode to the other. */
import type { Command } from '../command.js';
import { COW_SIZE, MINOR, NEW_COW_FILE } from '../parameters.js';

export const transitionToIncremental: Command = {
  name: 'transition-to-incremental',
  summary: 'End the snapshot and go on tracking what changes',
  arguments: [MINOR],
  options: [],
  examples: [['0', '/dev/datto0 is gone; changes since its snapshot are tracked']],
  run: async ({ values, datto }) => (await datto()).transitionToIncremental(values.minor()),
};

export const transitionToSnapshot: Command = {
  name: 'transition-to-snapshot',
  summary: 'Take the next snapshot; the old COW file is left with the map of what changed',
  arguments: [NEW_COW_FILE, MINOR],
  options: [COW_SIZE],
  examples: [['/mnt/.datto2 0', 'next snapshot at /dev/datto0']],
  run: async ({ values, datto }) =>
    (await datto()).transitionToSnapshot({
      cowFile: values.path('cow file'),
      minor: values.minor(),
      fallocateMib: values.number('cow-size'),
    }),
};
