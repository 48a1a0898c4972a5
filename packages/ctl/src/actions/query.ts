import { type DeviceRef, formatBytes, formatTable, plural, printable } from '@dbd/cli-kit';
import { type Device, deviceJson, findDevice, readDevices } from '../lib/devices.js';
import type { Context } from '../tools.js';

export async function list({ json, out, tools }: Context<unknown>) {
  const datto = await tools.datto();
  const devices = await readDevices(datto, tools);
  if (json) {
    const { version } = await datto.status();
    out.document({ driverVersion: version, devices: devices.map(deviceJson) });
  } else if (devices.length === 0) {
    out.note('No device is tracked. Begin with: dbdctl setup-snapshot <block device> <cow file>');
  } else {
    const rows = devices.map((device) => [
      String(device.minor),
      printable(device.blockDevice),
      device.errorName === null
        ? device.state.text
        : out.paint('red', `${device.state.text}, ${device.errorName}`),
      cowShort(device),
      changedText(device),
      String(device.verified?.seqid ?? '-'),
      printable(device.cowFile),
    ]);
    const columns = [
      { title: 'MINOR', align: 'right' },
      { title: 'DEVICE' },
      { title: 'STATE' },
      { title: 'COW', align: 'right', priority: 4 },
      { title: 'CHANGED', align: 'right', priority: 3 },
      { title: 'SEQ', align: 'right', priority: 2 },
      { title: 'COW FILE', priority: 1 },
    ] as const;
    const lines = formatTable(columns, rows, out.tableWidth, (text) => out.paint('bold', text));
    out.print(lines.join('\n'));
    for (const line of failureLines(devices)) out.note(line);
  }
  return undefined;
}

/** Why those that have failed did. */
export function failureLines(devices: readonly Device[]): string[] {
  return devices.flatMap(({ minor, failure }) =>
    failure === undefined ? [] : [`minor ${minor} has failed: ${printable(failure)}`],
  );
}

export async function info({ values, json, out, tools }: Context<{ readonly device: DeviceRef }>) {
  const datto = await tools.datto();
  const device = await findDevice(values.device, datto, tools);
  if (json) out.document({ device: deviceJson(device) });
  else out.print(infoText(device, out.paint));
  return undefined;
}

export async function getFreeMinor({ json, out, tools }: Context<unknown>) {
  const minor = await (await tools.datto()).getFreeMinor();
  if (json) out.document({ minor });
  else out.print(String(minor));
  return undefined;
}

function infoText(device: Device, paint: Context<unknown>['out']['paint']): string {
  const { verified, state, autoExpand, failure } = device;
  const rows: [string, string | undefined][] = [
    ['minor', String(device.minor)],
    ['device', `${printable(device.blockDevice)}${sizeOf(device)}`],
    ['state', state.text],
    ['failure', failure === undefined ? undefined : paint('red', failure)],
    ['snapshot', state.snapshot && state.active ? `/dev/datto${device.minor}` : undefined],
    ['COW file', printable(device.cowFile)],
    ['COW size', verified === undefined ? undefined : cowText(device)],
    ['auto-expand', autoExpand === undefined ? undefined : autoExpandText(autoExpand)],
    ['changed', verified === undefined ? undefined : changedLong(device)],
    ['series', verified?.uuid],
    ['seq id', verified === undefined ? undefined : String(verified.seqid)],
    ['reboot', device.persistent === true ? 'tracked again (persist)' : undefined],
    ['index memory', formatBytes(device.cacheBytes)],
  ];
  return rows
    .flatMap(([name, value]) => (value === undefined ? [] : [`${`${name}:`.padEnd(14)}${value}`]))
    .join('\n');
}

function sizeOf({ originBytes }: Device): string {
  return originBytes === undefined ? '' : ` (${formatBytes(originBytes)})`;
}

/** `30 % of 4 GiB`, or the size alone. */
function cowShort({ cow, verified }: Device): string {
  if (cow === undefined) return verified === undefined ? '-' : formatBytes(verified.cowBytes);
  return `${Math.floor((cow.used / cow.size) * 100)} % of ${formatBytes(cow.size)}`;
}

/** `1.2 GiB of 4 GiB (30 %)`, or the size alone. */
function cowText({ cow, verified }: Device): string {
  if (cow === undefined) return verified === undefined ? '-' : formatBytes(verified.cowBytes);
  const percent = Math.floor((cow.used / cow.size) * 100);
  return `${formatBytes(cow.used)} of ${formatBytes(cow.size)} (${percent} %)`;
}

export function changedText({ verified }: Device): string {
  return verified === undefined ? '-' : formatBytes(verified.nrChangedBlocks * 4096n);
}

function changedLong({ verified, originBytes }: Device): string {
  const blocks = verified?.nrChangedBlocks ?? 0n;
  const bytes = blocks * 4096n;
  const part =
    originBytes === undefined ? '' : ` (${((Number(bytes) / originBytes) * 100).toFixed(2)} %)`;
  return `${plural(blocks, 'block')}, ${formatBytes(bytes)}${part}`;
}

function autoExpandText({ stepMib, reservedMib }: NonNullable<Device['autoExpand']>): string {
  return `in steps of ${formatBytes(stepMib << 20n)} while ${formatBytes(reservedMib << 20n)} stay free`;
}
