/** What block devices lie on, as /sys tells: partitions, device mapper, md, loop. */
import { readdir, readFile, stat } from 'node:fs/promises';

/**
 * Whether a device is another one, or is made of it, or is on a file of it. What cannot be found out counts
 * as no.
 * @param device as in the `dev` of stat(2)
 */
export async function liesOn(device: number, other: number, depth = 0): Promise<boolean> {
  if (device === other) return true;
  if (depth > 8) return false;
  for (const below of await devicesBelow(device)) {
    if (await liesOn(below, other, depth + 1)) return true;
  }
  return false;
}

async function devicesBelow(device: number): Promise<number[]> {
  const { major, minor } = split(device);
  const directory = `/sys/dev/block/${major}:${minor}`;
  const slaves = await readdir(`${directory}/slaves`).catch(() => []);
  const files = slaves.map((slave) => `${directory}/slaves/${slave}/dev`);
  if ((await readText(`${directory}/partition`)).length > 0) files.push(`${directory}/../dev`);
  const below: number[] = [];
  for (const file of files) {
    const [text] = await readText(file);
    const [a, b] = (text ?? '').split(':').map(Number);
    if (a !== undefined && b !== undefined) below.push(join(a, b));
  }
  const [file] = await readText(`${directory}/loop/backing_file`);
  const stats = file === undefined ? undefined : await stat(file).catch(() => undefined);
  if (stats !== undefined) below.push(stats.isBlockDevice() ? stats.rdev : stats.dev);
  return below;
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
