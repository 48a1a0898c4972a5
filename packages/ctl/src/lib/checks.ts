/**
 * Why a call would be refused, found without making it: for --dry-run, and to explain an errno of the
 * driver that has several meanings. The checks come in the order of the driver's.
 */
import { dirname } from 'node:path';
import { CommandError, formatBytes } from '@dbd/cli-kit';
import type { Datto, DattoStatus, DeviceStatus } from '@dbd/ioctl';
import { blockDeviceBytes, failureOf, noSuchMinor } from './devices.js';
import type { Host } from './host.js';
import { type Mount, readMounts } from './mounts.js';

const MIB = 2 ** 20;

export function requireRoot(host: Host): void {
  if (host.uid === 0) return;
  throw new CommandError('permission', 'EPERM', 'this needs root (CAP_SYS_ADMIN). Run it as root.');
}

/** How many minors there are; infinite when that cannot be had. */
export async function maxDevices(host: Host): Promise<number> {
  const text = await host.text(`${PARAMETERS}/max_snap_devices`);
  return text === undefined ? Number.POSITIVE_INFINITY : Number(text);
}

/** @throws CommandError when a new device cannot get this minor */
export async function checkFreeMinor(minor: number, status: DattoStatus, host: Host) {
  const max = await maxDevices(host);
  if (minor >= max) {
    throw refuse(
      'EINVAL',
      `minor ${minor} is not below the module's max_snap_devices, which is ${max}. Choose a lower one, or load the module with more`,
    );
  }
  const other = status.devices.find((device) => device.minor === minor);
  if (other === undefined) return;
  throw new CommandError(
    'busy',
    'EBUSY',
    `minor ${minor} is in use for ${other.blockDevice}. Choose another, leave it out, or destroy that device first.`,
  );
}

/** What is to be tracked. */
export interface Origin {
  readonly path: string;
  /** `8:17`. */
  readonly number: string;
  readonly bytes: number | undefined;
}

/** @throws CommandError when it is no block device, or tracked already */
export async function checkOrigin(path: string, status: DattoStatus, host: Host): Promise<Origin> {
  const file = await host.file(path);
  if (file === undefined) {
    throw new CommandError('no such device', 'ENOENT', `${path} does not exist. Check the path.`);
  }
  if (file.kind !== 'block') {
    const message = `${path} is not a block device. Give the device, not a file or directory on it.`;
    throw new CommandError('no such device', 'ENOTBLK', message);
  }
  for (const { minor, blockDevice } of status.devices) {
    const other = await host.file(blockDevice);
    if (blockDevice !== path && other?.rdev !== file.rdev) continue;
    throw new CommandError(
      'busy',
      'EINVAL',
      `${path} is tracked already, as minor ${minor}. Use that one, or destroy it first.`,
    );
  }
  return { path, number: file.rdev, bytes: await blockDeviceBytes(host, path) };
}

/**
 * @returns a mount that can be written
 * @throws CommandError when there is none
 */
export async function checkMounted({ path, number }: Origin, host: Host): Promise<Mount> {
  const mounts = (await readMounts(host)).filter(({ dev }) => dev === number);
  const found = mounts.find(({ writable }) => writable);
  if (found !== undefined) return found;
  const [readOnly] = mounts;
  throw refuse(
    'EINVAL',
    readOnly === undefined
      ? `${path} is not mounted. Mount it first: the COW file is on its file system`
      : `${path} is mounted read-only at ${readOnly.mountPoint}. Mount it read-write: mount -o remount,rw ${readOnly.mountPoint}`,
  );
}

/** @throws CommandError when a reload would come too late */
export async function checkNotMounted({ path, number }: Origin, host: Host): Promise<void> {
  const found = (await readMounts(host)).find(({ dev, writable }) => dev === number && writable);
  if (found === undefined) return;
  throw refuse(
    'EINVAL',
    `${path} is mounted read-write at ${found.mountPoint} already. Reload before the file system is mounted; what was written since is not known`,
  );
}

/** @throws CommandError when the COW file cannot be made there */
export async function checkNewCowFile(
  cowFile: string,
  bytes: number | undefined,
  { path, number }: Origin,
  { mountPoint }: Mount,
  host: Host,
): Promise<void> {
  if ((await host.file(cowFile))?.kind === 'directory') {
    throw refuse('EISDIR', `${cowFile} is a directory. Name a file that does not exist yet`);
  }
  const directory = await host.file(dirname(cowFile));
  if (directory?.kind !== 'directory') {
    throw refuse('ENOENT', `${dirname(cowFile)}, the directory of the COW file, does not exist`);
  }
  if (directory.dev !== number) {
    throw refuse(
      'EINVAL',
      `the COW file ${cowFile} is not on the file system of ${path}, which is mounted at ${mountPoint}. Name a file under ${mountPoint}`,
    );
  }
  const free = await host.freeBytes(dirname(cowFile));
  if (bytes === undefined || free === undefined || bytes <= free) return;
  throw refuse(
    'ENOSPC',
    `the COW file needs ${formatBytes(bytes)}, and ${formatBytes(free)} are free on ${mountPoint}. Free some, or ask for a smaller one with -f`,
  );
}

/** Bytes of a new COW file. @param mib as the user asked; 0 or undefined: the module's default */
export async function newCowBytes(
  mib: bigint | undefined,
  originBytes: number | undefined,
  host: Host,
): Promise<number | undefined> {
  if (mib) return Number(mib) * MIB;
  const text = await host.text(`${PARAMETERS}/cow_fallocate_percentage_default`);
  const percent = text === undefined ? 10 : Number(text);
  return originBytes === undefined ? undefined : Math.ceil((originBytes * percent) / 100);
}

/** The states that a command is for. */
export type Wanted =
  | 'active snapshot'
  | 'active incremental'
  | 'any that has not failed'
  | 'failed'
  | 'any';

/** @throws CommandError when there is no such device, or it is in another state */
export async function checkState(
  minor: number,
  wanted: Wanted,
  status: DattoStatus,
  datto: Datto,
): Promise<DeviceStatus> {
  const device = status.devices.find((one) => one.minor === minor);
  if (device === undefined) throw noSuchMinor(minor);
  if (wanted === 'any') return device;
  if (wanted === 'failed') return checkFailed(device);
  if (device.errorName !== null) {
    const why = await failureOf(device, datto);
    throw refuse(
      'EINVAL',
      `the device with minor ${minor} (${device.blockDevice}) has failed: ${why}. Destroy it, set it up again and make a full copy${device.state.active ? `; or go on with what it tracked: dbdctl transition-to-incremental --force ${minor}` : ''}`,
    );
  }
  if (wanted === 'any that has not failed' || device.state.text === wanted) return device;
  throw refuse(
    'EINVAL',
    `the device with minor ${minor} (${device.blockDevice}) is ${device.state.text}; it must be ${wanted}. ${remedy(device, wanted)}`,
  );
}

function checkFailed(device: DeviceStatus): DeviceStatus {
  const { minor, blockDevice, state, errorName } = device;
  const what = `the device with minor ${minor} (${blockDevice})`;
  if (errorName === null) {
    throw refuse('EINVAL', `${what} has not failed. Leave --force out`);
  }
  if (!state.active)
    throw refuse('EINVAL', `${what} is ${state.text}. ${remedy(device, 'failed')}`);
  return device;
}

function remedy({ state, minor }: DeviceStatus, wanted: Wanted): string {
  if (!state.active) return 'Mount its file system read-write first';
  return wanted === 'active snapshot'
    ? `Take a snapshot first: dbdctl transition-to-snapshot <cow file> ${minor}`
    : `End the snapshot first: dbdctl transition-to-incremental ${minor}`;
}

function refuse(code: string, message: string): CommandError {
  return new CommandError('failure', code, `${message}.`);
}

const PARAMETERS = '/sys/module/dattobd/parameters';
