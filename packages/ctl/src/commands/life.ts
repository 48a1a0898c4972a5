/** Beginning and end of a device. */
import {
  BLOCK_DEVICE,
  CACHE_SIZE,
  COW_SIZE,
  DEVICE,
  DRY_RUN,
  NEW_COW_FILE,
  NEW_MINOR,
  OLD_COW_FILE,
  SHOW,
} from '../parameters.js';
import { CHANGE } from '../schemas.js';
import { defineCommand } from '../tools.js';

const action = () => import('../actions/life.js');

export const setupSnapshot = defineCommand({
  name: 'setup-snapshot',
  summary: 'Take the first snapshot of a mounted block device',
  description: [
    'The snapshot can be read at `/dev/dattoN` when the command returns. The COW file holds the old content of each block that is written from now on; when it is full, the snapshot is lost, and writes go on undisturbed.',
  ],
  arguments: [BLOCK_DEVICE, NEW_COW_FILE, NEW_MINOR],
  options: [CACHE_SIZE, COW_SIZE, SHOW, DRY_RUN],
  examples: [
    { args: '/dev/sdb1 /mnt/.datto1 0', summary: 'snapshot of /dev/sdb1 at /dev/datto0' },
    {
      args: '--show -f 2GiB /dev/sdb1 /mnt/.datto1',
      summary: 'the same with a COW file of 2 GiB and any free minor, which is printed',
    },
  ],
  output: CHANGE,
  run: async (context) => (await action()).setupSnapshot(context),
});

const RELOAD = {
  arguments: [BLOCK_DEVICE, OLD_COW_FILE, NEW_MINOR],
  options: [CACHE_SIZE, SHOW, DRY_RUN],
  examples: [
    {
      args: '/dev/sdb1 .datto1 0',
      summary: 'the COW file is .datto1 in the root of the file system',
    },
  ],
  output: CHANGE,
} as const;

export const reloadSnapshot = defineCommand({
  ...RELOAD,
  name: 'reload-snapshot',
  summary: 'Take up a snapshot after a reboot, before the device is mounted',
  run: async (context) => (await action()).reload(context, 'snapshot'),
});

export const reloadIncremental = defineCommand({
  ...RELOAD,
  name: 'reload-incremental',
  summary: 'Take up incremental tracking after a reboot, before the device is mounted',
  run: async (context) => (await action()).reload(context, 'incremental'),
});

export const destroy = defineCommand({
  name: 'destroy',
  summary: 'End the tracking of a device and remove its COW file',
  arguments: [DEVICE],
  options: [DRY_RUN],
  examples: [{ args: '0', summary: 'ends /dev/datto0' }],
  output: CHANGE,
  run: async (context) => (await action()).destroy(context),
});
