/** Beginning and end of a device. */
import {
  BLOCK_DEVICE,
  CACHE_SIZE,
  COW_SIZE,
  MINOR,
  NEW_COW_FILE,
  OLD_COW_FILE,
} from '../parameters.js';
import { defineCommand } from '../tools.js';

export const setupSnapshot = defineCommand({
  name: 'setup-snapshot',
  summary: 'Take the first snapshot of a mounted block device',
  arguments: [BLOCK_DEVICE, NEW_COW_FILE, MINOR],
  options: [CACHE_SIZE, COW_SIZE],
  examples: [{ args: '/dev/sdb1 /mnt/.datto1 0', summary: 'snapshot of /dev/sdb1 at /dev/datto0' }],
  run: async ({ values, tools }) => {
    await (await tools.datto()).setupSnapshot({
      ...values,
      cacheBytes: values.cacheSize,
      fallocateMib: values.cowSize,
    });
    return undefined;
  },
});

export const reloadSnapshot = defineCommand({
  name: 'reload-snapshot',
  summary: 'Take up a snapshot after a reboot, before the device is mounted',
  arguments: [BLOCK_DEVICE, OLD_COW_FILE, MINOR],
  options: [CACHE_SIZE],
  examples: [
    {
      args: '/dev/sdb1 .datto1 0',
      summary: 'the COW file is .datto1 in the root of the file system',
    },
  ],
  run: async ({ values, tools }) => {
    await (await tools.datto()).reloadSnapshot({ ...values, cacheBytes: values.cacheSize });
    return undefined;
  },
});

export const reloadIncremental = defineCommand({
  name: 'reload-incremental',
  summary: 'Take up incremental tracking after a reboot, before the device is mounted',
  arguments: [BLOCK_DEVICE, OLD_COW_FILE, MINOR],
  options: [CACHE_SIZE],
  examples: [
    {
      args: '/dev/sdb1 .datto1 0',
      summary: 'the COW file is .datto1 in the root of the file system',
    },
  ],
  run: async ({ values, tools }) => {
    await (await tools.datto()).reloadIncremental({ ...values, cacheBytes: values.cacheSize });
    return undefined;
  },
});

export const destroy = defineCommand({
  name: 'destroy',
  summary: 'End the tracking of a device and remove its COW file',
  arguments: [MINOR],
  options: [],
  examples: [{ args: '0', summary: 'ends /dev/datto0' }],
  run: async ({ values, tools }) => {
    await (await tools.datto()).destroy(values.minor);
    return undefined;
  },
});
