/** What block devices lie on, and are, as /sys tells: partitions, device mapper, md, loop. */
import type { Stats } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';

/**
 * Whether a device is another one, or is made of it, or is on a file of it. What cannot be found out counts
 * as no.
 * @param device as in the `dev` of stat(2)
 */
export async function liesOn(device: number, other: number): Promise<boolean> {
  return anyBelow(device, '/sys', (below) => below === other);
}

/** Whether a device is made of a file, by loop devices, or of a block device. Otherwise as {@link liesOn}. */
export async function isMadeOf(device: number, part: Stats, sys = '/sys'): Promise<boolean> {
  return anyBelow(device, sys, async (below) => {
    if (part.isBlockDevice()) return below === part.rdev;
    const file = await backingFile(directoryOf(below, sys));
    return file !== undefined && file.dev === part.dev && file.ino === part.ino;
  });
}

/**
 * By what a device is known at any time and by any name: what device mapper, md or the disk say of
 * themselves, and the number of the partition. Undefined when nothing does.
 * @param device as in the `rdev` of stat(2)
 */
export async function deviceId(device: number, sys = '/sys'): Promise<string | undefined> {
  const directory = directoryOf(device, sys);
  const [partition = ''] = await readText(`${directory}/partition`);
  const disk = partition === '' ? directory : `${directory}/..`;
  for (const name of ['dm/uuid', 'md/uuid', 'wwid', 'device/wwid', 'serial', 'device/serial']) {
    const [line = ''] = await readText(`${disk}/${name}`);
    // That of dm-crypt ends with the name that the device has been opened by.
    const id = line.trim().replace(/^(CRYPT-\w+-[0-9a-f]{32})-.*/, '$1');
    if (id !== '') return `${name.replace('device/', '')} ${id}${partition && ` ${partition}`}`;
  }
  return undefined;
}

async function anyBelow(
  device: number,
  sys: string,
  holds: (device: number) => boolean | Promise<boolean>,
  depth = 0,
): Promise<boolean> {
  if (await holds(device)) return true;
  if (depth > 8) return false;
  for (const below of await devicesBelow(directoryOf(device, sys))) {
    if (await anyBelow(below, sys, holds, depth + 1)) return true;
  }
  return false;
}

function directoryOf(device: number, sys: string): string {
  const { major, minor } = split(device);
  return `${sys}/dev/block/${major}:${minor}`;
}

async function devicesBelow(directory: string): Promise<number[]> {
  const slaves = await readdir(`${directory}/slaves`).catch(() => []);
  const files = slaves.map((slave) => `${directory}/slaves/${slave}/dev`);
  if ((await readText(`${directory}/partition`)).length > 0) files.push(`${directory}/../dev`);
  const below: number[] = [];
  for (const file of files) {
    const [text] = await readText(file);
    const [a, b] = (text ?? '').split(':').map(Number);
    if (a !== undefined && b !== undefined) below.push(join(a, b));
  }
  const stats = await backingFile(directory);
  if (stats !== undefined) below.push(stats.isBlockDevice() ? stats.rdev : stats.dev);
  return below;
}

/** What a loop device stands on. */
async function backingFile(directory: string): Promise<Stats | undefined> {
  const [file] = await readText(`${directory}/loop/backing_file`);
  return file === undefined ? undefined : await stat(file).catch(() => undefined);
}

async function readText(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text === '' ? [] : text.split('\n');
}

// As glibc's gnu_dev_major() and its kin; by arithmetic, as a dev_t has more than 32 bits.
function split(device: number): { major: number; minor: number } {
  const low = device % 2 ** 32;
  const high = Math.floor(device / 2 ** 32);
  return {
    major: ((low >>> 8) & 0xfff) + Math.floor(high / 2 ** 12) * 2 ** 12,
    minor: (low & 0xff) + ((low >>> 20) & 0xfff) * 2 ** 8 + (high & 0xfff) * 2 ** 20,
  };
}

function join(major: number, minor: number): number {
  const low = (minor & 0xff) + (major & 0xfff) * 2 ** 8 + ((minor >>> 8) & 0xfff) * 2 ** 20;
  return low + Math.floor(minor / 2 ** 20) * 2 ** 32 + Math.floor(major / 2 ** 12) * 2 ** 44;
}
