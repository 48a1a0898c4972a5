/** Two programs to try everything on: one with verbs, one without. */
import {
  commandFactory,
  type NewDeviceRef,
  type Program,
  record,
  UsageError,
} from '../src/index.js';

export interface Tools {
  /** Gets what a command was called with. */
  readonly seen: (command: string, values: unknown) => void;
}

const define = commandFactory<Tools>();

const begin = define({
  name: 'begin',
  summary: 'Begin to watch a device',
  description: ['It says `nothing`. A second sentence is here.'],
  arguments: [
    { name: 'block device', kind: 'block-device', summary: 'the device' },
    { name: 'cow file', kind: 'absolute-path', summary: 'a file' },
    { name: 'minor', kind: 'minor', optional: true, summary: 'its number' },
  ],
  options: [
    {
      name: 'cow-size',
      letter: 'f',
      kind: 'size',
      unit: 'MiB',
      value: 'MIB',
      summary: 'size [of it]',
    },
    { name: 'mode', kind: 'choice', choices: ['fast', 'safe'], value: 'MODE', summary: 'how' },
    { name: 'show', letter: 's', kind: 'flag', summary: 'print the minor' },
    { name: 'tag', letter: 't', kind: 'text', repeated: true, value: 'TAG', summary: 'a word' },
    {
      name: 'many',
      kind: 'new-device',
      repeated: true,
      insteadOfArguments: true,
      value: 'DEV:COW',
      summary: 'several',
      output: { schema: 'demo.many.v1', json: record({ devices: { type: 'integer' } }) },
    },
  ],
  examples: [{ args: '/dev/sdb1 /mnt/a', summary: 'an example' }],
  output: { schema: 'demo.begin.v1', json: record({ minor: { type: 'integer' } }) },
  run: async ({ values, tools, json, out }) => {
    tools.seen('begin', values);
    // The types that the definition gives.
    const minor: number | undefined = values.minor;
    const size: bigint | undefined = values.cowSize;
    const mode: 'fast' | 'safe' | undefined = values.mode;
    values.many satisfies readonly NewDeviceRef[];
    // @ts-expect-error: with --many there are no arguments.
    values.cowFile satisfies string;
    if (json) out.document({ minor: minor ?? 7, size, mode });
    return undefined;
  },
});

const end = define({
  name: 'end',
  summary: 'End it',
  arguments: [{ name: 'device', kind: 'device', summary: 'minor or path' }],
  options: [],
  examples: [],
  run: async ({ values, tools }) => {
    tools.seen('end', values);
    if ('path' in values.device) throw new UsageError('not this one');
    return values.device.minor === 9 ? 'partial copy' : undefined;
  },
});

const around = {
  version: '1.2.3',
  description: ['What it is.'],
  revised: 'November 23, 2026',
  files: [['/etc/demo', 'A file.']],
  environment: [['NO_COLOR', 'No colours.']],
  seeAlso: [['losetup', '8']],
} as const;

export const verbs: Program<Tools> = {
  ...around,
  name: 'demo',
  summary: 'Shows how it is done',
  commands: [begin, end],
};

export const single: Program<Tools> = {
  ...around,
  name: 'demo-copy',
  summary: 'Copies things',
  commands: define({
    name: 'demo-copy',
    summary: 'Copy things',
    arguments: [
      { name: 'from', kind: 'file', summary: 'a file' },
      { name: 'map', kind: 'file', repeated: true, summary: 'files' },
      { name: 'to', kind: 'file', summary: 'a file' },
    ],
    options: [
      { name: 'rate', kind: 'size', unit: 'bytes', value: 'BYTES', summary: 'how fast' },
      { name: 'mode', kind: 'choice', choices: ['a', 'b'], value: 'MODE', summary: 'how' },
    ],
    examples: [{ args: 'a b c', summary: 'copies' }],
    run: async ({ values, tools }) => {
      const maps: readonly string[] = values.map;
      tools.seen('demo-copy', { ...values, maps });
      return undefined;
    },
  }),
};
