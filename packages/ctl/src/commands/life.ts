/** Beginning and end of a device. */
import {
  BLOCK_DEVICE,
  CACHE_SIZE,
  COW_SIZE,
  DEVICE,
  DRY_RUN,
  GROUP,
  NEW_COW_FILE,
  NEW_MINOR,
  OLD_COW_FILE,
  PERSIST,
  SHOW,
} from '../parameters.js';
import { CHANGE } from '../schemas.js';
import { defineCommand } from '../tools.js';

const action = () => import('../actions/life.js');

export const setupSnapshot = defineCommand({
  name: 'setup-snapshot',
  summary: 'Take the first snapshot of a mounted block device',
  description: [
    'The snapshot can be read at `/dev/dattoN` when the command returns. The COW file holds the old content of each block that is written from now on; when it is full, the snapshot is lost, and writes go on undisturbed. A file that is at its path already is replaced.',
    'With `--group` the snapshots of several devices are of one instant: no write that was begun after another had returned is in one of them without that other. Either all are taken, or none. The sizes are those of each. A device that stands on a file of another, as a loop device does, is frozen before that; the order is found by itself.',
  ],
  arguments: [BLOCK_DEVICE, NEW_COW_FILE, NEW_MINOR],
  options: [CACHE_SIZE, COW_SIZE, SHOW, PERSIST, DRY_RUN, GROUP],
  examples: [
    { args: '/dev/sdb1 /mnt/.datto1 0', summary: 'snapshot of /dev/sdb1 at /dev/datto0' },
    {
      args: '--show -f 2GiB /dev/sdb1 /mnt/.datto1',
      summary: 'the same with a COW file of 2 GiB and any free minor, which is printed',
    },
    {
      args: '--group /dev/sdb1:/mnt/.datto1:0 /dev/sdc1:/srv/.datto1:1',
      summary: 'snapshots of two devices at one instant',
    },
  ],
  output: CHANGE,
  run: async (context) =>
    context.values.group.length > 0
      ? (await import('../actions/group.js')).setupGroup(context)
      : (await action()).setupSnapshot(context),
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
