/** Sizes of a device that exists. */
import type { Argument } from '@dbd/cli-kit';
import { CACHE_SIZE, MINOR, RESERVED_SPACE } from '../parameters.js';
import { defineCommand } from '../tools.js';

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
  arguments: [MINOR],
  options: [CACHE_SIZE],
  examples: [{ args: '-c 8MiB 0', summary: '8 MiB for the index of /dev/datto0' }],
  run: async ({ values, tools }) => {
    const { minor, cacheSize } = values;
    await (await tools.datto()).reconfigure({ minor, cacheBytes: cacheSize });
    return undefined;
  },
});

export const expandCowFile = defineCommand({
  name: 'expand-cow-file',
  summary: 'Make the COW file of a snapshot larger',
  arguments: [GROWTH, MINOR],
  options: [],
  examples: [{ args: '1GiB 0', summary: '1 GiB more for the COW file of /dev/datto0' }],
  run: async ({ values, tools }) => {
    await (await tools.datto()).expandCowFile({ mib: values.growth, minor: values.minor });
    return undefined;
  },
});

export const reconfigureAutoExpand = defineCommand({
  name: 'reconfigure-auto-expand',
  summary: 'Let the COW file of a snapshot grow by itself',
  arguments: [STEP, MINOR],
  options: [RESERVED_SPACE],
  examples: [{ args: '-r 2GiB 512MiB 0', summary: 'in steps of 512 MiB while 2 GiB stay free' }],
  run: async ({ values, tools }) => {
    const { step, minor, reservedSpace } = values;
    const options = { stepMib: step, reservedMib: reservedSpace, minor };
    await (await tools.datto()).reconfigureAutoExpand(options);
    return undefined;
  },
});
