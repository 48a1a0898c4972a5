/** From one mode to the other. */
import { COW_SIZE, DEVICE, DRY_RUN, FORCE, NEW_COW_FILE } from '../parameters.js';
import { CHANGE } from '../schemas.js';
import { defineCommand } from '../tools.js';

const action = () => import('../actions/transition.js');

export const transitionToIncremental = defineCommand({
  name: 'transition-to-incremental',
  summary: 'End the snapshot and go on tracking what changes',
  arguments: [DEVICE],
  options: [FORCE, DRY_RUN],
  examples: [
    { args: '0', summary: '/dev/datto0 is gone; changes since its snapshot are tracked' },
    { args: '--force 0', summary: 'the same after its COW file ran full' },
  ],
  output: CHANGE,
  run: async (context) => (await action()).transitionToIncremental(context),
});

export const transitionToSnapshot = defineCommand({
  name: 'transition-to-snapshot',
  summary: 'Take the next snapshot; the old COW file is left with the map of what changed',
  description: ['A file that is at the path of the new COW file already is replaced.'],
  arguments: [NEW_COW_FILE, DEVICE],
  options: [COW_SIZE, DRY_RUN],
  examples: [{ args: '/mnt/.datto2 0', summary: 'next snapshot at /dev/datto0' }],
  output: CHANGE,
  run: async (context) => (await action()).transitionToSnapshot(context),
});
