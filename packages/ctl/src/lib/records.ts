/**
 * What makes a device tracked again after a reboot. Two things, read by boot/src and the driver:
 *
 * - `/etc/dbd/devices/<UUID of the file system>`: the device is to be tracked, and with which minor, and of
 *   what kind it is, since copies of a file system have its UUID;
 * - `.dbd/live` in the root of the file system itself: a link with the path of the COW file from that
 *   root. It is found when the file system is mounted, so that it is never older than what it is about.
 *   `.dbd/next` is the COW file of a transition under way: the driver takes that one when the other is
 *   finished and this is its successor.
 */
import { basename, dirname, join, relative } from 'node:path';
import { CommandError } from '@dbd/cli-kit';
import type { Datto } from '@dbd/ioctl';
import type { Tools } from '../tools.js';
import type { Files } from './files.js';
import type { Host } from './host.js';
import { type Mount, readMounts } from './mounts.js';

const DEVICES = '/etc/dbd/devices';
const LIVE = '.dbd/live';
const NEXT = '.dbd/next';

/** A tracked file system. */
export interface Volume {
  readonly blockDevice: string;
  readonly uuid: string;
  /** Of its root; undefined: it is not mounted as a whole. */
  readonly mountPoint: string | undefined;
}

/** Undefined when it may not be read, or carries no file system that we know. */
export async function findVolume(
  blockDevice: string,
  { host, files }: Tools,
): Promise<Volume | undefined> {
  const uuid = await readUuid(blockDevice, files);
  if (uuid === undefined) return undefined;
  return { blockDevice, uuid, mountPoint: (await wholeMount(blockDevice, host))?.mountPoint };
}

/** Whether boot tracks it again with that COW file; null when that cannot be seen. */
export async function isPersistent(
  { blockDevice, cowFile }: { readonly blockDevice: string; readonly cowFile: string },
  tools: Tools,
): Promise<boolean | null> {
  const volume = await findVolume(blockDevice, tools);
  if (volume?.mountPoint === undefined) return null;
  if ((await tools.host.text(wanted(volume))) === undefined) return false;
  return (await tools.files.readLink(join(volume.mountPoint, LIVE))) === cowFile;
}

/** Has boot track the device with this minor again. */
export async function turnOn(
  minor: number,
  datto: Datto,
  tools: Tools,
): Promise<Volume & { readonly mountPoint: string }> {
  const { volume, cowFile } = await presentState(minor, datto, tools);
  const { blockDevice, uuid, mountPoint } = volume ?? {};
  if (blockDevice === undefined || uuid === undefined || mountPoint === undefined) {
    throw new CommandError(
      'failure',
      'EINVAL',
      `cannot have minor ${minor} tracked again after a reboot: its file system has no UUID that can be read, or is not mounted as a whole and writable. Mount it, and do it again: dbdctl persist ${minor}.`,
    );
  }
  const { host, files } = tools;
  await files.link(join(mountPoint, LIVE), cowFile);
  await files.remove(join(mountPoint, NEXT));
  const lines = [
    '# Written by dbdctl persist.',
    `minor=${minor}`,
    ...(await kindLine(blockDevice, host)),
  ];
  await files.write(wanted({ uuid }), `${lines.join('\n')}\n`);
  await files.remove(idle({ uuid }));
  return { blockDevice, uuid, mountPoint };
}

/** Boot leaves the volume alone from now on. */
export async function turnOff(volume: Volume, files: Files): Promise<void> {
  await files.remove(wanted(volume));
  await files.remove(idle(volume));
  await removeLinks(volume, files);
}

/** Runs a first snapshot; a volume that was persistent before is so again. */
export async function afterSetup(minor: number, asked: boolean, datto: Datto, tools: Tools) {
  if (!asked) {
    const { volume } = await presentState(minor, datto, tools);
    if (volume === undefined) return;
    const { host } = tools;
    const before = (await host.text(wanted(volume))) ?? (await host.text(idle(volume)));
    if (before === undefined) return;
  }
  await turnOn(minor, datto, tools);
}

/**
 * Runs a transition to the COW file given. Wherever it is interrupted, the records lead to the file
 * that counts.
 */
export async function recordedTransition(
  minor: number,
  cowFile: string,
  datto: Datto,
  tools: Tools,
  run: () => Promise<void>,
): Promise<void> {
  const { host, files } = tools;
  const before = await presentState(minor, datto, tools).catch(() => undefined);
  const mountPoint = before?.volume?.mountPoint;
  const live = mountPoint === undefined ? undefined : await files.readLink(join(mountPoint, LIVE));
  if (before === undefined || mountPoint === undefined || live === undefined) return run();
  if (live !== before.cowFile) await files.link(join(mountPoint, LIVE), before.cowFile);
  await files.link(join(mountPoint, NEXT), await pathFromRoot(cowFile, host));
  try {
    await run();
  } catch (error) {
    await files.remove(join(mountPoint, NEXT));
    throw error;
  }
  const after = await presentState(minor, datto, tools);
  await files.link(join(mountPoint, LIVE), after.cowFile);
  await files.remove(join(mountPoint, NEXT));
}

/** Runs the end of a device. What is to be done at boot is remembered for when it is set up again. */
export async function recordedEnd(
  minor: number,
  datto: Datto,
  tools: Tools,
  run: () => Promise<void>,
): Promise<void> {
  const { host, files } = tools;
  const { volume } = await presentState(minor, datto, tools).catch(() => ({ volume: undefined }));
  await run();
  if (volume === undefined) return;
  const text = await host.text(wanted(volume));
  if (text !== undefined) await files.rename(wanted(volume), idle(volume));
  await removeLinks(volume, files);
}

/** As device_kind() of boot/src/device.c. */
async function kindLine(blockDevice: string, host: Host): Promise<string[]> {
  const device = `/sys/dev/block/${(await host.file(blockDevice))?.rdev}`;
  const mapping = (await host.text(`${device}/dm/uuid`))?.trim();
  if (mapping) return [`kind=dm:${mapping}`];
  const isPart = (await host.text(`${device}/partition`)) !== undefined;
  const disk = isPart ? `${device}/..` : device;
  return (await host.text(`${disk}/loop/backing_file`)) === undefined ? [] : ['kind=loop'];
}

async function presentState(minor: number, datto: Datto, tools: Tools) {
  const { devices } = await datto.status();
  const device = devices.find((one) => one.minor === minor);
  if (device === undefined) return { volume: undefined, cowFile: '' };
  return { volume: await findVolume(device.blockDevice, tools), cowFile: device.cowFile };
}

async function removeLinks({ mountPoint }: Volume, files: Files): Promise<void> {
  if (mountPoint === undefined) return;
  await files.remove(join(mountPoint, NEXT));
  await files.remove(join(mountPoint, LIVE));
  await files.removeEmpty(dirname(join(mountPoint, LIVE)));
}

function wanted({ uuid }: { readonly uuid: string }): string {
  return `${DEVICES}/${uuid}`;
}

/** Of a volume that is not tracked at present; at boot such a name is not looked at. */
function idle(volume: { readonly uuid: string }): string {
  return `${wanted(volume)}.idle`;
}

async function wholeMount(blockDevice: string, host: Host): Promise<Mount | undefined> {
  const number = (await host.file(blockDevice))?.rdev;
  return (await readMounts(host)).find(
    ({ dev, root, writable }) => dev === number && root === '/' && writable,
  );
}

/** An absolute path as it is seen from the root of its own file system. */
async function pathFromRoot(path: string, host: Host): Promise<string> {
  const directory = await host.resolve(dirname(path));
  const mounts = (await readMounts(host)).filter(
    ({ mountPoint }) => directory === mountPoint || isBelow(directory, mountPoint),
  );
  // The last of those with the longest path hides the others.
  const mount = mounts.reduce<Mount | undefined>(
    (best, one) =>
      best === undefined || one.mountPoint.length >= best.mountPoint.length ? one : best,
    undefined,
  );
  if (mount === undefined) return path;
  return join(mount.root, relative(mount.mountPoint, directory), basename(path));
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

/** The file system's UUID as text, as udev has it. */
async function readUuid(blockDevice: string, files: Files): Promise<string | undefined> {
  const ext = await files.bytes(blockDevice, 1024 + 0x38, 2);
  if (ext?.[0] === 0x53 && ext[1] === 0xef) {
    return uuidText(await files.bytes(blockDevice, 1024 + 0x68, 16));
  }
  const xfs = await files.bytes(blockDevice, 0, 4);
  if (xfs !== undefined && Buffer.from(xfs).toString('latin1') === 'XFSB') {
    return uuidText(await files.bytes(blockDevice, 32, 16));
  }
  return undefined;
}

function uuidText(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  const hex = Buffer.from(bytes).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
