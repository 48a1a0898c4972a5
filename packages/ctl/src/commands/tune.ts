/** Sizes of a device that exists. */
import type { Argument } from '@dbd/cli-kit';
import { CACHE_SIZE, DEVICE, DRY_RUN, RESERVED_SPACE } from '../parameters.js';
import { CHANGE } from '../schemas.js';
import { defineCommand } from '../tools.js';

const action = () => import('../actions/tune.js');

const GROWTH = {
  name: 'growth',
  label: 'MIB',
  kind: 'size',
  unit: 'MiB',
  summary: 'by how much the COW file grows: MiB, or a size such as 2GiB',
} as const satisfies Argument;

const STEP = {
  name: 'step',
  label: 'STEP_MIB',
  kind: 'size',
  unit: 'MiB',
  summary: 'growth of one step: MiB, or a size (0: no growth)',
} as const satisfies Argument;

export const reconfigure = defineCommand({
  name: 'reconfigure',
  summary: 'Change the memory of the index',
  arguments: [DEVICE],
  options: [CACHE_SIZE, DRY_RUN],
  examples: [{ args: '-c 8MiB 0', summary: '8 MiB for the index of /dev/datto0' }],
  output: CHANGE,
  run: async (context) => (await action()).reconfigure(context),
});

export const expandCowFile = defineCommand({
  name: 'expand-cow-file',
  summary: 'Make the COW file of a snapshot larger',
  arguments: [GROWTH, DEVICE],
  options: [DRY_RUN],
  examples: [{ args: '1GiB 0', summary: '1 GiB more for the COW file of /dev/datto0' }],
  output: CHANGE,
  run: async (context) => (await action()).expandCowFile(context),
});

export const reconfigureAutoExpand = defineCommand({
  name: 'reconfigure-auto-expand',
  summary: 'Let the COW file of a snapshot grow by itself',
  arguments: [STEP, DEVICE],
  options: [RESERVED_SPACE, DRY_RUN],
  examples: [{ args: '-r 2GiB 512MiB 0', summary: 'in steps of 512 MiB while 2 GiB stay free' }],
  output: CHANGE,
  run: async (context) => (await action()).reconfigureAutoExpand(context),
});
