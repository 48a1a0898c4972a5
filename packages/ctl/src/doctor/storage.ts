/** The devices to be tracked: mounted, of a kind that works, with room for the COW file. */
import { formatBytes, printable } from '@dbd/cli-kit';
import { newCowBytes } from '../lib/checks.js';
import { blockDeviceBytes } from '../lib/devices.js';
import type { Host } from '../lib/host.js';
import { type Mount, readMounts } from '../lib/mounts.js';
import { type Finding, note, ok, problem } from './finding.js';

/** File systems that the driver takes; it refuses all others. */
const POSSIBLE = new Set(['ext2', 'ext3', 'ext4', 'xfs']);
const NAMES = [...POSSIBLE].join(', ');

/** @param paths of block devices; all that are mounted read-write when there are none */
export async function checkStorage(host: Host, paths: readonly string[]): Promise<Finding[]> {
  const mounts = await readMounts(host);
  if (paths.length > 0) {
    return (await Promise.all(paths.map((path) => checkDevice(host, mounts, path)))).flat();
  }
  const seen = new Set<string>();
  const findings: Finding[] = [];
  for (const mount of mounts) {
    const known = POSSIBLE.has(mount.type) && mount.writable && mount.source.startsWith('/dev/');
    if (!known || seen.has(mount.dev)) continue;
    seen.add(mount.dev);
    findings.push(...(await checkMount(host, mount)));
  }
  if (findings.length > 0) return findings;
  return [
    note(
      'file systems',
      `none is mounted read-write of those that can be tracked (${NAMES})`,
      'Mount the one to back up',
    ),
  ];
}

async function checkDevice(host: Host, mounts: readonly Mount[], path: string): Promise<Finding[]> {
  const file = await host.file(path);
  if (file?.kind !== 'block') {
    const text = file === undefined ? 'does not exist' : 'is not a block device';
    return [problem(path, text, 'Give the device with the file system, such as /dev/sdb1')];
  }
  const own = mounts.filter(({ dev }) => dev === file.rdev);
  const mount = own.find(({ writable }) => writable) ?? own[0];
  if (mount === undefined) {
    return [problem(path, 'is not mounted', 'Mount it: the COW file is on its file system')];
  }
  if (mount.writable) return checkMount(host, { ...mount, source: path });
  const advice = `Mount it read-write: mount -o remount,rw ${mount.mountPoint}`;
  return [problem(path, `is mounted read-only at ${mount.mountPoint}`, advice)];
}

async function checkMount(host: Host, mount: Mount): Promise<Finding[]> {
  const { source, type, mountPoint, options } = mount;
  const name = printable(source);
  if (!POSSIBLE.has(type)) {
    return [problem(name, `${type} cannot be tracked`, `Use one of these: ${NAMES}`)];
  }
  const dax = options.some((option) => option === 'dax' || option === 'dax=always');
  if (dax)
    return [problem(name, 'is mounted with DAX', 'Mount it without: its writes are not seen')];
  const zoned = (await queue(host, mount, 'zoned')) ?? 'none';
  if (zoned !== 'none') {
    return [problem(name, `is a zoned device (${zoned})`, 'Use one that is not zoned')];
  }
  return [await room(host, { ...mount, source: name, mountPoint })];
}

/** An attribute of the request queue, which a partition has in its disk. */
async function queue(host: Host, { dev }: Mount, name: string): Promise<string | undefined> {
  const own = await host.text(`/sys/dev/block/${dev}/queue/${name}`);
  return (own ?? (await host.text(`/sys/dev/block/${dev}/../queue/${name}`)))?.trim();
}

async function room(host: Host, { source, type, mountPoint }: Mount): Promise<Finding> {
  const at = `${type} at ${printable(mountPoint)}`;
  const bytes = await blockDeviceBytes(host, source);
  const wanted = await newCowBytes(undefined, bytes, host);
  const free = await host.freeBytes(mountPoint);
  if (bytes === undefined || wanted === undefined || free === undefined) return ok(source, at);
  const room = `${formatBytes(free)} free of ${formatBytes(bytes)}`;
  if (free >= wanted) return ok(source, `${at}, ${room}`);
  return problem(
    source,
    `${at}, ${room}: too little for a COW file of the default size, ${formatBytes(wanted)}`,
    'Free some, or ask for a smaller one with -f; it is full sooner then',
  );
}
