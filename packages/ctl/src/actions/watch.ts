import {
  cut,
  formatBytes,
  formatDuration,
  formatRate,
  formatTable,
  LiveLines,
  printable,
} from '@dbd/cli-kit';
import { type Device, deviceJson, readDevices } from '../lib/devices.js';
import { Rates } from '../lib/rates.js';
import type { Context } from '../tools.js';
import { changedText, failureLines } from './query.js';

interface WatchValues {
  readonly interval: bigint | undefined;
  readonly count: bigint | undefined;
}

export async function watch(context: Context<WatchValues>) {
  const { values, json, out, tools, signal } = context;
  const { interval = 2n, count } = values;
  const datto = await tools.datto();
  const rates = new Rates();
  const live = new LiveLines(out.stdout);
  for (let look = 1n; !signal.aborted; look++) {
    const now = tools.clock.now();
    const devices = await readDevices(datto, tools);
    rates.add(now, devices);
    if (json) out.record(jsonOf(now, devices, rates));
    else if (out.stdout.isTTY) live.show(tableOf(context, devices, rates));
    else out.print(`${isoTime(now)}\n${tableOf(context, devices, rates).join('\n')}\n`);
    await out.drained();
    if (look === count) break;
    await tools.clock.sleep(Number(interval) * 1000, signal);
  }
  return undefined;
}

function tableOf({ out }: Context<unknown>, devices: readonly Device[], rates: Rates): string[] {
  if (devices.length === 0) return ['No device is tracked.'];
  const rows = devices.map((device) => {
    const { rate, untilFull } = rates.of(device);
    const { cow, verified, errorName } = device;
    return [
      String(device.minor),
      printable(device.blockDevice),
      errorName === null
        ? device.state.text
        : out.paint('red', `${device.state.text}, ${errorName}`),
      cow === undefined ? '-' : `${Math.floor((cow.used / cow.size) * 100)} %`,
      untilFull === undefined ? '-' : urgency(out.paint, untilFull),
      verified === undefined ? '-' : String(verified.nrChangedBlocks),
      changedText(device),
      rate === undefined ? '-' : formatRate(rate),
      cow === undefined ? '-' : formatBytes(cow.size),
    ];
  });
  const columns = [
    { title: 'MINOR', align: 'right' },
    { title: 'DEVICE' },
    { title: 'STATE', priority: 6 },
    { title: 'COW', align: 'right' },
    { title: 'FULL IN', align: 'right', priority: 5 },
    { title: 'BLOCKS', align: 'right', priority: 1 },
    { title: 'CHANGED', align: 'right', priority: 4 },
    { title: 'RATE', align: 'right', priority: 3 },
    { title: 'COW SIZE', align: 'right', priority: 2 },
  ] as const;
  const table = formatTable(columns, rows, out.tableWidth, (text) => out.paint('bold', text));
  return [...table, ...failureLines(devices).map((line) => cut(line, out.tableWidth))];
}

function urgency(paint: Context<unknown>['out']['paint'], seconds: number): string {
  const text = formatDuration(seconds);
  return seconds < 600 ? paint('red', text) : seconds < 3600 ? paint('yellow', text) : text;
}

function jsonOf(now: number, devices: readonly Device[], rates: Rates) {
  return {
    time: isoTime(now),
    devices: devices.map((device) => {
      const { rate, untilFull } = rates.of(device);
      return {
        device: deviceJson(device),
        changedBytesPerSecond: rate ?? null,
        secondsUntilFull: untilFull ?? null,
      };
    }),
  };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
