/** Questions; the answer goes to stdout. */
import { record } from '@dbd/cli-kit';
import { DEVICE as DEVICE_ARGUMENT } from '../parameters.js';
import { DEVICE, integer, nullable, text } from '../schemas.js';
import { defineCommand } from '../tools.js';

const action = () => import('../actions/query.js');

export const list = defineCommand({
  name: 'list',
  summary: 'Show all tracked devices',
  description: ['It needs no root, and no column is wider than the terminal.'],
  arguments: [],
  options: [],
  examples: [{ args: '', summary: 'a line for each device' }],
  output: {
    schema: 'dbdctl.list.v1',
    json: record({
      driverVersion: text('version of the interface'),
      devices: { type: 'array', items: DEVICE },
    }),
  },
  run: async (context) => (await action()).list(context),
});

export const info = defineCommand({
  name: 'info',
  summary: 'Show all that is known of a device',
  arguments: [DEVICE_ARGUMENT],
  options: [],
  examples: [
    { args: '0', summary: 'state of /dev/datto0' },
    { args: '--json /dev/sdb1', summary: 'the same as JSON, by the tracked device' },
  ],
  output: { schema: 'dbdctl.info.v1', json: record({ device: DEVICE }) },
  run: async (context) => (await action()).info(context),
});

export const watch = defineCommand({
  name: 'watch',
  summary: 'Show the devices over and over: state, COW file, changes and how fast they come',
  description: [
    'On a terminal the table is drawn over and over; elsewhere a table follows the other. The time until the COW file is full is estimated from the rate of the last samples. Interrupt it to end it.',
  ],
  arguments: [],
  options: [
    {
      name: 'interval',
      letter: 'n',
      kind: 'number',
      min: 1n,
      max: 86_400n,
      value: 'SECONDS',
      summary: 'time between two looks (2 when left out)',
    },
    { name: 'count', kind: 'number', min: 1n, value: 'N', summary: 'end after so many looks' },
  ],
  examples: [{ args: '-n 5', summary: 'looks every five seconds' }],
  output: {
    schema: 'dbdctl.watch.v1',
    stream: true,
    json: record({
      time: text('of the look, ISO 8601 in UTC'),
      devices: {
        type: 'array',
        items: record({
          device: DEVICE,
          changedBytesPerSecond: nullable({
            type: 'number',
            description: 'null at the first look',
          }),
          secondsUntilFull: nullable({
            type: 'number',
            description: 'at that rate; null when nothing grows, or it is no snapshot',
          }),
        }),
      },
    }),
  },
  run: async (context) => (await import('../actions/watch.js')).watch(context),
});

export const metrics = defineCommand({
  name: 'metrics',
  summary: 'Print metrics of all devices for Prometheus',
  description: [
    "The text format, for node_exporter's textfile collector. Without a loaded driver there is one metric, `dattobd_up 0`, and that is no failure. It needs no root; without, all but the reason of a failure is known.",
  ],
  arguments: [],
  options: [
    {
      name: 'output',
      letter: 'o',
      kind: 'file',
      value: 'FILE',
      summary: 'write them to this file, which is replaced at once as a whole',
    },
  ],
  examples: [
    { args: '', summary: 'on the terminal' },
    {
      args: '-o /var/lib/prometheus/node-exporter/dattobd.prom',
      summary: 'for the textfile collector, from a timer',
    },
  ],
  output: {
    schema: 'dbdctl.metrics.v1',
    json: record({
      metrics: {
        type: 'array',
        items: record({
          name: text('of a gauge'),
          help: text('what it is'),
          samples: {
            type: 'array',
            items: record({
              labels: { type: 'object', additionalProperties: { type: 'string' } },
              value: { type: 'number' },
            }),
          },
        }),
      },
    }),
  },
  run: async (context) => (await import('../actions/metrics.js')).metrics(context),
});

export const getFreeMinor = defineCommand({
  name: 'get-free-minor',
  summary: 'Print the lowest free minor',
  arguments: [],
  options: [],
  examples: [{ args: '', summary: 'the minor that the next device would get' }],
  output: {
    schema: 'dbdctl.get-free-minor.v1',
    json: record({ minor: integer('lowest free minor') }),
  },
  run: async (context) => (await action()).getFreeMinor(context),
});
