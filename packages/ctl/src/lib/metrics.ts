/** What a monitoring system wants to know of the devices, and the text format it reads. */
import type { Device } from './devices.js';

/** A gauge with its samples, one for each device that has the value. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number | bigint;
}

type Value = number | bigint | undefined;

/** Of each device. Undefined: this device has no such value now. */
const OF_DEVICE: readonly (readonly [name: string, help: string, of: (device: Device) => Value])[] =
  [
    ['error', 'Errno of the first failure; 0: none.', ({ error }) => -error],
    ['snapshot', '1: snapshot mode; 0: incremental.', ({ state }) => Number(state.snapshot)],
    ['active', '1: follows its mounted file system.', ({ state }) => Number(state.active)],
    ['unverified', '1: reloaded, not yet mounted.', ({ state }) => Number(state.unverified)],
    ['size_bytes', 'Size of the tracked device.', ({ originBytes }) => originBytes],
    ['cow_size_bytes', 'Size of the COW file.', ({ verified }) => verified?.cowBytes],
    ['cow_used_bytes', 'Of the COW file of a snapshot, not free.', ({ cow }) => cow?.used],
    [
      'changed_bytes',
      'Changed since the snapshot.',
      ({ verified }) => verified && verified.nrChangedBlocks * 4096n,
    ],
    ['snapshot_seqid', 'Number of the snapshot in its series.', ({ verified }) => verified?.seqid],
    ['index_memory_bytes', 'Most memory for the index.', ({ cacheBytes }) => cacheBytes],
    [
      'auto_expand_step_bytes',
      'What the COW file grows by; 0: it does not.',
      ({ autoExpand }) => (autoExpand?.stepMib ?? 0n) << 20n,
    ],
  ];

/** @param driver undefined: no driver is loaded */
export function metricsOf(
  driver: { readonly version: string; readonly devices: readonly Device[] } | undefined,
): Metric[] {
  const up = gauge('up', '1: the driver is loaded.', [{ labels: {}, value: driver ? 1 : 0 }]);
  if (driver === undefined) return [up];
  const { version, devices } = driver;
  return [
    up,
    gauge('driver_info', 'Version of the interface.', [{ labels: { version }, value: 1 }]),
    gauge(
      'device_info',
      'Tracked devices: where their COW files are, and the series.',
      devices.map((device) => ({
        labels: {
          ...labelsOf(device),
          cow_file: device.cowFile,
          uuid: device.verified?.uuid ?? '',
        },
        value: 1,
      })),
    ),
    ...OF_DEVICE.map(([name, help, of]) =>
      gauge(
        `device_${name}`,
        help,
        devices.flatMap((device) => {
          const value = of(device);
          return value === undefined ? [] : [{ labels: labelsOf(device), value }];
        }),
      ),
    ),
  ].filter(({ samples }) => samples.length > 0);
}

function gauge(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name: `dattobd_${name}`, help, samples };
}

function labelsOf({ minor, blockDevice }: Device): Sample['labels'] {
  return { minor: String(minor), device: blockDevice };
}

/** The text exposition format of Prometheus. */
export function metricsText(metrics: readonly Metric[]): string {
  return metrics
    .map(({ name, help, samples }) =>
      [
        `# HELP ${name} ${help}\n`,
        `# TYPE ${name} gauge\n`,
        ...samples.map(({ labels, value }) => `${name}${labelText(labels)} ${value}\n`),
      ].join(''),
    )
    .join('');
}

function labelText(labels: Sample['labels']): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
