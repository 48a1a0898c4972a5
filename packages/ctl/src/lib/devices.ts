/** Tracked devices: which one is meant, what is known of it. */
import { CommandError, type DeviceRef, type Json } from '@dbd/cli-kit';
import { cowLayout } from '@dbd/cow-format';
import type { Datto, DeviceStatus } from '@dbd/ioctl';
import type { Tools } from '../tools.js';
import type { Host } from './host.js';
import { isPersistent } from './records.js';

/** A device with what the status file does not tell. */
export interface Device extends DeviceStatus {
  /** Size of the tracked device in bytes; undefined when it cannot be had. */
  readonly originBytes: number | undefined;
  /** How full the COW file of a snapshot is. */
  readonly cow: CowUse | undefined;
  /** Why it has failed, in the driver's words as far as it has some for us. */
  readonly failure: string | undefined;
  /** It is tracked again after a reboot; null: cannot be seen. */
  readonly persistent: boolean | null;
}

/** Bytes of a COW file in snapshot mode. */
export interface CowUse {
  /** Header, index and old blocks, and what cannot take any. */
  readonly used: number;
  readonly size: number;
}

/** All devices. */
export async function readDevices(datto: Datto, tools: Tools): Promise<Device[]> {
  const { devices } = await datto.status();
  return Promise.all(devices.map((device) => describeDevice(device, datto, tools)));
}

async function describeDevice(device: DeviceStatus, datto: Datto, tools: Tools): Promise<Device> {
  const { host } = tools;
  const originBytes = await blockDeviceBytes(host, device.blockDevice);
  const failure = await failureOf(device, datto);
  return {
    ...device,
    originBytes,
    cow: cowUse(device, originBytes),
    failure,
    persistent: await isPersistent(device, tools),
  };
}

/** Why a device has failed, in the driver's words as far as it has some for us. */
export async function failureOf(device: DeviceStatus, datto: Datto): Promise<string | undefined> {
  const { minor, errorName } = device;
  if (errorName === null) return undefined;
  // Without root, or of an older driver, there is no answer.
  const failure = await datto.failure(minor).catch(() => null);
  if (failure === null || failure.reason === '') return failureText(errorName);
  const where = failure.block === 0n ? '' : ` at block ${failure.block}`;
  return `${failure.reason}${where} (${failure.code})`;
}

/** Size of a block device, without opening it. */
export async function blockDeviceBytes(host: Host, path: string): Promise<number | undefined> {
  const file = await host.file(path);
  if (file?.kind !== 'block') return undefined;
  const sectors = Number(await host.text(`/sys/dev/block/${file.rdev}/size`));
  return Number.isSafeInteger(sectors) && sectors > 0 ? sectors * 512 : undefined;
}

/** Where the driver does not tell: each changed block has its old content in the file. */
function cowUse(
  { state, error, verified }: DeviceStatus,
  originBytes: number | undefined,
): CowUse | undefined {
  if (verified === undefined || !state.snapshot) return undefined;
  const size = Number(verified.cowBytes);
  const { cowFreeBytes } = verified;
  if (cowFreeBytes !== undefined) {
    return { used: error === 0 ? size - Number(cowFreeBytes) : size, size };
  }
  if (originBytes === undefined) return undefined;
  const full = cowLayout(originBytes).dataOffset + Number(verified.nrChangedBlocks) * 4096;
  return { used: error === 0 ? Math.min(full, size) : size, size };
}

/**
 * The minor of the device that the user means.
 * @throws CommandError no such device; DattoIoctlError
 */
export async function findMinor(ref: DeviceRef, datto: Datto, host: Host): Promise<number> {
  if ('minor' in ref) return ref.minor;
  const path = await host.resolve(ref.path);
  const node = /^\/dev\/datto(\d+)$/.exec(path)?.[1];
  if (node !== undefined) return Number(node);
  const { devices } = await datto.status();
  const file = await host.file(path);
  for (const { minor, blockDevice } of devices) {
    if (blockDevice === path || blockDevice === ref.path) return minor;
    const other = file?.kind === 'block' ? await host.file(blockDevice) : undefined;
    if (other?.kind === 'block' && other.rdev === file?.rdev) return minor;
  }
  const tracked = devices.map(({ minor, blockDevice }) => `${blockDevice} (minor ${minor})`);
  const known =
    tracked.length === 0 ? 'No device is tracked' : `Those tracked are: ${tracked.join(', ')}`;
  const what = file === undefined ? 'does not exist' : 'is not tracked';
  throw new CommandError('no such device', 'ENOENT', `${ref.path} ${what}. ${known}.`);
}

/**
 * One device.
 * @throws CommandError no such device; DattoIoctlError
 */
export async function findDevice(ref: DeviceRef, datto: Datto, tools: Tools): Promise<Device> {
  const minor = await findMinor(ref, datto, tools.host);
  const { devices } = await datto.status();
  const device = devices.find((one) => one.minor === minor);
  if (device !== undefined) return describeDevice(device, datto, tools);
  throw noSuchMinor(minor);
}

export function noSuchMinor(minor: number): CommandError {
  return new CommandError(
    'no such device',
    'ENOENT',
    `there is no device with minor ${minor}. See those there are with: dbdctl list.`,
  );
}

/** What the errno of a failed device means, where the driver says no more. */
function failureText(errorName: string): string {
  const text = FAILURES[errorName] ?? 'the driver met an error';
  return `${text} (${errorName})`;
}

const FAILURES: Readonly<Record<string, string>> = {
  EFBIG: 'the COW file ran full',
  ENOSPC: 'the file system of the COW file ran full',
  EIO: 'a disk gave an error',
  ENOMEM: 'the kernel had no memory left',
  ENOENT: 'the COW file was not found when the file system was mounted',
  EINVAL: 'the COW file is not the one for this device, or was not closed in order',
};

/** A device in JSON; see DEVICE in schemas.ts. */
export function deviceJson(device: Device): { readonly [key: string]: Json } {
  const { verified, state, autoExpand } = device;
  return {
    minor: device.minor,
    state: state.text,
    stateCode: state.code,
    blockDevice: device.blockDevice,
    blockDeviceBytes: device.originBytes ?? null,
    snapshotDevice: state.snapshot && !state.unverified ? `/dev/datto${device.minor}` : null,
    cowFile: device.cowFile,
    cowBytes: verified?.cowBytes ?? null,
    cowUsedBytes: device.cow?.used ?? null,
    cacheBytes: device.cacheBytes,
    seqId: verified?.seqid ?? null,
    uuid: verified?.uuid ?? null,
    changedBlocks: verified?.nrChangedBlocks ?? null,
    autoExpand:
      autoExpand === undefined
        ? null
        : { stepMib: autoExpand.stepMib, reservedMib: autoExpand.reservedMib },
    persistent: device.persistent,
    error:
      device.errorName === null
        ? null
        : { errno: -device.error, code: device.errorName, reason: device.failure },
  };
}
