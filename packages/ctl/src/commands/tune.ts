/** Sizes of a device that exists. */
import type { Argument, Command } from '../command.js';
import { CACHE_SIZE, MINOR, RESERVED_SPACE } from '../parameters.js';

const MIB: Argument = {
  name: 'MIB',
  kind: 'number',
  summary: 'by how much the COW file grows, in MiB',
};

const STEP_MIB: Argument = {
  name: 'STEP_MIB',
  kind: 'number',
  summary: 'growth of one step in MiB (0: no growth)',
};

export const reconfigure: Command = {
  name: 'reconfigure',
  summary: 'Change the memory of the index',
  arguments: [MINOR],
  options: [CACHE_SIZE],
  examples: [['-c 8388608 0', '8 MiB for the index of /dev/datto0']],
  run: async ({ values, datto }) =>
    (await datto()).reconfigure({
      minor: values.minor(),
      cacheBytes: values.number('cache-size'),
    }),
};

export const expandCowFile: Command = {
  name: 'expand-cow-file',
  summary: 'Make the COW file of a snapshot larger',
  arguments: [MIB, MINOR],
  options: [],
  examples: [['1024 0', '1 GiB more for the COW file of /dev/datto0']],
  run: async ({ values, datto }) =>
    (await datto()).expandCowFile({ mib: values.number('MIB') ?? 0n, minor: values.minor() }),
};

export const reconfigureAutoExpand: Command = {
  name: 'reconfigure-auto-expand',
  summary: 'Let the COW file of a snapshot grow by itself',
  arguments: [STEP_MIB, MINOR],
  options: [RESERVED_SPACE],
  examples: [['-r 2048 512 0', 'in steps of 512 MiB while 2 GiB stay free']],
  run: async ({ values, datto }) =>
    (await datto()).reconfigureAutoExpand({
      stepMib: values.number('STEP_MIB') ?? 0n,
      reservedMib: values.number('reserved-space'),
      minor: values.minor(),
    }),
};
