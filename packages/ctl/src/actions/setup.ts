/** What a first snapshot of one device and of several have in common. */
import { formatBytes } from '@dbd/cli-kit';
import type { DattoStatus } from '@dbd/ioctl';
import {
  checkFreeMinor,
  checkMounted,
  checkNewCowFile,
  checkOrigin,
  newCowBytes,
  type Origin,
} from '../lib/checks.js';
import type { Host } from '../lib/host.js';
import type { Mount } from '../lib/mounts.js';
import type { ChangeValues } from './change.js';

export interface SetupValues extends ChangeValues {
  /** This and the next are undefined with a group. */
  readonly blockDevice: string | undefined;
  readonly cowFile: string | undefined;
  readonly minor: number | undefined;
  readonly cacheSize: bigint | undefined;
  readonly persist: boolean;
  /** MiB. */
  readonly cowSize: bigint | undefined;
}

/** A device with the minor that it is to have. */
export interface NewDevice {
  readonly blockDevice: string;
  readonly cowFile: string;
  readonly minor: number;
}

interface Place {
  readonly origin: Origin;
  readonly mount: Mount;
}

export function setupPlan(
  { blockDevice, cowFile, minor }: NewDevice,
  cowSize: bigint | undefined,
): string {
  const size = cowSize ? ` of ${formatBytes(cowSize << 20n)}` : '';
  return `take a snapshot of ${blockDevice} as minor ${minor} with the COW file ${cowFile}${size}`;
}

/** @throws CommandError when minor or device cannot be had */
export async function checkNewDevice(
  { blockDevice, minor }: NewDevice,
  status: DattoStatus,
  host: Host,
): Promise<Place> {
  await checkFreeMinor(minor, status, host);
  const origin = await checkOrigin(blockDevice, status, host);
  return { origin, mount: await checkMounted(origin, host) };
}

/** @throws CommandError when the COW file cannot be made */
export async function checkItsCowFile(
  { cowFile }: NewDevice,
  cowSize: bigint | undefined,
  { origin, mount }: Place,
  host: Host,
): Promise<void> {
  const bytes = await newCowBytes(cowSize, origin.bytes, host);
  await checkNewCowFile(cowFile, bytes, origin, mount, host);
}
