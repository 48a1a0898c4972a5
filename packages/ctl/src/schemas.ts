/** What `--json` writes, as far as several commands share it. */
import { type JsonSchema, record } from '@dbd/cli-kit';

export const integer = (description: string): JsonSchema => ({ type: 'integer', description });
export const text = (description: string): JsonSchema => ({ type: 'string', description });

/** The same, or null. */
export function nullable(schema: JsonSchema): JsonSchema {
  return { ...schema, type: [schema.type as string, 'null'] };
}

/** A tracked device. */
export const DEVICE = record({
  minor: integer('N in /dev/dattoN'),
  state: {
    enum: [
      'dormant incremental',
      'dormant snapshot',
      'active incremental',
      'active snapshot',
      'unverified incremental',
      'unverified snapshot',
    ],
  },
  stateCode: { type: 'integer', minimum: 0, maximum: 5, description: 'as in /proc/datto-info' },
  blockDevice: text('the tracked device'),
  blockDeviceBytes: nullable(integer('its size')),
  snapshotDevice: nullable(text('/dev/dattoN; null when there is none')),
  cowFile: text('relative to the root of its file system; as given while unverified'),
  cowBytes: nullable(integer('size of the COW file; null while unverified')),
  cowUsedBytes: nullable(
    integer('of these in use, or not to be used by old blocks; null but in snapshot mode'),
  ),
  cacheBytes: integer('memory for the index'),
  seqId: nullable(integer('number of the snapshot in its series, from 1')),
  uuid: nullable({
    type: 'string',
    pattern: '^[0-9a-f]{32}$',
    description: 'of the series',
  }),
  changedBlocks: nullable(integer('blocks of 4096 bytes changed since the snapshot')),
  autoExpand: nullable(
    record({
      stepMib: integer('growth of one step'),
      reservedMib: integer('what must stay free'),
    }),
  ),
  persistent: {
    type: ['boolean', 'null'],
    description:
      'it is tracked again after a reboot; null: without root, or a mount, not to be seen',
  },
  error: nullable({
    ...record({
      errno: integer("of the device's first failure, positive"),
      code: text('its name, such as EFBIG'),
      reason: text('in words'),
    }),
    description: 'null: the device has not failed',
  }),
});

/** What a command did, or would do. */
export const CHANGE = {
  schema: 'dbdctl.change.v1',
  json: record({
    command: text('the verb'),
    dryRun: { type: 'boolean', description: 'true: nothing was done' },
    minor: integer('of the device'),
    plan: text('what is done, in words'),
    device: {
      oneOf: [{ ...DEVICE, description: 'as it is afterwards' }, { type: 'null' }],
    },
  }),
} as const;

/** The same of several devices at one instant. */
export const GROUP_CHANGE = {
  schema: 'dbdctl.group.v1',
  json: record({
    command: text('the verb'),
    dryRun: { type: 'boolean', description: 'true: nothing was done' },
    plan: text('what is done, in words'),
    freezeOrder: {
      type: 'array',
      items: { type: 'integer' },
      description: 'the minors in the order in which their file systems are frozen',
    },
    members: {
      type: 'array',
      description: 'as they were given',
      items: record({
        minor: integer('of the device'),
        blockDevice: text('as it was given'),
        cowFile: text('as it was given'),
        device: {
          oneOf: [{ ...DEVICE, description: 'as it is afterwards' }, { type: 'null' }],
        },
      }),
    },
  }),
} as const;
