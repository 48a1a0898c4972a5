/** Beginning and end of a device. */
import type { Command, Context } from '../command.js';
import {
  BLOCK_DEVICE,
  CACHE_SIZE,
  COW_SIZE,
  MINOR,
  NEW_COW_FILE,
  OLD_COW_FILE,
} from '../parameters.js';

export const setupSnapshot: Command = {
  name: 'setup-snapshot',
  summary: 'Take the first snapshot of a mounted block device',
  arguments: [BLOCK_DEVICE, NEW_COW_FILE, MINOR],
  options: [CACHE_SIZE, COW_SIZE],
  examples: [['/dev/sdb1 /mnt/.datto1 0', 'snapshot of /dev/sdb1 at /dev/datto0']],
  run: async ({ values, datto }) =>
    (await datto()).setupSnapshot({
      blockDevice: values.path('block device'),
      cowFile: values.path('cow file'),
      minor: values.minor(),
      cacheBytes: values.number('cache-size'),
      fallocateMib: values.number('cow-size'),
    }),
};

export const reloadSnapshot: Command = {
  name: 'reload-snapshot',
  summary: 'Take up a snapshot after a reboot, before the device is mounted',
  arguments: [BLOCK_DEVICE, OLD_COW_FILE, MINOR],
  options: [CACHE_SIZE],
  examples: [['/dev/sdb1 .datto1 0', 'the COW file is .datto1 in the root of the file system']],
  run: async (context) => (await context.datto()).reloadSnapshot(reloadOptions(context)),
};

export const reloadIncremental: Command = {
  name: 'reload-incremental',
  summary: 'Take up incremental tracking after a reboot, before the device is mounted',
  arguments: [BLOCK_DEVICE, OLD_COW_FILE, MINOR],
  options: [CACHE_SIZE],
  examples: [['/dev/sdb1 .datto1 0', 'the COW file is .datto1 in the root of the file system']],
  run: async (context) => (await context.datto()).reloadIncremental(reloadOptions(context)),
};

export const destroy: Command = {
  name: 'destroy',
  summary: 'End the tracking of a device and remove its COW file',
  arguments: [MINOR],
  options: [],
  examples: [['0', 'ends /dev/datto0']],
  run: async ({ values, datto }) => (await datto()).destroy(values.minor()),
};

function reloadOptions({ values }: Context) {
  return {
    blockDevice: values.path('block device'),
    cowFile: values.path('cow file'),
    minor: values.minor(),
    cacheBytes: values.number('cache-size'),
  };
}
