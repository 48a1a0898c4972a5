/** Questions to the driver; the answer goes to stdout. */
import { record } from '@dbd/cli-kit';
import { MINOR } from '../parameters.js';
import { defineCommand } from '../tools.js';

export const getFreeMinor = defineCommand({
  name: 'get-free-minor',
  summary: 'Print the lowest free minor',
  arguments: [],
  options: [],
  examples: [{ args: '', summary: 'the minor that the next device would get' }],
  output: {
    schema: 'dbdctl.get-free-minor.v1',
    json: record({ minor: { type: 'integer', description: 'lowest free minor' } }),
  },
  run: async ({ json, out, tools }) => {
    const minor = await (await tools.datto()).getFreeMinor();
    if (json) out.document({ minor });
    else out.print(String(minor));
    return undefined;
  },
});

const integer = (description: string) => ({ type: 'integer', description });

export const info = defineCommand({
  name: 'info',
  summary: 'Print the state of a device as JSON, with the keys of /proc/datto-info',
  arguments: [MINOR],
  options: [],
  examples: [{ args: '0', summary: 'state of /dev/datto0' }],
  output: {
    schema: 'dbdctl.info.v1',
    json: record(
      {
        minor: integer('N in /dev/dattoN'),
        cow_file: { type: 'string' },
        block_device: { type: 'string' },
        max_cache: integer('memory for the index in bytes'),
        cow_size_current: integer('present size of the COW file in bytes'),
        seq_id: integer('number of the snapshot in its series, from 1'),
        uuid: { type: 'string', pattern: '^[0-9a-f]{32}$' },
        version: integer("of the COW file's header"),
        nr_changed_blocks: integer('blocks changed since the snapshot'),
        error: integer("negative errno of the device's first failure; only when it failed"),
        state: integer('0..5, as in /proc/datto-info'),
      },
      ['error'],
    ),
  },
  run: async ({ values, out, tools }) => {
    const device = await (await tools.datto()).info(values.minor);
    out.document({
      minor: device.minor,
      cow_file: device.cowFile,
      block_device: device.blockDevice,
      max_cache: device.cacheBytes,
      cow_size_current: device.cowBytes,
      seq_id: device.seqid,
      uuid: Buffer.from(device.uuid).toString('hex'),
      version: device.version,
      nr_changed_blocks: device.nrChangedBlocks,
      error: device.error === 0 ? undefined : device.error,
      state: device.state.code,
    });
    return undefined;
  },
});
