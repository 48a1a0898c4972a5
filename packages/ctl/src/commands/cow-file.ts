/** COW files, read without the driver. */
import { type Argument, type Option, record } from '@dbd/cli-kit';
import { integer, text } from '../schemas.js';
import { defineCommand } from '../tools.js';

const COW_FILE = {
  name: 'cow file',
  kind: 'file',
  summary: 'COW file that transition-to-snapshot has left',
} as const satisfies Argument;

const DEVICE_SIZE = {
  name: 'device-size',
  kind: 'size',
  unit: 'bytes',
  min: 1n,
  max: BigInt(Number.MAX_SAFE_INTEGER),
  value: 'BYTES',
  summary:
    'size of the device: bytes, or a size such as 20GiB (else that of the tracked device of this series, else what the file has room for)',
} as const satisfies Option;

const FILE = {
  cowFile: text('its path'),
  uuid: text('of the series: 32 hexadecimal digits'),
  seqId: integer('number of the snapshot in its series, from 1'),
  deviceBytes: integer('size of the device'),
  deviceBytesExact: {
    type: 'boolean',
    description: 'false: known from the room in the file alone; the device may end earlier',
  },
} as const;

export const changed = defineCommand({
  name: 'changed',
  summary: 'Print what a COW file says has changed since its snapshot',
  description: [
    'Runs of changed blocks in ascending order, none touching the next. Blocks are of 4096 bytes; the last one of a device may be shorter.',
  ],
  arguments: [COW_FILE],
  options: [
    DEVICE_SIZE,
    {
      name: 'format',
      kind: 'choice',
      choices: ['text', 'csv', 'jsonl'],
      value: 'FORMAT',
      summary: 'text (the default), csv or jsonl, which is the same as --json',
    },
  ],
  examples: [
    { args: '/mnt/.datto1', summary: 'the runs, for people' },
    {
      args: '--format csv --device-size 20GiB /backup/datto1',
      summary: 'the runs as first_block,blocks,offset,bytes, for programs',
    },
  ],
  output: {
    schema: 'dbdctl.changed.v1',
    stream: true,
    json: {
      oneOf: [
        record({ type: { const: 'file' }, ...FILE }),
        record({
          type: { const: 'run' },
          firstBlock: integer('of the run'),
          blocks: integer('in the run'),
          offset: integer('on the device in bytes'),
          bytes: integer('of the device'),
        }),
        record({
          type: { const: 'end' },
          runs: integer('in all'),
          blocks: integer('in all'),
          bytes: integer('in all'),
        }),
      ],
    },
  },
  run: async (context) => (await import('../actions/changed.js')).changed(context),
});

export const inspect = defineCommand({
  name: 'inspect',
  summary: 'Show a COW file: header, what it means, statistics, a map of the device',
  description: [
    'The map shows the device from its beginning to its end; the darker a place, the more of it has changed. With `--html` the same goes to a page that needs nothing else, for a browser.',
  ],
  arguments: [COW_FILE],
  options: [
    DEVICE_SIZE,
    { name: 'html', kind: 'file', value: 'FILE', summary: 'write a page to this file' },
  ],
  examples: [
    { args: '/mnt/.datto1', summary: 'on the terminal' },
    { args: '--html datto1.html /mnt/.datto1', summary: 'as a page' },
  ],
  output: {
    schema: 'dbdctl.inspect.v1',
    json: record({
      ...FILE,
      fileBytes: integer('size of the COW file'),
      header: record({
        flags: record({
          clean: { type: 'boolean', description: 'closed in order' },
          indexOnly: { type: 'boolean', description: 'incremental: an index and no data' },
          driverPrivate: { type: 'boolean', description: "the driver's own" },
          unknown: integer('the other bits'),
        }),
        fpos: integer('next free block of the data area'),
        fsize: integer('size of the file as the driver knew it, in bytes'),
        version: integer('1: changedBlocks is kept'),
        changedBlocks: integer('as the driver counted'),
        extended: { type: 'boolean', description: 'there is data after the named fields' },
      }),
      changed: record({
        blocks: integer('changed blocks in the index'),
        bytes: integer('of the device'),
        runs: integer('of consecutive changed blocks'),
        longestRun: integer('in blocks'),
      }),
      runLengths: {
        type: 'array',
        description: 'runs by length, in powers of two',
        items: record({
          from: integer('blocks of the shortest'),
          to: integer('blocks of the longest'),
          runs: integer('so many'),
          blocks: integer('in these'),
        }),
      },
      map: record({
        blocksPerCell: integer('the last cell may have fewer'),
        cells: {
          type: 'array',
          items: { type: 'integer' },
          description: 'changed blocks in each part of the device',
        },
      }),
      notes: { type: 'array', items: { type: 'string' }, description: 'what is unusual' },
    }),
  },
  run: async (context) => (await import('../actions/inspect.js')).inspect(context),
});
