/** Questions to the driver; the answer goes to stdout. */
import type { DattoInfo } from '@dbd/ioctl';
import type { Command } from '../command.js';
import { MINOR } from '../parameters.js';

export const getFreeMinor: Command = {
  name: 'get-free-minor',
  summary: 'Print the lowest free minor',
  arguments: [],
  options: [],
  examples: [],
  run: async ({ datto, print }) => print(String(await (await datto()).getFreeMinor())),
};

export const info: Command = {
  name: 'info',
  summary: 'Print the state of a device as JSON, with the keys of /proc/datto-info',
  arguments: [MINOR],
  options: [],
  examples: [['0', 'state of /dev/datto0']],
  run: async ({ values, datto, print }) =>
    print(infoJson(await (await datto()).info(values.minor()))),
};

/** Integers stand bare, however large: JSON.stringify knows no bigint. */
function infoJson(device: DattoInfo): string {
  const fields: [string, string | number | bigint][] = [
    ['minor', device.minor],
    ['cow_file', device.cowFile],
    ['block_device', device.blockDevice],
    ['max_cache', device.cacheBytes],
    ['cow_size_current', device.cowBytes],
    ['seq_id', device.seqid],
    ['uuid', Buffer.from(device.uuid).toString('hex')],
    ['version', device.version],
    ['nr_changed_blocks', device.nrChangedBlocks],
  ];
  if (device.error !== 0) fields.push(['error', device.error]);
  fields.push(['state', device.state.code]);
  const lines = fields.map(
    ([key, value]) => `  "${key}": ${typeof value === 'string' ? JSON.stringify(value) : value}`,
  );
  return `{\n${lines.join(',\n')}\n}`;
}
